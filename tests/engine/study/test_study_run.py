"""A study from its file to its report, with real trainings; killed on the way and continued."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from daseg.engine.study import StudyError, run_study
from daseg.engine.study.file import read_study
from daseg.engine.study.jobs import Job, Plan
from daseg.engine.study.processes import Processes, default_devices
from daseg.engine.study.queue import Elsewhere

ROOT = Path(__file__).parents[3]
PLAIN = "steps.clear()\nrows[:] = rows[1:2]\nclaims.clear()\nseeds = [1]\n"


@pytest.fixture
def job(study_file, tmp_path) -> Job:
    plan = Plan(read_study(study_file(PLAIN)), tmp_path / "out", seeds=[1])
    return plan.jobs["plain", 1]


def commands(monkeypatch, code: str) -> None:
    """Let every command of a job run this code; ``sys.argv[1]`` says which it stands for."""
    monkeypatch.setattr(Job, "command", lambda self, tool, *w: [sys.executable, "-c", code, tool])


def test_a_job_that_ends_well(job, monkeypatch):
    commands(monkeypatch, "import sys, os; print(sys.argv[1], os.environ['OMP_NUM_THREADS'])")
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    monkeypatch.setattr(Processes, "_test_chosen", lambda *_: None)
    assert Processes(["cpu", "cpu"]).run(job, 1) == ("done", True)
    record = job.record()
    assert record["state"] == "done"
    assert set(record["seconds"]) == {"make", "test"}
    assert record["settings"] == job.settings
    assert (job.folder / "log.txt").read_text() == "train 2\ntest 2\n"
    assert Processes(["cpu"]).run(job, 0) == ("is there already", False)


def test_a_command_that_fails(job, monkeypatch):
    commands(monkeypatch, "import sys; print('what went wrong'); sys.exit(3)")
    with pytest.raises(StudyError, match=r"(?s)ended with 3:.*log\.txt.*  what went wrong"):
        Processes(["cpu"]).run(job, 0)
    assert job.record()["state"] == "failed"
    assert "what went wrong" in job.record()["error"]
    commands(monkeypatch, "")
    monkeypatch.setattr(Processes, "_test_chosen", lambda *_: None)
    Processes(["cpu"]).run(job, 0)
    assert (job.record()["state"], job.record()["error"]) == ("done", None), "tried again"


def test_each_gpu_is_the_only_one_that_its_job_sees(job, monkeypatch):
    commands(monkeypatch, "import os; print(os.environ['CUDA_VISIBLE_DEVICES'])")
    monkeypatch.setattr(Processes, "_test_chosen", lambda *_: None)
    Processes(["cuda:0", "cuda:3"]).run(job, 1)
    assert (job.folder / "log.txt").read_text() == "3\n3\n"


def test_how_many_jobs_at_a_time(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert default_devices() == ["cpu"] * 4
    assert default_devices(2) == ["cpu"] * 2
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    assert default_devices() == ["cuda:0", "cuda:1", "cuda:2"]


def test_a_job_stays_locked_while_its_process_lives_on(job, monkeypatch):
    """As where the study was killed with -9, and its training was not."""
    commands(monkeypatch, "import time; print('begun', flush=True); time.sleep(60)")
    starter = os.fork()
    if starter == 0:
        Processes(["cpu"]).run(job, 0)
    log = job.folder / "log.txt"
    while not (log.is_file() and log.read_text()):
        time.sleep(0.05)
    os.kill(starter, signal.SIGKILL)
    os.waitpid(starter, 0)
    with pytest.raises(Elsewhere):
        Processes(["cpu"]).run(job, 0)
    subprocess.run(["pkill", "-KILL", "-f", "time.sleep.60. train"], check=True)
    commands(monkeypatch, "")
    monkeypatch.setattr(Processes, "_test_chosen", lambda *_: None)
    deadline = time.monotonic() + 30
    while True:
        try:
            assert Processes(["cpu"]).run(job, 0) == ("done", True)
            return
        except Elsewhere:
            assert time.monotonic() < deadline
            time.sleep(0.1)


SHORT = """
for one in (*rows, *steps):
    one['cfg_options'] = dict(one.get('cfg_options', {}), **{
        'train_dataloader.dataset.num_samples': 4, 'model.segmentor.head.channels': 4})
rows[0]['cfg_options'].pop('train_dataloader.dataset.label_root')
rows[0]['cfg_options']['train_cfg.val_interval'] = 3
steps[1]['cfg_options']['train_cfg.max_iters'] = 2
rows.pop()
steps.pop(0)
seeds = [1]
"""


def test_a_study_from_its_file_to_its_report(study_file, tmp_path, capsys):
    root = tmp_path / "out"
    broken = study_file(SHORT + "rows[1]['cfg_options']['optim_wrapper.segmentor.optimizer.lr']=-1")
    with pytest.raises(
        StudyError, match=r"(?s)1 of 3 jobs failed:\nplain, seed 1: python tools/tra"
    ):
        run_study(broken, root=root)
    assert json.loads((root / "study.json").read_text())["title"] == "A small study"
    states = {path.parent.parent.name: json.loads(path.read_text()) for path in jobs(root)}
    assert {name: state["state"] for name, state in states.items()} == {
        "student": "done", "first": "done", "plain": "failed",
    }  # fmt: skip
    student = root / "runs/student/seed_1"
    log = (student / "log.txt").read_text()
    assert f"weights loaded from {root}/steps/first/seed_1/iter_2.pth" in log
    assert [path.name for path in student.glob("*.pth")] == ["iter_6.pth"] or (
        student / "test_iter_3"
    ).is_dir(), "an earlier checkpoint is tested, or gone"
    text = (root / "report.md").read_text()
    assert "A small study" in text
    miou = json.loads((student / "test/results.json").read_text())["mIoU"]
    assert f"{miou:.2f}" in text
    assert f"mIoU {miou:.1f}" in capsys.readouterr().out


def jobs(root: Path) -> list[Path]:
    return sorted(root.glob("*/*/*/job.json"))


@pytest.mark.slow
def test_a_killed_study_goes_on_and_gives_the_same_numbers(study_file, tmp_path):
    file = study_file(SHORT)
    command = [sys.executable, "tools/study.py", str(file), "--jobs", "2", "--root"]

    def start(root: Path) -> subprocess.Popen:
        return subprocess.Popen([*command, str(root)], cwd=ROOT, start_new_session=True)

    killed, whole = tmp_path / "killed", tmp_path / "whole"
    for number, kill in ((1, signal.SIGKILL), (2, signal.SIGTERM)):
        study = start(killed)
        while sum("test" in path.read_text() for path in killed.glob("*/*/*/log.txt")) < number:
            assert study.poll() is None
            time.sleep(0.1)
        study.send_signal(kill)
        study.wait()
    for root in (killed, whole):
        assert start(root).wait() == 0
    found = [
        {
            path.parts[-4:-2]: json.loads(path.read_text())
            for path in root.glob("runs/*/*/*/r*.json")
        }
        for root in (killed, whole)
    ]
    assert len(found[1]) == 2
    assert found[0] == found[1]
