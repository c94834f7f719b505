"""Atomic writes: the whole file or the old one."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from daseg.utils.files import atomic_write, atomic_write_text, remove_leftovers

ROOT = Path(__file__).parents[2]


def test_replaces_when_all_went_well(tmp_path):
    path = tmp_path / "new" / "results.json"
    for text in ("old", "new ü"):
        atomic_write_text(path, text)
        assert path.read_text(encoding="utf-8") == text
    assert os.listdir(path.parent) == ["results.json"]


def write_in_part(path):
    with atomic_write(path) as temporary:
        temporary.write_text("ha")
        assert path.read_text() == "old"
        raise OSError("disk full")


def test_keeps_the_old_file_when_writing_fails(tmp_path):
    path = tmp_path / "results.json"
    atomic_write_text(path, "old")
    with pytest.raises(OSError, match="disk full"):
        write_in_part(path)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["results.json"]


def test_temporary_file_keeps_folder_and_suffix(tmp_path):
    with atomic_write(tmp_path / "matrix.npz") as temporary:
        temporary.write_bytes(b"")
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".npz"


def test_file_has_the_rights_of_any_new_file(tmp_path):
    atomic_write_text(tmp_path / "a", "")
    (tmp_path / "b").write_text("")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "ab"}
    assert len(modes) == 1


WRITES = """
import sys
from pathlib import Path
from daseg.utils.files import atomic_write
with atomic_write(sys.argv[1]) as temporary:
    temporary.write_text('ha')
    print('in it', flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_process_left_is_removed(tmp_path):
    path = tmp_path / "run/a.b.png"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITES, str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert writer.stdout.readline() == b"in it\n"
    (left,) = path.parent.iterdir()
    assert remove_leftovers(tmp_path, below=True) == 0, "its process is alive"
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    assert list(path.parent.iterdir()) == [left]
    assert remove_leftovers(tmp_path) == 0, "it lies below"
    assert remove_leftovers(tmp_path, below=True) == 1
    assert list(path.parent.iterdir()) == []


def test_of_ones_own_number_was_an_earlier_process(tmp_path):
    (tmp_path / f".iter_3.{os.getpid()}.0a1b2c3d.pth").touch()
    (tmp_path / f".latest.{os.getpid()}.0a1b2c3d").touch()
    assert remove_leftovers(tmp_path) == 2
    assert remove_leftovers(tmp_path / "gone") == 0


def test_other_files_are_never_removed(tmp_path):
    own, hexes = os.getpid(), "0a1b2c3d"
    names = ["a.png", ".hidden.png", f"a.{own}.{hexes}.png", f".a.{own}.{hexes}0.png"]
    names += [f".a.{own}.0A1B2C3D.png", f".a.0.{hexes}.png", f".{own}.{hexes}.png", ".a.tmp"]
    names += [f".a.{own}.{hexes}.png.txt", f".a.{10**12}.{hexes}.png"]
    for name in names:
        (tmp_path / name).touch()
    assert remove_leftovers(tmp_path, below=True) == 0
    assert sorted(os.listdir(tmp_path)) == sorted(names)
