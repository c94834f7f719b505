"""The command line: help at once, errors as one message, interrupts without noise."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from daseg.cli.exits import reports_errors
from daseg.utils.errors import DataError
from processes import environment

ROOT = Path(__file__).parents[1]
TOOLS = sorted((ROOT / "tools").glob("*.py"))
ENVIRONMENT = environment()
HEAVY = {"torch", "mmengine", "mmcv", "cv2", "matplotlib"}
HELP = """
import runpy, sys
sys.argv = [{path!r}, '--help']
try:
    runpy.run_path({path!r}, run_name='__main__')
except SystemExit as end:
    print('STATUS', end.code, 'HEAVY', sorted({heavy!r} & set(sys.modules)))
"""


def run(*arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)


def refused(*arguments) -> str:
    """The one message of a tool that ends with status 2, without a traceback or noise."""
    done = run(*arguments)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("error:") == 1
    assert done.stderr.startswith("error: "), "noise before the message"
    assert done.stdout == ""
    return done.stderr


def test_there_are_tools():
    assert {"train.py", "test.py", "predict.py"} <= {p.name for p in TOOLS}


@pytest.mark.parametrize("path", TOOLS, ids=lambda p: p.name)
def test_help_comes_without_importing_torch(path):
    done = run("-c", HELP.format(path=str(path), heavy=HEAVY))
    assert done.stdout.startswith("usage:"), done.stderr
    assert "STATUS 0 HEAVY []" in done.stdout


def test_a_typo_in_a_config_is_one_message(tiny_config):
    config = tiny_config("modle = dict(a=1)\n")
    message = refused("tools/train.py", config)
    assert "modle: not a key that anything reads; did you mean 'model'?" in message


def test_a_missing_checkpoint_is_one_message(tiny_config, tmp_path):
    message = refused("tools/test.py", tiny_config(), tmp_path / "gone.pth")
    assert "no weights file at" in message


def test_an_input_that_is_not_there_is_one_message(tiny_config, tmp_path):
    message = refused("tools/predict.py", tiny_config(), "x.pth", "gone.jpg", "--out", tmp_path)
    assert "gone.jpg: no image or video there" in message


def test_predict_writes_its_pictures(trained, tiny_data, tmp_path):
    image = tiny_data / "images/00.png"
    arguments = (trained["config"], trained["checkpoint"], image, "--out", tmp_path, "--train-ids")
    done = run("tools/predict.py", *arguments)
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["color", "overlay", "train_ids"]
    assert done.stdout == f"1 predictions are in {tmp_path}\n"


def test_a_broken_image_in_a_loaders_worker_is_one_message(tiny_config, tmp_path):
    images, labels = tmp_path / "data/images", tmp_path / "data/labels"
    images.mkdir(parents=True)
    labels.mkdir()
    for folder in (images, labels):
        (folder / "0.png").write_text("not an image")
    options = ["train_dataloader.num_workers=1", f"train_dataloader.dataset.root={images.parent}"]
    arguments = (tiny_config(), "--work-dir", tmp_path / "run", "--cfg-options", *options)
    done = run("tools/train.py", *arguments)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    (message,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert message.startswith(f"error: image {images / '0.png'} cannot be read")


def test_ctrl_c_ends_a_training_without_a_traceback(tiny_config, tmp_path):
    work_dir = tmp_path / "run"
    options = ["train_cfg.max_iters=100000", "train_dataloader.num_workers=1"]
    arguments = ("tools/train.py", tiny_config(), "--work-dir", work_dir, "--cfg-options", *options)
    log = tmp_path / "log"
    with log.open("w") as file:
        training = subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            cwd=ROOT,
            env=ENVIRONMENT,
            stdout=file,
            stderr=file,
            start_new_session=True,  # a group of its own, which gets the signal as from a terminal
        )
    while not (work_dir / "iter_3.pth").exists():
        assert training.poll() is None, log.read_text()
        time.sleep(0.02)
    os.killpg(training.pid, signal.SIGINT)
    assert training.wait(timeout=600) == 130, log.read_text()[-3000:]
    assert "stopped by the user" in log.read_text()
    assert "Traceback" not in log.read_text()


def test_translate_writes_a_set_and_says_so(tiny_config, tmp_path):
    pair = "dict(type='DomainPair', source=dict(**data), target=dict(**data))"
    config, out = tiny_config(f"train_dataloader['dataset'] = {pair}\n"), tmp_path / "out"
    command = ("tools/translate.py", config, "--out", out, "--translator")
    behind_options = refused("tools/translate.py", config, "--out", out, tmp_path / "some.pth")
    assert "its model is a DomainAdapter, which does not translate images" in behind_options
    done = run(*command, "FourierTranslator", "beta=0.1", "--limit", "2", "--workers", "0")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"2 images (2 made now) and 2 labels are in {out}\n"
    assert "translating 2/2 100%" in done.stderr
    assert sorted(p.name for p in (out / "images").iterdir()) == ["00.png", "01.png"]
    message = refused(*command, "FourierTranslator", "beta=0.2")
    assert "was translated with other settings" in message
    assert "'beta': 0.1} there" in message


def test_a_benchmark_wants_a_size(tiny_config):
    message = refused("tools/benchmark.py", "translate", tiny_config(), "--size", "1024")
    assert "--size 1024: expected WIDTHxHEIGHT" in message


def test_after_ctrl_c_a_thread_that_fails_late_says_nothing(capsys, monkeypatch):
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)

    @reports_errors
    def stopped():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit, match="130"):
        stopped()
    sys.excepthook(ConnectionResetError, ConnectionResetError("by a dead worker"), None)
    assert capsys.readouterr().err == "\nstopped by the user\n"


def test_a_users_error_is_its_message_and_status_2(capsys):
    @reports_errors
    def wrong():
        raise DataError("street.png cannot be read")

    with pytest.raises(SystemExit) as ended:
        wrong()
    assert ended.value.code == 2
    assert capsys.readouterr().err == "error: street.png cannot be read\n"
