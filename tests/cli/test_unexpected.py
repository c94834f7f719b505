"""Errors that nobody foresaw: one message, and a traceback that is not lost."""

import errno
import logging
import re
import sys
from pathlib import Path

import pytest
import torch
from mmengine.logging import MMLogger

from daseg.cli.exits import reports_errors
from daseg.utils.errors import DataError
from daseg.utils.log import replace_handlers


@reports_errors
def bug():
    raise ZeroDivisionError("by nought")


@reports_errors
def hiding():
    try:
        {}["key"]
    except KeyError as error:
        raise DataError("street.png is odd") from error


@reports_errors
def full():
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


def ended(tool, capsys) -> tuple[int, str]:
    """The status and stderr of a tool."""
    with pytest.raises(SystemExit) as caught:
        tool()
    return caught.value.code, capsys.readouterr().err


@pytest.fixture
def no_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No run has begun; temporary files go here."""
    monkeypatch.setattr(MMLogger, "_instance_dict", {})
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv("DASEG_TRACEBACK", raising=False)
    return tmp_path


def test_a_bug_is_one_message_with_its_place_and_a_file_of_its_traceback(no_log, capsys):
    code, said = ended(bug, capsys)
    assert code == 1
    assert said.startswith("error: unexpected ZeroDivisionError: by nought\n")
    assert re.search(rf"at {re.escape(__file__)}, line \d+, in bug; the traceback is in", said)
    assert "Traceback" not in said
    (file,) = no_log.glob("daseg_traceback_*.txt")
    assert str(file) in said
    assert file.read_text().startswith("Traceback (most recent call last)")
    assert 'raise ZeroDivisionError("by nought")' in file.read_text()


def test_the_traceback_goes_into_the_log_of_the_run(no_log, tmp_path, capsys):
    log = tmp_path / "run.log"
    MMLogger.get_instance("unexpected", log_file=str(log))
    code, said = ended(bug, capsys)
    assert code == 1
    assert f"the traceback is in {log} " in said
    assert 'raise ZeroDivisionError("by nought")' in log.read_text()
    assert not list(no_log.glob("daseg_traceback_*"))


def test_what_a_users_error_was_made_of_is_in_the_log_but_not_on_the_screen(no_log, capsys):
    assert ended(hiding, capsys) == (2, "error: street.png is odd\n")
    assert not list(no_log.iterdir())
    MMLogger.get_instance("unexpected", log_file=str(no_log / "run.log"))
    assert ended(hiding, capsys) == (2, "error: street.png is odd\n")
    assert "KeyError: 'key'" in (no_log / "run.log").read_text()


def test_the_environment_shows_every_traceback(no_log, capsys, monkeypatch):
    monkeypatch.setenv("DASEG_TRACEBACK", "1")
    code, said = ended(hiding, capsys)
    assert code == 2
    assert "KeyError: 'key'" in said
    assert said.endswith("error: street.png is odd\n")


def test_a_full_accelerator_gets_a_remedy(no_log, capsys):
    code, said = ended(full, capsys)
    assert code == 1
    assert "Tried to allocate 2.00 GiB" in said
    assert "model.micro_batch" in said
    assert "--amp" in said


def test_where_no_file_can_be_written_the_traceback_is_shown(no_log, capsys, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(no_log / "none"))
    code, said = ended(bug, capsys)
    assert code == 1
    assert 'raise ZeroDivisionError("by nought")' in said
    assert "the traceback is shown above. " in said


def test_where_the_disk_of_the_log_is_full_the_error_is_told_all_the_same(no_log, capsys):
    """The handler of a run's log raises where a line cannot be written."""
    logger = MMLogger.get_instance("unexpected", log_file=str(no_log / "run.log"))
    replace_handlers(logger)
    (handler,) = (each for each in logger.handlers if isinstance(each, logging.FileHandler))
    handler.emit = lambda record: fail()
    assert ended(hiding, capsys) == (2, "error: street.png is odd\n")
    code, said = ended(bug, capsys)
    assert (code, said.count("Traceback")) == (1, 0)
    (file,) = no_log.glob("daseg_traceback_*")
    assert f"the traceback is in {file} " in said


def fail():
    raise OSError(errno.ENOSPC, "No space left on device")


def test_without_torch_nothing_is_imported_to_say_it(no_log, capsys, monkeypatch):
    monkeypatch.delitem(sys.modules, "mmengine.logging")
    assert ended(bug, capsys)[0] == 1
    assert "mmengine.logging" not in sys.modules
