"""From day to dusk at full size: what its rows share, and where they differ."""

from pathlib import Path

import pytest

from daseg.config.load import load_config
from daseg.study import read_study

CONFIGS = Path(__file__).parents[1] / "configs"
DAY, DUSK = "lists/day_train.txt", "lists/dusk_train.txt"


def row_config(name: str):
    row = read_study(CONFIGS / "studies/day_to_dusk.py").rows[name]
    return load_config(CONFIGS.parent / row.config, row.cfg_options)


def labelled(cfg) -> list[str]:
    """The lists of images whose labels a config trains on."""
    data = cfg.train_dataloader.dataset
    parts = [data.source] if "source" in data else data.get("datasets", [data])
    assert all("LoadLabel" in [step.type for step in part.pipeline] for part in parts)
    return [part.list_file for part in parts]


@pytest.mark.parametrize(
    ("name", "lists"),
    [("longer", [DAY]), ("classmix", [DAY]), ("supervised", [DUSK]), ("both", [DAY, DUSK])],
)
def test_what_goes_on_from_source_only_differs_in_its_labels_alone(name, lists):
    cfg, start = row_config(name), row_config("source_only")
    assert labelled(cfg) == lists
    assert cfg.load_from == "{source_only}"
    assert cfg.train_cfg.max_iters == start.train_cfg.max_iters / 2
    assert cfg.optim_wrapper.segmentor.optimizer.lr == 0.003
    assert cfg.model.segmentor == start.model.segmentor
    assert cfg.model.objectives[0] == start.model.objectives[0]
    assert [o.type for o in cfg.model.objectives[1:]] == ["ClassMix"] * (name == "classmix")
    assert cfg.test_dataloader == start.test_dataloader
    assert cfg.test_dataloader.dataset.list_file == "lists/dusk_test.txt"


def test_adaptation_reads_no_label_at_dusk():
    target = row_config("classmix").train_dataloader.dataset.target
    assert target.list_file == DUSK
    assert "LoadLabel" not in [step.type for step in target.pipeline]
