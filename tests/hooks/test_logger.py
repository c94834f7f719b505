"""What of a training's log the console shows, and what the file has."""

import json
import logging

import pytest
from mmengine.logging import MMLogger

from daseg.engine.train import train
from daseg.hooks import logger
from daseg.utils.log import CONSOLE_ONLY, FILE_ONLY, replace_handlers


@pytest.fixture
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")


def test_the_line_of_an_iteration(wide):
    scalars = dict(loss_seg=1.23456, loss_adv=1e-05, disc_acc=0.5, time=0.5, data_time=0.1)
    rates = {"segmentor.lr": 2.5e-4, "discriminators.lr": 2.5e-4}
    line = logger.training_line(scalars | rates | dict(memory=2048), 20, 1000, 490.0)
    assert line == (
        "iter   20/1000  0.50 s each, 8 min 10 s left  lr 0.00025  2.0 GiB  seg 1.235  adv 1e-05"
    )
    assert "0.50 s each, done" in logger.training_line(scalars, 1000, 1000, 0.0)


def test_a_narrow_console_breaks_no_number(monkeypatch):
    monkeypatch.setenv("COLUMNS", "50")
    scalars = {f"loss_{name}": 0.123456 for name in "abcdefgh"} | dict(time=1.0)
    lines = logger.training_line(scalars, 1, 2, 60.0).splitlines()
    assert all(len(line) <= 50 for line in lines)
    assert len(lines) > 1
    parts = [part for line in lines for part in line.split("  ") if part.strip()]
    assert [part.strip() for part in parts[2:]] == [f"{name} 0.1235" for name in "abcdefgh"]


def test_metrics_in_a_line(wide):
    metrics = {"mIoU": 12.345, "val/pixAcc": 50.0, "classes": ["a"]}
    assert logger.metrics_line("validation", metrics) == "validation  mIoU 12.35  pixAcc 50"


@pytest.fixture
def records(tmp_path, capsys):
    """A logger as runs have it; gives what the console and the file have got of some records."""

    def log(verbose=""):
        log = MMLogger.get_instance(f"{tmp_path}{verbose}", log_file=str(tmp_path / "log"))
        replace_handlers(log)
        log.info("daseg's")
        log.info("the console's", extra=CONSOLE_ONLY)
        log.info("the file's", extra=FILE_ONLY)
        log.handle(_of_mmengine(logging.INFO, "mmengine's"))
        log.handle(_of_mmengine(logging.WARNING, "mmengine's warning"))
        return capsys.readouterr().out, (tmp_path / "log").read_text()

    return log


def _of_mmengine(level, text):
    return logging.LogRecord("mmengine", level, logging_file(), 1, text, None, None)


def logging_file():
    import mmengine.runner.runner

    return mmengine.runner.runner.__file__


def test_what_the_console_shows(records):
    console, file = records()
    assert console == "daseg's\nthe console's\nwarning: mmengine's warning\n"
    texts = [line.rpartition(" - ")[2] for line in file.splitlines()]
    assert texts == ["daseg's", "the file's", "mmengine's", "mmengine's warning"]


def test_on_a_terminal_no_rest_of_a_progress_line_stays(records, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    console, _ = records("terminal")
    assert console.startswith("\x1b[Kdaseg's\n\x1b[Kthe console's\n")


def test_verbose_shows_what_the_file_has(records, monkeypatch):
    monkeypatch.setenv("DASEG_VERBOSE", "1")
    console, file = records("verbose")
    texts = [line.rpartition(" - ")[2] for line in console.splitlines()]
    assert texts == [line.rpartition(" - ")[2] for line in file.splitlines()]
    assert "the file's" in texts


def test_a_training_on_the_console(small_config, tmp_path, capsys, wide):
    """The header first, then a loss after the first iteration, whatever the interval is."""
    config = small_config("default_hooks['logger']['interval'] = 4\n")
    runner = train(config, work_dir=tmp_path / "run", cfg_options={"train_cfg.max_iters": 6})
    lines = capsys.readouterr().out.splitlines()
    names = [line.split()[0] for line in lines[:8]]
    assert names == "versions device config training validation networks training log".split()
    assert lines[2] == f"config      {config}"
    (file,) = tmp_path.glob("run/*/*.log")
    assert lines[7] == f"log file    {file}"
    total = sum(each.numel() for each in runner.bare_model.parameters())
    assert lines[5].startswith(f"networks    segmentor {total / 1e6:.2f} M parameters")
    iterations = [line.split()[1] for line in lines if line.startswith("iter ")]
    assert iterations == ["1/6", "4/6", "6/6"]
    assert all(" seg " in line for line in lines if line.startswith("iter "))
    assert not any("mmengine - INFO" in line or "| class" in line for line in lines)
    text = file.read_text()
    assert "System environment" in text
    assert "| class" in text
    (scalars,) = tmp_path.glob("run/*/vis_data/scalars.json")
    written = [json.loads(line) for line in scalars.read_text().splitlines()]
    assert [each["step"] for each in written if "loss" in str(each)] == [4, 6]
