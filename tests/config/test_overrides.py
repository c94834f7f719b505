"""Overrides and child configs: a mapping of ids is one value, a dict of names is merged."""

from pathlib import Path

import pytest
from mmengine import Config

from daseg.config.load import load_config
from daseg.config.overrides import is_whole, merged
from daseg.utils.errors import ConfigError
from daseg.utils.options import parse_cfg_options

DATA = "train_dataloader['dataset'].update(id_map={0: 0, 1: 1, 2: 2, 7: 0})\n"
KEY = "train_dataloader.dataset.id_map"


def id_map(path: Path, *options: str) -> dict[int, int]:
    cfg = load_config(path, parse_cfg_options(list(options)))
    return dict(cfg.train_dataloader.dataset.id_map)


def child(path: Path, text: str) -> Path:
    (path.parent / "child.py").write_text(f"_base_ = ['{path.name}']\n{text}")
    return path.parent / "child.py"


def test_an_id_map_on_the_command_line_takes_the_place_of_the_configs(tiny_config):
    path = tiny_config(DATA)
    assert id_map(path) == {0: 0, 1: 1, 2: 2, 7: 0}
    assert id_map(path, f"{KEY}={{0:0,1:1,2:0}}") == {0: 0, 1: 1, 2: 0}
    assert id_map(path, f"{KEY}={{}}", f"{KEY}={{5:1}}") == {5: 1}
    assert id_map(path, "train_dataloader.dataset={'id_map': {3: 2}}") == {3: 2}
    assert id_map(tiny_config(), f"{KEY}={{4:1}}") == {4: 1}  # where the config has none


def test_an_id_map_of_a_child_config_takes_the_place_of_its_bases(tiny_config):
    path = tiny_config(DATA)
    text = "train_dataloader = dict(dataset=dict(id_map={0: 0, 1: 1, 2: 0}))\n"
    assert id_map(child(path, text)) == {0: 0, 1: 1, 2: 0}
    merge = Config._merge_a_into_b
    assert merge({"a": {1: 2}}, {"a": {3: 4}}) == {"a": {3: 4, 1: 2}}  # mmengine's own, as before


def test_names_are_merged_as_ever(tiny_config):
    path = tiny_config()
    cfg = load_config(path, {"optim_wrapper.segmentor": dict(lr_mult=dict(backbone=2))})
    assert dict(cfg.optim_wrapper.segmentor.lr_mult) == dict(head=10, backbone=2)
    cfg = load_config(path, {"optim_wrapper.segmentor.lr_mult": dict(_delete_=True, backbone=2)})
    assert dict(cfg.optim_wrapper.segmentor.lr_mult) == dict(backbone=2)
    cfg = load_config(path, {"param_scheduler.0.power": 0.5})
    assert cfg.param_scheduler[0].power == 0.5
    assert cfg.param_scheduler[0].type == "PolyDecay"


def test_an_item_of_a_tuple_cannot_be_set(tiny_config):
    path = tiny_config("train_dataloader['dataset']['pipeline'][2]['crop_size'] = (8, 8)\n")
    with pytest.raises(ConfigError, match=r"crop_size is a tuple, .* give all of it"):
        load_config(path, {"train_dataloader.dataset.pipeline.2.crop_size.0": 16})


@pytest.mark.parametrize(
    ("new", "old", "want"),
    [
        ({1: 2}, {3: 4}, {1: 2}),
        ({}, {3: 4}, {}),
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": {1: 2}}, {"a": {3: 4}, "b": 0}, {"a": {1: 2}, "b": 0}),
        ({"a": 1, "_delete_": True}, {"b": 2}, {"a": 1}),
        ({"0": {"a": 1}}, [{"a": 0, "b": 2}, 5], [{"a": 1, "b": 2}, 5]),
        ({"a": 1}, None, {"a": 1}),
        (7, {"a": 1}, 7),
    ],
)
def test_merged(new, old, want):
    assert merged(new, old) == want


def test_whole():
    assert is_whole({0: 1})
    assert is_whole({(1, 2): 3, "a": 4})
    assert not is_whole({"0": 1})
    assert not is_whole({})
    assert not is_whole([1])
