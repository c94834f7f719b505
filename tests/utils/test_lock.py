"""A folder's lock: one owner, gone with it, whatever it leaves behind."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from daseg.utils import lock
from daseg.utils.errors import ConfigError
from daseg.utils.lock import FolderInUseError, locked

ROOT = Path(__file__).parents[2]
OWNER = """
import os, subprocess, sys, time
from daseg.utils.lock import locked
with locked(sys.argv[1]):
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(told, b'.')
        time.sleep(600)
    os.read(ready, 1)  # the child runs, and has let go of what it inherited
    other = subprocess.Popen(['sleep', '600'], close_fds=False)
    print(child, other.pid, flush=True)
    time.sleep(600)
"""


def test_it_is_there_while_the_body_runs(tmp_path):
    folder = tmp_path / "new/folder"
    with locked(folder):
        with pytest.raises(FolderInUseError, match=rf"{folder} is being .* {os.getpid()} on "):
            locked(folder).__enter__()
        with locked(folder, name=".other"):
            pass
        (folder / "result").touch()
    assert [path.name for path in folder.iterdir()] == ["result"]
    with locked(folder):
        pass
    with locked(tmp_path / "empty"):
        pass
    assert not (tmp_path / "empty").exists(), "nothing was written there"


def test_it_dies_with_its_owner_also_where_children_live_on(tmp_path):
    """As loader workers do for a while, and a command that was started."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert owner.stdout is not None
    children = [int(word) for word in owner.stdout.readline().split()]
    try:
        with pytest.raises(FolderInUseError, match=rf"another process, {owner.pid} on .+, since"):
            locked(tmp_path).__enter__()
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        for child in children:
            os.kill(child, 0)  # it lives
        assert (tmp_path / ".lock").exists()
        with locked(tmp_path):
            pass
        assert not (tmp_path / ".lock").exists()
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)


def test_one_that_was_removed_meanwhile_is_not_taken_for_it(tmp_path, monkeypatch):
    """Its owner ends between the opening of the file and the taking of its lock."""
    take, seen = lock._take, []

    def late(handle):
        if not seen:
            (tmp_path / ".lock").unlink()
        seen.append(handle)
        take(handle)

    monkeypatch.setattr(lock, "_take", late)
    with locked(tmp_path), pytest.raises(FolderInUseError):
        locked(tmp_path).__enter__()
    assert len(seen) == 3


def test_a_file_system_without_locks_is_warned_of(tmp_path, monkeypatch, capsys):
    def refuse(handle):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(lock, "_take", refuse)
    with locked(tmp_path):
        pass
    said = capsys.readouterr().err
    assert said.startswith(f"warning: {tmp_path} lies on a file system without locks (No locks av")


def test_a_folder_that_cannot_be_is_one_message(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"file/run cannot be written into \(Not a directory\)"):
        locked(tmp_path / "file/run").__enter__()
