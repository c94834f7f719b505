"""A study from its file to its report, with real trainings; killed on the way and continued."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from daseg.evaluation import ProtocolCard
from daseg.study import Local, StudyError, run_study
from daseg.study.jobs import Job
from daseg.study.making import JobLockedError, note_stopped, state_of
from daseg.study.plan import Plan
from daseg.study.reading import read_study
from daseg.utils.errors import ConfigError, DataError

ROOT = Path(__file__).parents[2]
ONE = Local(["cpu"])  # a job at a time
PLAIN = "steps.clear()\nrows[:] = rows[1:2]\nclaims.clear()\nseeds = [1]\n"


@pytest.fixture
def job(study_file, tmp_path) -> Job:
    plan = Plan(read_study(study_file(PLAIN)), tmp_path / "out", seeds=[1])
    return plan.jobs["plain", 1]


def commands(monkeypatch, code: str) -> None:
    """Let every command of a job run this code; ``sys.argv[1]`` says which it stands for."""
    monkeypatch.setattr("daseg.study.making.PROGRAM", (sys.executable, "-c", code))


def test_a_job_that_ends_well(job, monkeypatch):
    commands(monkeypatch, "import sys, os; print(sys.argv[1], os.environ['OMP_NUM_THREADS'])")
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert Local(["cpu"], jobs=2).run(job, ["cpu"]) == ("done", True)
    record = job.record()
    assert record["state"] == "done"
    assert set(record["seconds"]) == {"make", "test"}
    assert record["settings"] == job.settings
    assert (job.folder / "log.txt").read_text() == "train 2\ntest 2\n"
    assert Local(["cpu"]).run(job, ["cpu"]) == ("is there already", False)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    job.write(state="failed")
    Local(["cpu"]).run(job, ["cpu"])
    assert (job.folder / "log.txt").read_text().endswith("train 3\ntest 3\n"), "as it was set"


def test_a_command_that_fails(job, monkeypatch):
    commands(monkeypatch, "import sys; print('what went wrong'); sys.exit(3)")
    with pytest.raises(StudyError, match=r"(?s)ended with 3:.*log\.txt.*  what went wrong"):
        Local(["cpu"]).run(job, ["cpu"])
    assert job.record()["state"] == "failed"
    assert "what went wrong" in job.record()["error"]
    commands(monkeypatch, "")
    Local(["cpu"]).run(job, ["cpu"])
    assert (job.record()["state"], job.record()["error"]) == ("done", None), "tried again"


def test_each_gpu_is_the_only_one_that_its_job_sees(job, monkeypatch):
    commands(monkeypatch, "import os; print(os.environ['CUDA_VISIBLE_DEVICES'])")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    Local(["cuda:0", "cuda:3"]).run(job, ["cuda:3"])
    assert (job.folder / "log.txt").read_text() == "3\n3\n"


def test_gpus_are_counted_among_the_visible_ones(job, monkeypatch):
    commands(monkeypatch, "import os; print(os.environ['CUDA_VISIBLE_DEVICES'])")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,GPU-7e")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    Local(["cuda:0", "cuda:1"]).run(job, ["cuda:1"])
    assert (job.folder / "log.txt").read_text() == "GPU-7e\n" * 2


LIVES_ON = """
import subprocess
print(subprocess.Popen(['sleep', '600'], close_fds=False).pid)
"""


def test_a_job_stays_locked_while_a_process_of_it_lives_on(job, monkeypatch):
    """As where the study was killed with -9, and its training was not."""
    commands(monkeypatch, LIVES_ON)
    assert Local(["cpu"]).run(job, ["cpu"]) == ("done", True)
    job.write(state="running")
    try:
        with pytest.raises(JobLockedError):
            Local(["cpu"]).run(job, ["cpu"])
        note_stopped(job)
        assert (state_of(job), job.state) == ("running", "running")
    finally:
        for pid in (job.folder / "log.txt").read_text().split():
            os.kill(int(pid), signal.SIGKILL)
    wait_until(lambda: state_of(job) == "stopped")
    assert job.state == "running", "asking changes nothing"
    note_stopped(job)
    assert job.state == "stopped"
    assert Local(["cpu"]).run(job, ["cpu"]) == ("done", True)
    for pid in (job.folder / "log.txt").read_text().split()[2:]:
        os.kill(int(pid), signal.SIGKILL)


def commands_on(root: Path) -> list[str]:
    """The command lines of processes that live and name a folder (where /proc lists them)."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [line for line in lines if str(root) in line]


def wait_until(is_so: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_stop_ends_what_ignores_ctrl_c(job, monkeypatch):
    """As every command does of a study in the background of a script."""
    commands(
        monkeypatch,
        "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "print('begun', flush=True)\ntime.sleep(60)",
    )
    launcher, log = Local(["cpu"]), job.folder / "log.txt"
    with ThreadPoolExecutor() as pool:
        running = pool.submit(launcher.run, job, ["cpu"])
        wait_until(lambda: log.is_file() and "begun" in log.read_text())
        launcher.stop()
        with pytest.raises(StudyError, match="ended with -15"):
            running.result(120)
    assert job.state == "stopped"
    with pytest.raises(StudyError, match=r"^stopped$"):
        launcher.run(job, ["cpu"])


def test_a_command_that_starts_while_all_are_stopped_is_ended(job, monkeypatch):
    commands(monkeypatch, "import time; time.sleep(60)")
    launcher, popen = Local(["cpu"]), subprocess.Popen

    def started(*args, **options):
        child = popen(*args, **options)
        launcher.stop()  # as another thread may at this moment
        return child

    monkeypatch.setattr("subprocess.Popen", started)
    with pytest.raises(StudyError, match="ended with -15"):
        launcher.run(job, ["cpu"])


@pytest.mark.parametrize(("miou", "words"), [(None, "done"), (31.25, "done, mIoU 31.2")])
def test_the_result_is_said(job, monkeypatch, miou, words):
    commands(monkeypatch, "")
    (job.folder / "test").mkdir(parents=True)
    (job.folder / "test/results.json").write_text(json.dumps(dict(mIoU=miou, IoU={})))
    ProtocolCard("a.py", "0", "iter_6.pth", "1", iteration=6).save(job.folder / "test")
    assert Local(["cpu"]).run(job, ["cpu"]) == (words, True)
    assert Local(["cpu"]).run(job, ["cpu"])[0] == words.replace("done", "is there already")


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


BROKEN = "rows[1]['cfg_options']['optim_wrapper.segmentor.optimizer.lr'] = 13"


def test_a_study_with_a_job_that_fails(study_file, tmp_path, fake_tools, capsys):
    root = tmp_path / "out"
    with pytest.raises(
        StudyError, match=r"(?s)^1 of 3 jobs failed:\nplain, seed 1: daseg train.*such rate"
    ):
        run_study(study_file(SHORT + BROKEN), root=root, launcher=ONE)
    assert states(root) == {"student": "done", "first": "done", "plain": "failed"}
    assert json.loads((root / "study.json").read_text())["title"] == "A small study"
    assert "A small study" in (root / "report.md").read_text()
    student = root / "runs/student/seed_1"
    assert [path.name for path in student.glob("*.pth")] == ["iter_6.pth"], "none was chosen"
    made, tested = json.loads((student / "job.json").read_text())["commands"]
    assert f"load_from={root}/steps/first/seed_1/iter_2.pth" in made
    assert f"{student}/iter_6.pth --out {student}/test" in tested
    printed = capsys.readouterr().out
    assert f"first, seed 1: begins on cpu, see {root}/steps/first/seed_1/log.txt\n" in printed
    assert "student, seed 1: done, took" in printed
    assert "plain, seed 1: FAILED" in printed
    with pytest.raises(StudyError, match=r"1 of 3 jobs failed"):
        run_study(study_file(SHORT + BROKEN), root=root, launcher=ONE)
    assert "student, seed 1: is there already" in capsys.readouterr().out
    (root / "runs/student/seed_1/report.json").write_text("{")
    with pytest.raises(StudyError, match=r"(?s)1 of 3 jobs failed.*no such rate.*report\.json"):
        run_study(study_file(SHORT + BROKEN), root=root, launcher=ONE)


def test_a_list_of_the_jobs_and_a_report_alone(study_file, tmp_path, fake_tools, capsys):
    root, file = tmp_path / "out", study_file(SHORT)
    assert run_study(file, root=root, only_list=True) == []
    assert not root.exists()
    assert re.findall(r"(\w+) +\| 1 +\| to do \| *(\w*)", capsys.readouterr().out) == [
        ("first", ""), ("student", "first"), ("plain", ""),
    ]  # fmt: skip
    with pytest.raises(DataError, match=rf"--only-report: nothing of the study is in {root}"):
        run_study(file, root=root, only_report=True)
    own = tmp_path / "mine/report.html"  # a folder of something else
    own.parent.mkdir()
    own.write_text("mine")
    with pytest.raises(DataError, match=rf"--only-report: nothing of the study is in {own.parent}"):
        run_study(file, root=own.parent, only_report=True)
    assert own.read_text() == "mine"
    with pytest.raises(ConfigError, match=r"--seeds 9: a number from 1 to 1, of the seeds in .*sm"):
        run_study(file, root=root, num_seeds=9)
    run_study(file, root=root, rows=["plain"], launcher=ONE)
    assert states(root) == {"plain": "done"}
    plan = Plan(read_study(file), root, seeds=[1])
    plan.jobs["plain", 1].write(state="running")
    run_study(file, root=root, only_list=True)
    assert re.search(r"plain +\| 1 +\| stopped", capsys.readouterr().out), "nothing of it lives"
    assert states(root) == {"plain": "running"}
    files = run_study(file, root=root, only_report=True)
    assert files == [root / "report.html", root / "report.md"]
    assert states(root) == {"plain": "stopped"}


def states(root: Path) -> dict[str, str]:
    records = {path.parent.parent.name: path for path in root.glob("*/*/*/job.json")}
    return {name: json.loads(path.read_text())["state"] for name, path in records.items()}


@pytest.mark.slow
def test_a_study_from_its_file_to_its_report(study_file, tmp_path, capsys):
    root = tmp_path / "out"
    run_study(study_file(SHORT), root=root, launcher=ONE)
    assert states(root) == {"student": "done", "first": "done", "plain": "done"}
    student = root / "runs/student/seed_1"
    log = (student / "log.txt").read_text()
    assert f"weights loaded from {root}/steps/first/seed_1/iter_2.pth" in log
    assert [path.name for path in student.glob("*.pth")] == ["iter_6.pth"] or (
        student / "test_iter_3"
    ).is_dir(), "an earlier checkpoint is tested, or gone"
    miou = json.loads((student / "test/results.json").read_text())["mIoU"]
    assert f"{miou:.2f}" in (root / "report.md").read_text()
    assert f"mIoU {miou:.1f}" in capsys.readouterr().out


@pytest.mark.slow
def test_a_killed_study_goes_on_and_gives_the_same_numbers(study_file, tmp_path):
    file = study_file(SHORT)
    command = [sys.executable, "tools/study.py", str(file), "--jobs", "2", "--root"]

    def start(root: Path) -> subprocess.Popen:
        return subprocess.Popen([*command, str(root)], cwd=ROOT, start_new_session=True)

    killed, whole = tmp_path / "killed", tmp_path / "whole"
    for number, kill in ((1, signal.SIGKILL), (2, signal.SIGTERM)):
        study = start(killed)
        # Where commands run, it listens to signals already.
        while (
            all("study.py" in command for command in commands_on(killed))
            or sum("test" in path.read_text() for path in killed.glob("*/*/*/log.txt")) < number
        ):
            assert study.poll() is None
            time.sleep(0.1)
        study.send_signal(kill)
        assert study.wait() == (143 if kill == signal.SIGTERM else -kill)
        wait_until(lambda: not commands_on(killed), seconds=15)
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
