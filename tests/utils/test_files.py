"""Atomic writes: the whole file or the old one."""

import os
import stat

import pytest

from daseg.utils.files import atomic_write, atomic_write_text


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
