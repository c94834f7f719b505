"""What a training says of pseudo-labels that it reads as the labels of a data set."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from daseg.datasets import DomainPair, FolderDataset, MixedDataset
from daseg.engine.checkpoint import read_checkpoint
from daseg.engine.evaluate import evaluate
from daseg.engine.lineage import target_labels_seen
from daseg.engine.provenance import Provenance, shuffle_window
from daseg.engine.train import train
from daseg.offline.pseudo_labels.pseudo_label import pseudo_label
from daseg.utils.errors import ConfigError, DataError
from runs import digest, report_of

NAMES = ["left", "right", "square"]


@pytest.fixture
def pseudo(trained, tiny_data, tmp_path):
    """A folder of pseudo-labels for `tiny_data`; their maker has seen five of its labels."""
    pseudo_label(trained["config"], trained["checkpoint"], out=tmp_path / "pseudo", workers=0)
    return tmp_path / "pseudo"


def own(tiny_data, pseudo, **more):
    return FolderDataset(tiny_data, NAMES, label_root=pseudo, label_encoding="train_ids", **more)


def test_a_supervised_training_on_them_is_named(small_config, tiny_data, pseudo, tmp_path):
    part = dict(label_root=str(pseudo), label_encoding="train_ids")
    hooks = "custom_hooks.append(dict(type='ReportHook'))\n"
    window = "train_dataloader['sampler']['window'] = 4\n"
    config = small_config(hooks + window + f"train_dataloader['dataset'].update({part})\n")
    train(config, work_dir=tmp_path / "run", cfg_options={"train_cfg.max_iters": 3})
    words = "training: distillation from a teacher with 5 target labels (by iter_6.pth sha256:"
    assert words in (tmp_path / "run/report.txt").read_text()
    report, checkpoint = report_of(tmp_path / "run"), read_checkpoint(tmp_path / "run/iter_3.pth")
    assert report["pseudo_labels"]["manifest_sha256"] == digest(pseudo / "manifest.json")
    assert checkpoint["meta"]["pseudo_labels"] == report["pseudo_labels"]
    evaluate(config, tmp_path / "run/iter_3.pth", out=tmp_path / "test")
    card = (tmp_path / "test/protocol_card.txt").read_text()
    assert ", shuffled within 4 samples; distillation from" in card
    # As a teacher it has seen what its own teacher had, and not the twelve that it had labels of.
    assert target_labels_seen([checkpoint], FolderDataset(tiny_data, NAMES, labels=False)) == 5


@pytest.mark.parametrize(
    ("sampler", "window"),
    [
        (dict(window=6), dict(shuffle_window=6)),
        (dict(source=dict(window=9), target=dict(window=7)), dict(shuffle_window=7)),
        (dict(source=None, target=dict(window=7)), dict(shuffle_window=7)),
        (dict(source=dict(window=None), target=dict(window=None)), {}),
        (dict(), {}),  # one of other packages
    ],
)
def test_a_checkpoint_knows_the_narrowest_window_of_shuffling(sampler, window):
    parts = {k: SimpleNamespace(**v) if isinstance(v, dict) else v for k, v in sampler.items()}
    assert shuffle_window(SimpleNamespace(**parts)) == window


def test_they_are_found_in_what_a_data_set_is_made_of(tiny_data, pseudo, tmp_path):
    plain, target = FolderDataset(tiny_data, NAMES), FolderDataset(tiny_data, NAMES, labels=False)
    mixed = MixedDataset([plain, MixedDataset([own(tiny_data, pseudo)])])
    for dataset in mixed, DomainPair(mixed, target):
        facts = Provenance(dataset).pseudo_labels()
        assert facts is not None
        assert facts["teacher_saw_target_labels"] == 5
    # Labels that nobody reads, and labels that are none of ours.
    assert Provenance(own(tiny_data, pseudo, labels=False)).pseudo_labels() is None
    shutil.copytree(tiny_data / "labels", tmp_path / "true/labels")
    assert Provenance(own(tiny_data, tmp_path / "true")).pseudo_labels() is None


def test_what_cannot_be_told_is_refused(tiny_data, pseudo, tmp_path):
    shutil.copytree(pseudo, tmp_path / "second")
    both = MixedDataset([own(tiny_data, pseudo), own(tiny_data, tmp_path / "second")])
    with pytest.raises(ConfigError, match=r"label_root names .*pseudo and .*second: make them in"):
        Provenance(both)
    (pseudo / "manifest.jsonl").touch()
    with pytest.raises(DataError, match=r"pseudo-labels in .*pseudo are not finished"):
        Provenance(own(tiny_data, pseudo))


@pytest.mark.parametrize("kept", [True, False])
def test_a_palette_that_no_checkpoint_can_keep_is_refused_before_training(tiny_data, kept):
    dataset = FolderDataset(tiny_data, NAMES)
    colours = np.array([[0, 0, 0], [0, 0, 255], [0, 255, 0]])
    dataset.metainfo["palette"] = colours if kept else colours / 255
    if not kept:
        with pytest.raises(ConfigError, match=r"cannot be kept in a checkpoint: .*palette\.0\.0"):
            Provenance(dataset)
        return
    assert Provenance(dataset).meta(None)["dataset_meta"]["palette"] == colours.tolist()
