"""Classes in another order, of another number, or without labels are refused before they count."""

import re

import cv2
import numpy as np
import pytest
import torch

from daseg.config.load import load_config
from daseg.datasets import DomainPair, FolderDataset, MixedDataset
from daseg.engine.class_check import check_same, names_in, names_in_config, names_of
from daseg.engine.evaluate import evaluate
from daseg.engine.labelled import check_labelled, labelled_classes
from daseg.engine.train import train
from daseg.registry import DATASETS
from daseg.segmentor import Segmentor
from daseg.utils.errors import ConfigError, DataError

OTHER = ["square", "left", "right"]
NAMES = ["left", "right", "square"]
BOTH = r"\['left', 'right', 'square'\].*\['square', 'left', 'right'\]"
SWAPPED = r"\['square', 'left', 'right'\].*\['left', 'right', 'square'\]"
WHERE = "class 0 is 'left' and 'square'"


def folder(root, labels, **options):
    """A data set of images 4x6 with these labels, each an id or an array."""
    for name in ("images", "labels"):
        (root / name).mkdir(parents=True)
    for number, label in enumerate(labels):
        picture = np.broadcast_to(np.asarray(label, np.uint8), (4, 6))
        cv2.imwrite(str(root / f"images/{number}.png"), np.zeros((4, 6, 3), np.uint8))
        cv2.imwrite(str(root / f"labels/{number}.png"), np.ascontiguousarray(picture))
    return FolderDataset(root=root, **options)


def test_both_lists_are_said_and_where_they_differ():
    check_same(None, ("a",), "x has", "y has")
    check_same(("a", "b"), ("a", "b"), "x has", "y has")
    with pytest.raises(ConfigError) as error:
        check_same(("a", "b", "c"), ("a", "c", "b"), "x.pth was trained on", "y has")
    for said in (
        "x.pth was trained on",
        "['a', 'b', 'c']",
        "['a', 'c', 'b']",
        "class 1 is 'b' and 'c'",
    ):
        assert said in str(error.value)
    with pytest.raises(ConfigError, match="2 and 1 names"):
        check_same(("a", "b"), ("a",), "x has", "y has")
    assert names_in({}) is names_in(dict(dataset_meta=None)) is None


def test_a_checkpoint_is_not_tested_on_its_classes_in_another_order(trained, tmp_path):
    options = {"test_dataloader.dataset.classes": OTHER}
    with pytest.raises(ConfigError, match=rf"iter_6.pth was trained on.*{BOTH}: {WHERE}"):
        evaluate(trained["config"], trained["checkpoint"], out=tmp_path, cfg_options=options)


def test_weights_without_names_are_compared_by_what_their_config_trains_on(trained, tmp_path):
    file = tmp_path / "bare.pth"
    state = torch.load(trained["checkpoint"], weights_only=True)["state_dict"]
    torch.save(dict(state_dict=state), file)
    options = {"test_dataloader.dataset.classes": OTHER}
    with pytest.raises(ConfigError, match=rf"train_dataloader has.*{BOTH}"):
        evaluate(trained["config"], file, out=tmp_path, cfg_options=options)
    both = {f"{k}_dataloader.dataset.classes": OTHER for k in ("train", "test")}
    result = evaluate(trained["config"], file, out=tmp_path, cfg_options=both)
    assert result.classes == tuple(OTHER)  # nothing says otherwise


def test_the_mean_of_networks_of_other_classes_is_refused(trained, tmp_path):
    other = torch.load(trained["checkpoint"], weights_only=True)
    other["meta"]["dataset_meta"]["classes"] = OTHER
    torch.save(other, tmp_path / "other.pth")
    paths = [trained["checkpoint"], tmp_path / "other.pth"]
    with pytest.raises(ConfigError, match=rf"other.pth was trained on.*{SWAPPED}"):
        evaluate(trained["config"], paths, out=tmp_path / "out")


@pytest.mark.parametrize("how", ["load_from", "resume"])
def test_no_training_goes_on_from_other_classes(how, trained, tmp_path):
    options = {f"{k}_dataloader.dataset.classes": OTHER for k in ("train", "val", "test")}
    work_dir = tmp_path / "run"
    options["train_dataloader.dataset.num_samples"] = 5
    if how == "load_from":
        options["load_from"] = str(trained["checkpoint"])
    else:
        work_dir.mkdir()
        (work_dir / "iter_6.pth").write_bytes(trained["checkpoint"].read_bytes())
        options["train_cfg.max_iters"] = 8
    with pytest.raises(ConfigError, match=rf"iter_6.pth was trained on.*{BOTH}"):
        train(trained["config"], work_dir=work_dir, resume=how == "resume", cfg_options=options)
    assert not (work_dir / "iter_8.pth").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"val_dataloader.dataset.classes": OTHER}, rf"train_dataloader has.*{BOTH}"),
        ({"test_dataloader.dataset.classes": OTHER}, rf"train_dataloader has.*{BOTH}"),
        ({"model.segmentor.num_classes": 5}, r"num_classes is 5, but .*train_dataloader have 3"),
        ({"model.segmentor.num_classes": 1}, r"num_classes=1, but at least 2"),
        ({"val_evaluator.classes": OTHER}, r"IoUMetric has the classes.*under wrong names"),
    ],
)
def test_a_config_whose_parts_differ_is_not_trained(options, said, tiny_config, tmp_path):
    with pytest.raises(ConfigError, match=said):
        train(tiny_config(), work_dir=tmp_path / "run", cfg_options=options)
    assert not list((tmp_path / "run").glob("*.pth"))


class Described(FolderDataset):
    """Says of its classes what it likes, as a data set that is none of daseg's may."""

    def __init__(self, metainfo, **options):
        super().__init__(**options)
        self.metainfo = metainfo


@pytest.mark.parametrize(
    ("metainfo", "said"),
    [
        ({}, "IoUMetric does not know the classes"),
        ({"classes": NAMES, "palette": [[0.5, 0.0, 1.0]] * 3}, r"kept in a checkpoint: .*palette"),
    ],
)
def test_what_data_sets_of_others_say_is_checked_before_training(
    metainfo, said, tiny_config, tmp_path
):
    DATASETS.register_module(module=Described, force=True)
    own = dict(type="Described", metainfo=metainfo)
    options = {
        f"{split}_dataloader.dataset.{key}": value
        for split in ("train", "val")
        for key, value in own.items()
    }
    with pytest.raises(ConfigError, match=said):
        train(tiny_config(), work_dir=tmp_path / "run", cfg_options=options)
    assert not list((tmp_path / "run").glob("*.pth"))


def test_names_may_come_in_an_array(tiny_data):
    dataset = Described(dict(classes=np.array(NAMES)), root=tiny_data, classes=NAMES)
    assert names_of(dataset) == tuple(NAMES)
    dataset.metainfo["classes"] = []
    assert names_of(dataset) is None


def test_a_network_of_more_outputs_than_the_test_data_have_classes_is_not_tested(trained, tmp_path):
    options = {"test_dataloader.dataset.classes": ["left", "right"]}
    with pytest.raises(ConfigError, match=r"num_classes is 3, but .*test_dataloader have 2"):
        evaluate(trained["config"], trained["checkpoint"], out=tmp_path, cfg_options=options)


def test_the_source_of_a_pair_gives_the_names(two_domain_config):
    cfg = load_config(two_domain_config())
    assert names_in_config(cfg, "train_dataloader") == ("left", "right", "square")
    assert names_in_config(cfg, "no_dataloader") is None


def test_labels_are_read_until_two_classes_are_found(tmp_path, monkeypatch):
    names = ["a", "b", "c"]
    data = folder(tmp_path / "d", [255, 1, [[1, 1, 1, 2, 2, 2]], 0], classes=names)
    read = []
    real = data.reader.read
    monkeypatch.setattr(data.reader, "read", lambda path: (read.append(path), real(path))[1])
    assert labelled_classes(data) == {1, 2}
    assert [path.name for path in read] == ["0.png", "1.png", "2.png"]
    assert check_labelled(data, "val_dataloader") == ""
    assert labelled_classes(data, enough=3) == {0, 1, 2}
    assert labelled_classes(object()) is None


def test_labels_of_one_class_and_of_none_are_told(tmp_path):
    names = ["dry", "water"]
    one = folder(tmp_path / "one", [0, 255, 0], classes=names)
    none = folder(tmp_path / "none", [255, 255], classes=names)
    assert re.search(r"of one class, 'dry' of 2.*id_map", check_labelled(one, "val_dataloader"))
    with pytest.raises(
        DataError, match=r"test_dataloader: in all 2 label files of FolderDataset.*/none"
    ):
        check_labelled(none, "test_dataloader")
    mixed = MixedDataset([one, none])
    assert "'dry'" in check_labelled(mixed, "train_dataloader")
    pair = DomainPair(one, dict(type="FolderDataset", root=str(tmp_path / "none"), classes=names))
    assert "'dry'" in check_labelled(pair, "train_dataloader")  # the target's are not read


def test_training_on_one_labelled_class_is_refused_and_validation_is_warned_of(
    tiny_config, tmp_path, caplog
):
    for name, ids in (("one", (0, 0)), ("two", (0, 1))):
        folder(tmp_path / name, [255, *ids], classes=["dry", "water"])
    split = (
        "pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadLabel'), dict(type='PackSample')]"
    )
    text = (
        f"own = dict(type='FolderDataset', classes=['dry', 'water'], {split})\n"
        "train_dataloader['dataset'] = dict(own, root={train!r})\n"
        "val_dataloader['dataset'] = test_dataloader['dataset'] = dict(own, root={val!r})\n"
        "model['segmentor']['num_classes'] = 2\n"
        "train_cfg['max_iters'] = 1\n"
    )
    one, two = (str(tmp_path / name) for name in ("one", "two"))
    with pytest.raises(DataError, match=r"train_dataloader: .*one class, 'dry'"):
        train(tiny_config(text.format(train=one, val=two)), work_dir=tmp_path / "a")
    train(tiny_config(text.format(train=two, val=one), norm="gn"), work_dir=tmp_path / "b")
    log = "".join(path.read_text() for path in (tmp_path / "b").glob("*/*.log"))
    assert "WARNING - val_dataloader: all labelled pixels" in log
    assert "WARNING - all labelled pixels are of one class" in log


@pytest.mark.parametrize("number", [1, 0, "3"])
def test_a_segmentor_tells_at_least_two_classes_apart(number):
    parts = dict(backbone=dict(type="ResNet", depth=18), head=dict(type="DeepLabV2Head"))
    with pytest.raises(ConfigError, match=r"at least 2 are needed"):
        Segmentor(**parts, num_classes=number)
