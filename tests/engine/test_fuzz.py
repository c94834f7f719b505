"""A wrong value at any leaf of a config works, or is a user's error: never another exception."""

import copy
import random
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daseg.config.load import load_config
from daseg.config.text import config_text
from daseg.config.validate import RUNNER_KEYS
from daseg.engine.train import train
from daseg.utils.errors import UserError
from registry_walk import around, base

VALUES = ("text", "", -1, 0, 1.5, -0.5, None, [], [1, 2], {}, {"a": 1}, True, float("nan"), 10**6)
# A million of these would work, and take as long.
LONG = ("channels", "num_classes", "crop_size", "max_iters", "num_workers", "batch_size")
FEW = 30


def leaves(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of all values that hold no dict."""
    if isinstance(node, dict) and node:
        for key, child in node.items():
            yield from leaves(child, (*path, key))
    elif isinstance(node, list) and node and isinstance(node[0], dict):
        for index, child in enumerate(node):
            yield from leaves(child, (*path, index))
    else:
        yield path


def changed(cfg: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    cfg = copy.deepcopy(cfg)
    node: Any = cfg
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return cfg


def cases(cfg: dict[str, Any]) -> list[tuple[tuple[Any, ...], Any]]:
    places = [path for path in leaves(cfg) if path[0] in RUNNER_KEYS]
    found = [(path, value) for path in places for value in VALUES]
    return [(p, v) for p, v in found if not (v == 10**6 and p[-1] in LONG)]


@pytest.fixture(autouse=True)
def _parts_beside_the_tests(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "fixtures"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def simple(tiny_data: Path) -> dict[str, Any]:
    cfg = base(tiny_data)
    cfg["train_cfg"] = dict(type="IterTrainLoop", max_iters=1, val_interval=1)
    return cfg


def test_validation_alone_raises_nothing_else(simple, tmp_path):
    path = tmp_path / "mine.py"
    chosen = random.Random(0).sample(cases(simple), 100)
    for place, value in chosen:
        path.write_text(config_text(changed(simple, place, value)))
        try:
            load_config(path)
        except UserError:
            continue


def run(cfg: dict[str, Any], place: tuple[Any, ...], value: Any, folder: Path) -> str:
    """How one training ends: "works", "refused", or what is wrong with its end."""
    path = folder / "mine.py"
    path.write_text(config_text(changed(cfg, place, value)))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            train(path, work_dir=folder / "run")
    except UserError as error:
        return "refused" if str(error).strip() else "refused without a word"
    except Exception as error:
        return f"{place}={value!r}: {type(error).__name__}: {error}"
    return "works"


def bad_ends(cfg: dict[str, Any], chosen: list[Any], tmp_path: Path) -> list[str]:
    ends = []
    for number, (place, value) in enumerate(chosen):
        folder = tmp_path / str(number)
        folder.mkdir()
        ends.append(run(cfg, place, value, folder))
    return [end for end in ends if end not in ("works", "refused")]


def test_a_few_wrong_values_work_or_are_refused(simple, tmp_path):
    assert bad_ends(simple, random.Random(1).sample(cases(simple), FEW), tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("part", range(8))
def test_all_wrong_values_work_or_are_refused(simple, tmp_path, part):
    assert bad_ends(simple, cases(simple)[part::8], tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("part", range(8))
def test_all_wrong_values_of_an_adversarial_config(tiny_data, tmp_path, part):
    cfg = around("objective", "OutputAdversarial", tiny_data)
    cfg["train_cfg"]["max_iters"] = 1
    assert bad_ends(cfg, cases(cfg)[part::8], tmp_path) == []
