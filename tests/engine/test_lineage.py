"""How many labels of the target a network was trained with, by its checkpoint's record."""

import shutil

import pytest

from daseg.datasets import GTA5, CamVid, DomainPair, FolderDataset, MixedDataset
from daseg.engine.checkpoint import read_checkpoint
from daseg.engine.lineage import lineage, record_of, target_labels_seen
from daseg.engine.train import train

NAMES = ["left", "right", "square"]


def checkpoint(dataset, opened=0, pseudo_root=None, **meta):
    info = dict(runtime_info=dict(report_labels_opened=opened))
    record = dict(labelled=record_of(dataset, pseudo_root))
    return dict(meta=dict(pseudo_labels=None) | record | meta, message_hub=info)


@pytest.fixture
def folder(tiny_data):
    """Build the data set that the target is of; all twelve images unless told otherwise."""
    return lambda root=tiny_data, **options: FolderDataset(root, NAMES, **options)


@pytest.fixture
def target(folder):
    return folder(num_samples=8, labels=False)


@pytest.fixture
def other(folder, tmp_path):
    """Another data set: an image of the same name."""
    for kind in ("images", "labels"):
        (tmp_path / f"other/{kind}").mkdir(parents=True)
        (tmp_path / f"other/{kind}/00.png").touch()
    return folder(tmp_path / "other")


def test_of_a_supervised_training(target, folder):
    assert target_labels_seen([checkpoint(folder())], target) == 8
    for number in (1, 5):
        part = folder(num_samples=number)
        shared = set(part.names) & set(target.names)
        assert target_labels_seen([checkpoint(part)], target) == len(shared)
    assert target_labels_seen([checkpoint(folder(labels=False))], target) == 0


def test_of_an_adaptation_it_is_the_source_that_counts(target, folder, other):
    pair = DomainPair(other, target)
    assert target_labels_seen([checkpoint(pair)], target) == 0
    mixed = DomainPair(MixedDataset([other, folder()]), target)
    assert target_labels_seen([checkpoint(mixed)], target) == 8


def camvid(root, names):
    for name in names:
        for path in (root / f"images/{name}.jpg", root / f"labels/{name}.png"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    return CamVid(root)


def test_the_same_data_set_on_another_machine(tmp_path):
    there = tmp_path / "there"
    trained = camvid(there, ["a/1", "a/2", "b/3"])
    target = camvid(tmp_path / "here", ["a/1", "a/2", "b/3"])
    (there / "day.txt").write_text("a/1\na/2\n")
    day = checkpoint(CamVid(there, list_file="day.txt"))
    everything = checkpoint(trained)
    shutil.rmtree(there)
    assert target_labels_seen([everything], target) == 3
    assert target_labels_seen([day], target) == 2
    (target.root / "dusk.txt").write_text("b/3\n")
    dusk = CamVid(target.root, labels=False, list_file="dusk.txt")
    assert target_labels_seen([day], dusk) == 0


def test_labels_that_are_pseudo_labels_are_not_true_ones(target, folder, tiny_data, tmp_path):
    shutil.copytree(tiny_data / "labels", tmp_path / "made/labels")
    taught = folder(label_root=tmp_path / "made")
    facts = dict(root=str(tmp_path / "made"), checkpoints=[1], teacher_saw_target_labels=5)
    seen = checkpoint(taught, pseudo_root=facts["root"], pseudo_labels=facts)
    assert target_labels_seen([seen], target) == 5
    assert target_labels_seen([checkpoint(taught)], target) == 8


def test_a_teachers_teacher_and_labels_opened_all_the_same(target, folder):
    pair = DomainPair(folder(labels=False), target)
    facts = dict(root="x", checkpoints=[1], teacher_saw_target_labels=5)
    assert target_labels_seen([checkpoint(pair, pseudo_labels=facts)], target) == 5
    facts["teacher_saw_target_labels"] = None
    assert target_labels_seen([checkpoint(pair, pseudo_labels=facts)], target) is None
    assert target_labels_seen([checkpoint(pair, pseudo_labels=dict(root="x"))], target) is None
    assert target_labels_seen([checkpoint(pair, opened=3)], target) == 3
    assert target_labels_seen([checkpoint(pair, opened=300)], target) == 8


def test_of_several_networks_all_together(target, folder):
    parts = [folder(num_samples=3, subset_seed=seed) for seed in (0, 1)]
    expected = len((set(parts[0].names) | set(parts[1].names)) & set(target.names))
    assert target_labels_seen([checkpoint(part) for part in parts], target) == expected


class NoFiles:
    """A data set of another kind, which does not say what it reads."""


@pytest.mark.parametrize("unknown", [
    dict(),
    dict(meta={}),
    dict(meta=dict(settings=dict(dataset="{'type': 'FolderDataset', 'root': '.'}"))),
    checkpoint(NoFiles()),
])  # fmt: skip
def test_what_a_file_does_not_say_is_not_known(unknown, target, folder, capsys):
    assert target_labels_seen([unknown], target) is None
    assert "note: a checkpoint has no record of the images" in capsys.readouterr().err
    assert target_labels_seen([checkpoint(folder()), unknown], target) is None


def test_folders_that_are_not_here(target, folder, tiny_data, tmp_path):
    gone = folder(shutil.copytree(tiny_data, tmp_path / "gone"))
    record = checkpoint(gone)
    assert target_labels_seen([record], target) == 0
    shutil.rmtree(gone.root)
    assert target_labels_seen([record], target) is None, "which folder that was"
    record["meta"]["labelled"][0]["type"] = GTA5.__name__
    assert target_labels_seen([record], target) == 0


def test_what_a_training_started_from_counts(target, folder, other):
    first = checkpoint(folder())
    second = checkpoint(other, started_from=lineage(first))
    third = checkpoint(other, started_from=lineage(second))
    assert target_labels_seen([checkpoint(other)], target) == 0
    assert target_labels_seen([second], target) == target_labels_seen([third], target) == 8
    taught = checkpoint(other, pseudo_labels=dict(teacher_saw_target_labels=5))
    assert target_labels_seen([checkpoint(other, started_from=lineage(taught))], target) == 5
    peeked = checkpoint(other, opened=3)
    assert target_labels_seen([checkpoint(other, started_from=lineage(peeked))], target) == 3
    unknown = dict(state_dict={})  # converted from elsewhere
    assert target_labels_seen([checkpoint(folder(), started_from=lineage(unknown))], target) is None
    old = dict(dataset="{}", pseudo_labels=None, opened=0)  # as checkpoints had it before
    assert target_labels_seen([checkpoint(other, started_from=[old])], target) is None


def test_a_training_keeps_what_it_started_from_over_a_resume(trained, tiny_data, tmp_path):
    options = {"load_from": str(trained["checkpoint"]), "train_cfg.max_iters": 3}
    train(trained["config"], work_dir=tmp_path / "run", cfg_options=options)
    meta = read_checkpoint(tmp_path / "run/iter_3.pth")["meta"]
    assert meta["started_from"] == lineage(read_checkpoint(trained["checkpoint"]))
    (record,) = meta["started_from"][0]["labelled"]
    assert (record["type"], record["root"]) == ("FolderDataset", str(tiny_data))
    assert len(record["images"].split("\n")) == 5
    options["train_cfg.max_iters"] = 6
    train(trained["config"], work_dir=tmp_path / "run", cfg_options=options, resume=True)
    later = read_checkpoint(tmp_path / "run/iter_6.pth")["meta"]
    assert later["started_from"] == meta["started_from"]
    assert read_checkpoint(trained["checkpoint"])["meta"]["started_from"] == []
