"""How many labels of the target a teacher was trained with, by its checkpoint."""

import pytest

from daseg.datasets import CamVid, FolderDataset
from daseg.engine.checkpoint import read_checkpoint
from daseg.engine.train import train
from daseg.offline.pseudo_labels.teacher import lineage, target_labels_seen

NAMES = ["left", "right", "square"]


def checkpoint(dataset, opened=0, **meta):
    info = dict(runtime_info=dict(report_labels_opened=opened))
    return dict(meta=dict(settings=dict(dataset=repr(dataset))) | meta, message_hub=info)


@pytest.fixture
def target(tiny_data):
    return FolderDataset(tiny_data, NAMES, num_samples=8, labels=False)


@pytest.fixture
def own(tiny_data):
    """The config of the data set that the target is of, all twelve images."""
    return dict(type="FolderDataset", root=str(tiny_data), classes=NAMES, pipeline=["not built"])


def test_of_a_supervised_training(target, own, tiny_data):
    assert target_labels_seen([checkpoint(own)], target) == 8
    for number in (1, 5):
        part = own | dict(num_samples=number)
        shared = set(FolderDataset(tiny_data, NAMES, num_samples=number).names) & set(target.names)
        assert target_labels_seen([checkpoint(part)], target) == len(shared)
    assert target_labels_seen([checkpoint(own | dict(labels=False))], target) == 0


def test_of_an_adaptation_it_is_the_source_that_counts(target, own, tmp_path):
    other = own | dict(root=str(tmp_path))
    (tmp_path / "images").mkdir()
    (tmp_path / "images/00.png").touch()  # of the same name, and another image
    pair = dict(type="DomainPair", source=other, target=own)
    assert target_labels_seen([checkpoint(pair)], target) == 0
    mixed = dict(type="MixedDataset", datasets=[other, own | dict(num_samples=12)])
    assert target_labels_seen([checkpoint(pair | dict(source=mixed))], target) == 8


def test_the_same_data_set_on_another_machine(tmp_path):
    for name in ("a/1", "a/2", "b/3"):
        path = tmp_path / f"images/{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    target = CamVid(tmp_path, labels=False)
    trained = dict(type="CamVid", root="/another/machine")
    assert target_labels_seen([checkpoint(trained)], target) == 3
    (tmp_path / "day.txt").write_text("a/1\na/2\n")
    assert target_labels_seen([checkpoint(trained | dict(list_file="day.txt"))], target) == 2
    (tmp_path / "dusk.txt").write_text("b/3\n")
    dusk = CamVid(tmp_path, labels=False, list_file="dusk.txt")
    assert target_labels_seen([checkpoint(trained | dict(list_file="day.txt"))], dusk) == 0


def test_a_teachers_teacher_and_labels_opened_all_the_same(target, own):
    pair = dict(type="DomainPair", source=own | dict(labels=False), target=own)
    facts = dict(root="x", checkpoints=[1], teacher_saw_target_labels=5)
    assert target_labels_seen([checkpoint(pair, pseudo_labels=facts)], target) == 5
    facts["teacher_saw_target_labels"] = None
    assert target_labels_seen([checkpoint(pair, pseudo_labels=facts)], target) is None
    assert target_labels_seen([checkpoint(pair, pseudo_labels=dict(root="x"))], target) is None
    assert target_labels_seen([checkpoint(pair, opened=3)], target) == 3
    assert target_labels_seen([checkpoint(pair, opened=300)], target) == 8


def test_of_several_networks_all_together(target, own, tiny_data):
    parts = [own | dict(num_samples=3, subset_seed=seed) for seed in (0, 1)]
    names = [
        set(FolderDataset(tiny_data, NAMES, num_samples=3, subset_seed=seed).names)
        for seed in (0, 1)
    ]
    expected = len((names[0] | names[1]) & set(target.names))
    assert target_labels_seen([checkpoint(part) for part in parts], target) == expected


@pytest.mark.parametrize("unknown", [
    dict(),
    dict(meta={}),
    dict(meta=dict(settings=dict(dataset="dict(type=<object>)"))),
    dict(meta=dict(settings=dict(dataset="None"))),
    dict(meta=dict(settings=dict(dataset="{'type': 'Elsewhere', 'root': '.'}"))),
])  # fmt: skip
def test_what_a_file_does_not_say_is_not_known(unknown, target, own):
    assert target_labels_seen([unknown], target) is None
    assert target_labels_seen([checkpoint(own), unknown], target) is None


def test_folders_that_are_not_here(target, own):
    gone = own | dict(root="/another/machine")
    assert target_labels_seen([checkpoint(gone)], target) is None, "which folder that was"
    game = dict(type="GTA5", root="/another/machine")
    assert target_labels_seen([checkpoint(game)], target) == 0


def test_what_a_training_started_from_counts(target, own, tmp_path):
    elsewhere = own | dict(root=str(tmp_path))
    (tmp_path / "images").mkdir()
    (tmp_path / "images/00.png").touch()
    first = checkpoint(own | dict(num_samples=12))
    second = checkpoint(elsewhere, started_from=lineage(first))
    third = checkpoint(elsewhere, started_from=lineage(second))
    assert target_labels_seen([checkpoint(elsewhere)], target) == 0
    assert target_labels_seen([second], target) == target_labels_seen([third], target) == 8
    taught = checkpoint(elsewhere, pseudo_labels=dict(teacher_saw_target_labels=5))
    assert target_labels_seen([checkpoint(elsewhere, started_from=lineage(taught))], target) == 5
    peeked = checkpoint(elsewhere, opened=3)
    assert target_labels_seen([checkpoint(elsewhere, started_from=lineage(peeked))], target) == 3
    unknown = dict(state_dict={})  # converted from elsewhere
    assert target_labels_seen([checkpoint(own, started_from=lineage(unknown))], target) is None


def test_a_training_keeps_what_it_started_from_over_a_resume(trained, tmp_path):
    options = {"load_from": str(trained["checkpoint"]), "train_cfg.max_iters": 3}
    train(trained["config"], work_dir=tmp_path / "run", cfg_options=options)
    meta = read_checkpoint(tmp_path / "run/iter_3.pth")["meta"]
    assert meta["started_from"] == lineage(read_checkpoint(trained["checkpoint"]))
    assert "FolderDataset" in meta["started_from"][0]["dataset"]
    options["train_cfg.max_iters"] = 6
    train(trained["config"], work_dir=tmp_path / "run", cfg_options=options, resume=True)
    later = read_checkpoint(tmp_path / "run/iter_6.pth")["meta"]
    assert later["started_from"] == meta["started_from"]
    assert read_checkpoint(trained["checkpoint"])["meta"]["started_from"] == []
