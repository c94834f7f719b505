"""What stops a training from outside: a full disk, a killed process; and what is said of it."""

import errno
import os
import signal
import threading
from types import SimpleNamespace

import pytest
import torch
from torch.utils.data import get_worker_info

from daseg.datasets import FolderDataset
from daseg.engine import outside
from daseg.engine.outside import saying_what_is_whole, warn_of_space
from daseg.engine.train import train
from daseg.utils.errors import ConfigError, DataError, WorkerError, WriteError


@pytest.fixture
def work_dir(tmp_path):
    (tmp_path / "run").mkdir()
    for iteration in (3, 12):
        (tmp_path / f"run/iter_{iteration}.pth").write_bytes(bytes(3 * 2**20))
    return tmp_path / "run"


def test_what_is_whole_is_said(work_dir):
    with pytest.raises(WriteError) as caught, saying_what_is_whole(str(work_dir)):
        raise WriteError("iter_15.pth cannot be written: the disk is full")
    assert str(caught.value) == (
        f"iter_15.pth cannot be written: the disk is full. {work_dir}/iter_12.pth is whole: make "
        "room for 3 MiB, which a checkpoint takes, and go on from it with --resume"
    )
    with pytest.raises(WriteError) as caught, saying_what_is_whole(str(work_dir)):
        raise WriteError("iter_15.pth cannot be written: there is a folder of this name")
    assert "make room" not in str(caught.value)
    with pytest.raises(WorkerError) as caught, saying_what_is_whole(str(work_dir)):
        raise WorkerError("a process has died")
    assert str(caught.value).endswith(
        f"{work_dir}/iter_12.pth is whole: go on from it with --resume"
    )


def test_errors_of_other_writers_are_told_alike(work_dir):
    for error, start in (
        (OSError(errno.ENOSPC, "No space left on device"), f"the log in {work_dir} cannot be"),
        (OSError(errno.EACCES, "Permission denied", f"{work_dir}/a.log"), f"{work_dir}/a.log cann"),
    ):
        with pytest.raises(WriteError) as caught, saying_what_is_whole(str(work_dir)):
            raise error
        assert str(caught.value).startswith(start)
        assert "iter_12.pth is whole" in str(caught.value)
    # It is not a file of the run's: somebody's code has looked for one.
    with pytest.raises(FileNotFoundError), saying_what_is_whole(str(work_dir)):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", "weights.txt")


def test_a_thread_that_cannot_write_shows_no_traceback(work_dir, capfd):
    """TensorBoard raises its thread's error once more in ours, where it is told."""

    def fail(error):
        thread = threading.Thread(target=fail_with, args=(error,))
        thread.start()
        thread.join()

    def fail_with(error):
        raise error

    before = threading.excepthook
    shown = []
    threading.excepthook = lambda args: shown.append(args.exc_value)
    try:
        with saying_what_is_whole(str(work_dir)):
            fail(OSError(errno.ENOSPC, "No space left on device"))
            fail(KeyError("a bug"))
        assert [type(error) for error in shown] == [KeyError]
        fail(OSError(errno.ENOSPC, "No space left on device"))
        assert len(shown) == 2, "afterwards all is as it was"
    finally:
        threading.excepthook = before


def runner_of(work_dir, optimizer):
    model = torch.nn.Linear(1024, 1024, bias=False)  # 4 MiB
    wrapper = SimpleNamespace(optimizer=optimizer(model.parameters()))
    return SimpleNamespace(work_dir=str(work_dir), model=model, optim_wrapper=wrapper)


@pytest.mark.parametrize(
    ("optimizer", "size"),
    [
        (lambda p: torch.optim.SGD(p, lr=1), 4),
        (lambda p: torch.optim.SGD(p, lr=1, momentum=0.9), 8),
        (torch.optim.Adam, 12),
    ],
)
def test_too_little_space_is_warned_of(optimizer, size, tmp_path, monkeypatch, capsys):
    runner = runner_of(tmp_path, optimizer)
    monkeypatch.setattr(outside, "free_bytes", lambda folder: size * 2**20 - 1)
    warn_of_space(runner)
    said = capsys.readouterr().err
    assert said.startswith(f"warning: a checkpoint will take about {size} MiB, and {size} MiB are")
    monkeypatch.setattr(outside, "free_bytes", lambda folder: size * 2**20)
    warn_of_space(runner)
    monkeypatch.setattr(outside, "free_bytes", lambda folder: None)  # nobody knows
    warn_of_space(runner)
    assert capsys.readouterr().err == ""


def test_a_training_warns_of_too_little_space(tiny_config, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(outside, "free_bytes", lambda folder: 1)
    train(tiny_config(), work_dir=tmp_path, cfg_options={"train_cfg.max_iters": 1})
    assert capsys.readouterr().err.count("warning: a checkpoint will take about") == 1


@pytest.mark.parametrize("name", ["", "file/run", "file"])
def test_an_impossible_work_dir_is_refused_before_anything(name, tiny_config, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises((ConfigError, WriteError), match=r"^--work-dir"):
        train(tiny_config(), work_dir=str(tmp_path / name) if name else name)


@pytest.mark.slow
def test_a_full_disk_and_a_dead_process_leave_a_run_that_goes_on(
    tiny_config, tmp_path, monkeypatch
):
    work_dir, real = tmp_path / "run", os.fsync
    config = tiny_config("train_dataloader['num_workers'] = 1\n")
    calls = []

    def full(handle):
        name = os.readlink(f"/proc/self/fd/{handle}")
        calls.append(name)
        if ".iter_6." in name:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    if os.path.isdir("/proc/self/fd"):
        monkeypatch.setattr(os, "fsync", full)
        message = (
            r"(?s)iter_6\.pth cannot be written: No space left.*iter_3\.pth is whole: make room"
        )
        with pytest.raises(WriteError, match=message):
            train(config, work_dir=work_dir)
        monkeypatch.setattr(os, "fsync", real)
        assert [p.name for p in work_dir.glob("*.pth")] == ["iter_3.pth"]
        assert not list(work_dir.glob(".iter*"))
    read = FolderDataset.__getitem__

    def die(dataset, index):
        if get_worker_info() is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        return read(dataset, index)

    monkeypatch.setattr(FolderDataset, "__getitem__", die)
    message = r"train_dataloader: a worker process has died.*iter_3\.pth is whole: go on from"
    with pytest.raises(WorkerError, match=message):
        train(config, work_dir=work_dir, resume=True)
    monkeypatch.undo()
    train(config, work_dir=work_dir, resume=True)
    assert (work_dir / "iter_6.pth").is_file()


def test_a_linked_folder_of_pictures_is_refused_before_training(tiny_config, tmp_path):
    work_dir, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    work_dir.mkdir()
    elsewhere.mkdir()
    (work_dir / "pictures").symlink_to(elsewhere)
    with pytest.raises(DataError, match=r"pictures is a link, and nothing is written through it"):
        train(tiny_config("custom_hooks = [dict(type='ObservatoryHook')]\n"), work_dir=work_dir)
    assert list(elsewhere.iterdir()) == []
