"""Every tool refuses an impossible place for its results in one message, before its work."""

import re
import runpy
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[1] / "tools"
# Configs, checkpoints and inputs are not there: the place is looked at first.
COMMANDS = {
    "train": ("train.py", "{config}", "--work-dir"),
    "test": ("test.py", "{config}", "gone.pth", "--out"),
    "seed-log": ("test.py", "{config}", "gone.pth", "--seed-log"),
    "predict": ("predict.py", "{config}", "gone.pth", "gone", "--out"),
    "translate": ("translate.py", "gone.py", "gone.pth", "--out"),
    "pseudo_label": ("pseudo_label.py", "gone.py", "gone.pth", "--out"),
    "plot_curves": ("plot_curves.py", "gone", "--out"),
    "panel": ("panel.py", "--model", "a", "gone.py", "gone.pth", "--out"),
    "study": ("study.py", "configs/studies/quick.py", "--world", "demo", "--list", "--root"),
    "make_demo": ("make_demo.py", "--root"),
}
PLACES = {
    "": "is empty",
    "a\0b": "has a NUL character",
    "{tmp}/file/below": "Not a directory|is a file, not a folder",
    "{tmp}/" + "x" * 256: "File name too long",
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", COMMANDS)
def test_an_impossible_place_is_refused(name, place, tiny_config, tmp_path, monkeypatch, capsys):
    tool, *words = COMMANDS[name]
    (tmp_path / "file").touch()
    words = [word.format(config=tiny_config()) for word in words]
    before = sorted(tmp_path.iterdir())
    monkeypatch.setattr(sys, "argv", [tool, *words, place.format(tmp=tmp_path)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(TOOLS / tool), run_name="__main__")
    assert ended.value.code == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith(f"error: {words[-1]} ")
    assert re.search(PLACES[place], lines[0])
    assert sorted(tmp_path.iterdir()) == before
