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
    ("name", "lists", "further"),
    [
        ("longer", [DAY], []),
        ("classmix", [DAY], ["ClassMix"]),
        ("daformer", [DAY], ["FeatureDistance", "ClassMix"]),
        ("supervised", [DUSK], []),
        ("both", [DAY, DUSK], []),
    ],
)
def test_what_goes_on_from_source_only_differs_in_its_objectives_alone(name, lists, further):
    cfg, start = row_config(name), row_config("source_only")
    assert labelled(cfg) == lists
    assert cfg.load_from == "{source_only}"
    assert cfg.train_cfg.max_iters == start.train_cfg.max_iters / 2
    assert cfg.optim_wrapper.segmentor.optimizer.lr == 0.003
    assert cfg.model.segmentor == start.model.segmentor
    assert cfg.model.objectives[0] == start.model.objectives[0]
    assert [o.type for o in cfg.model.objectives[1:]] == further
    assert cfg.test_dataloader == start.test_dataloader
    assert cfg.test_dataloader.dataset.list_file == "lists/dusk_test.txt"


@pytest.mark.parametrize(
    ("name", "further"),
    [
        ("hrda", ["FeatureDistance", "ClassMix"]),
        ("mic", ["FeatureDistance", "ClassMix", "MaskedConsistency"]),
    ],
)
def test_what_goes_on_from_hrdas_source_only_differs_in_its_objectives_alone(name, further):
    cfg, start, plain = row_config(name), row_config("hrda_source_only"), row_config("classmix")
    assert labelled(cfg) == [DAY]
    assert cfg.load_from == "{hrda_source_only}"
    assert (cfg.train_cfg, cfg.optim_wrapper) == (plain.train_cfg, plain.optim_wrapper)
    assert cfg.model.segmentor == start.model.segmentor
    assert cfg.model.objectives[0] == start.model.objectives[0]
    assert [o.type for o in cfg.model.objectives[1:]] == further
    weights = [o.weights for o in cfg.model.objectives if o.type != "FeatureDistance"]
    assert weights == [{"main": 0.9, "detail": 0.1}] * len(weights)
    assert cfg.train_dataloader == plain.train_dataloader
    assert cfg.test_dataloader == start.test_dataloader == plain.test_dataloader


@pytest.mark.parametrize("name", ["classmix", "daformer", "hrda", "mic"])
def test_adaptation_reads_no_label_at_dusk(name):
    target = row_config(name).train_dataloader.dataset.target
    assert target.list_file == DUSK
    assert "LoadLabel" not in [step.type for step in target.pipeline]
