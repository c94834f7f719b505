"""Old module names: every one that had a public home still gives what is there now."""

import importlib
import subprocess
import sys

import pytest

from daseg.compat.moved import MOVED, new_name


@pytest.mark.parametrize("old", sorted(MOVED))
def test_an_old_name_gives_the_same_objects_as_the_new_one(old):
    with pytest.deprecated_call(match=f"{old} has moved to "):
        sys.modules.pop(old, None)
        moved = importlib.import_module(old)
    home = importlib.import_module(MOVED[old])
    public = [name for name in vars(home) if not name.startswith("__")]
    assert all(getattr(moved, name) is getattr(home, name) for name in public)


@pytest.mark.parametrize(
    ("statement", "home"),
    [
        ("from daseg.engine.config import load_config as x", "daseg.config.load"),
        ("from daseg.engine.study.run import run_study as x", "daseg.study.run"),
        (
            "from daseg.engine.pseudo_labels.pseudo_label import pseudo_label as x",
            "daseg.offline.pseudo_labels.pseudo_label",
        ),
        ("from daseg.datasets.demo.world import make_world as x", "daseg.worlds.drawing.world"),
        ("from daseg.utils.norm import InstanceNorm as x", "daseg.ops.norm"),
    ],
)
def test_imports_as_other_packages_have_them(statement, home):
    done = subprocess.run(
        [sys.executable, "-c", f"{statement}; print(x.__module__)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == home


@pytest.mark.parametrize("name", ["daseg.engine.nothing", "daseg.engine.study.nothing", "daseg.x"])
def test_what_never_was_is_not_found(name):
    with pytest.raises(ModuleNotFoundError, match=name):
        importlib.import_module(name)


def test_a_module_that_is_where_it_was_is_not_moved():
    assert new_name("daseg.engine.train") is None
