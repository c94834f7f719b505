"""Where files can be written, and what is said where they cannot."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from daseg.utils import writable
from daseg.utils.errors import ConfigError, DataError, WriteError
from daseg.utils.files import atomic_write, atomic_write_text, remove_leftovers, temporary_name
from daseg.utils.writable import check_file, check_folder, refuse_links

ROOT = Path(__file__).parents[2]


def fails(number, at=1):
    """A function that raises an error of the system at its n-th call, and the real one before."""
    calls = [0]

    def make(real):
        def call(*args, **kwargs):
            calls[0] += 1
            if calls[0] == at:
                raise OSError(number, os.strerror(number))
            return real(*args, **kwargs)

        return call

    return make


@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
@pytest.mark.parametrize("name", ["write_text", "fsync", "replace"])
def test_an_error_of_the_disk_leaves_the_old_file_and_nothing_else(
    name, number, at, tmp_path, monkeypatch
):
    path = tmp_path / "results.json"
    atomic_write_text(path, "old")
    owner = Path if name == "write_text" else os
    monkeypatch.setattr(owner, name, fails(number, at)(getattr(owner, name)))
    message = rf"{path} cannot be written: {os.strerror(number)} \("
    if at == 2 and name != "fsync":  # it is called once a file; the folder is synced too
        atomic_write_text(path, "new")
        assert path.read_text() == "new"
        return
    with pytest.raises(WriteError, match=message):
        atomic_write_text(path, "new")
    # Where the folder alone could not be synced the new file is in its place, whole.
    assert path.read_text() == ("new" if at == 2 else "old")
    assert os.listdir(tmp_path) == ["results.json"]


def test_a_full_disk_is_told_with_what_is_free(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", fails(errno.ENOSPC)(os.fsync))
    monkeypatch.setattr(writable, "free_bytes", lambda folder: 3 * 2**20 + 5)
    with pytest.raises(WriteError) as caught:
        atomic_write_text(tmp_path / "a.json", "new")
    assert str(caught.value) == (
        f"{tmp_path}/a.json cannot be written: No space left on device (the disk is full, 3 MiB "
        "are free there)"
    )
    assert isinstance(caught.value, DataError)
    assert isinstance(caught.value, OSError)


LIMITED = """
import resource, signal, sys, torch
from daseg.utils.errors import WriteError
from daseg.weights.files import write_torch_file
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
write_torch_file(dict(a=torch.ones(1000)), sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
for size in (25_000, 1_000_000):  # it is full at the end, and in the middle
    try:
        write_torch_file(dict(a=torch.zeros(size), b=torch.ones(30)), sys.argv[1])
        print('written')
    except WriteError as error:
        print(error)
"""


@pytest.mark.slow
def test_a_checkpoint_that_outgrows_the_limit_leaves_the_old_one(tmp_path):
    import torch

    path = tmp_path / "iter_1.pth"
    command = [sys.executable, "-c", LIMITED, str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout.count(f"{path} cannot be written: File too large (the file is larger") == 2
    assert torch.load(path, weights_only=True)["a"].sum() == 1000
    assert os.listdir(tmp_path) == ["iter_1.pth"]


def test_names_of_any_legal_length_are_written(tmp_path):
    for name in ("x" * 251 + ".png", "ü" * 125 + ".json", "." + "y" * 254):
        path = tmp_path / name
        atomic_write_text(path, "whole")
        assert path.read_text() == "whole"
        left = temporary_name(path)
        left.touch()
        assert remove_leftovers(tmp_path) == 1, "it is known by its name all the same"
    with pytest.raises(WriteError, match=r"cannot be written: File name too long \(choose a short"):
        atomic_write_text(tmp_path / ("x" * 256), "")


def test_what_cannot_be_a_file(tmp_path):
    (tmp_path / "file").write_text("old")
    (tmp_path / "folder/a").mkdir(parents=True)
    os.mkfifo(tmp_path / "pipe")
    for name, message in (
        ("file/a.json", r"file/a\.json cannot be written: .*file"),
        ("folder", r"folder cannot be written: Is a directory \(there is a folder"),
        ("pipe", r"pipe cannot be written: .*a device or a pipe"),
        ("a\0b", r"has a NUL character"),
    ):
        with pytest.raises(WriteError, match=message):
            atomic_write_text(tmp_path / name, "")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder", "pipe"]
    assert os.listdir(tmp_path / "folder") == ["a"]


def test_a_link_is_replaced_and_a_linked_folder_refused(tmp_path):
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    (elsewhere / "deep").mkdir(parents=True)
    (elsewhere / "a.json").write_text("theirs")
    out.mkdir()
    (out / "a.json").symlink_to(elsewhere / "a.json")
    (out / "color").symlink_to(elsewhere)
    atomic_write_text(out / "a.json", "ours", root=out)
    assert (elsewhere / "a.json").read_text() == "theirs"
    for below in ("color/b.png", "color/deep/b.png", "../elsewhere/b.png"):
        with pytest.raises(WriteError, match="is a link, and nothing is written through it"):
            atomic_write_text(out / below, "ours", root=out)
    with pytest.raises(WriteError, match="does not lie in"):
        refuse_links(elsewhere, out)
    assert sorted(os.listdir(elsewhere)) == ["a.json", "deep"]
    # The folder itself may be a link that its user has made.
    (tmp_path / "mine").symlink_to(elsewhere)
    atomic_write_text(tmp_path / "mine/x/b.json", "ours", root=tmp_path / "mine")
    assert (elsewhere / "x/b.json").read_text() == "ours"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "^--out is empty: it is the path of a folder"),
        ("a\0b", r"^--out has a NUL character \('.*a\\x00b'\)"),
        ("file", r"^--out .*file: .*file is a file, not a folder: choose another"),
        ("file/b/c", r"^--out .*file/b/c: nothing can be written there: Not a directory"),
        ("nothing", r"nothing is a link to nothing, not a folder"),
        ("x" * 256, r"nothing can be written there: File name too long"),
        ("new/" + "x" * 256 + "/deep", r"nothing can be written there: File name too long"),
        ("loop/a", r"nothing can be written there: Too many levels of symbolic links"),
    ],
)
def test_impossible_folders_are_refused_before_the_work(name, message, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "nothing").symlink_to("gone")
    (tmp_path / "loop").symlink_to("loop")
    before = sorted(os.listdir(tmp_path))
    with pytest.raises((ConfigError, WriteError), match=message):
        check_folder(os.path.join(tmp_path, name) if name else name, "--out")
    assert sorted(os.listdir(tmp_path)) == before


def test_a_possible_folder_leaves_no_trace(tmp_path):
    assert check_folder(tmp_path / "a/b", "--out") == tmp_path / "a/b"
    assert check_file(str(tmp_path / "a/b.png"), "--out") == tmp_path / "a/b.png"
    assert os.listdir(tmp_path) == []
    with pytest.raises(WriteError, match=r"^--out .* is a folder: name a file in it"):
        check_file(tmp_path, "--out")
    with pytest.raises(ConfigError, match=r"^--out is empty: it is the path of a file"):
        check_file("", "--out")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_place_where_nothing_can_be_written_is_found_by_writing(number, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", fails(number)(os.fsync))
    message = rf"^--work-dir {tmp_path}/run: nothing can be written there: {os.strerror(number)}"
    with pytest.raises(WriteError, match=message):
        check_folder(tmp_path / "run", "--work-dir")
    assert os.listdir(tmp_path) == []


def test_other_errors_of_the_body_stay_what_they_are(tmp_path):
    for error in (ValueError("not ours"), KeyError("a"), DataError("bad")):
        with pytest.raises(type(error)) as caught, atomic_write(tmp_path / "a"):
            raise error
        assert caught.value is error
    assert os.listdir(tmp_path) == []
