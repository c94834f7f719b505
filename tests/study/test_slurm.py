"""Jobs of a study through submitit, with its executor that starts processes on this machine."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from daseg.study import Slurm, StudyError, build_launcher, read_study, run_study
from daseg.study.plan import Plan
from daseg.utils.errors import ConfigError

pytest.importorskip("submitit")
ROOT = Path(__file__).parents[2]
SHORT = """
for one in (*rows, *steps):
    one['cfg_options'] = dict(one.get('cfg_options', {}), **{
        'train_dataloader.dataset.num_samples': 4, 'model.segmentor.head.channels': 4})
rows[0]['cfg_options'].pop('train_dataloader.dataset.label_root')
steps[1]['cfg_options']['train_cfg.max_iters'] = 2
rows.pop()
steps.pop(0)
seeds = [1]
"""
LAUNCHER = "launcher = dict(type='Slurm', cluster='local', gpus_per_node=0, jobs=2)\n"


def states(root: Path) -> dict[str, str]:
    records = {path.parent.parent.name: path for path in root.glob("*/*/*/job.json")}
    return {name: json.loads(path.read_text())["state"] for name, path in records.items()}


class Recorded:
    """Stands for submitit's executor; its jobs are never run."""

    def __init__(self, folder, cluster, **options):
        self.folder = folder

    def update_parameters(self, **parameters):
        Recorded.parameters = parameters

    def submit(self, function):
        self.job_id = "7"
        return self


@pytest.fixture
def recorded(monkeypatch):
    monkeypatch.setattr("submitit.AutoExecutor", Recorded)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    return Recorded


def test_a_job_gets_the_devices_that_its_row_asks_for(study_file, tmp_path, recorded):
    plan = Plan(read_study(study_file("rows[1]['devices'] = 2")), tmp_path / "out", seeds=[1])
    slurm = build_launcher(None, "slurm", dict(partition="gpu", further={"nice": 3}))
    assert isinstance(slurm, Slurm)
    slurm._submit(plan.jobs["teacher", 1])
    assert recorded.parameters == dict(
        name="teacher.1", timeout_min=1440, cpus_per_task=8, gpus_per_node=1,
        slurm_partition="gpu", slurm_additional_parameters={"nice": 3},
    )  # fmt: skip
    job = plan.jobs["plain", 1]
    slurm._submit(job)
    assert (recorded.parameters["gpus_per_node"], recorded.parameters["cpus_per_task"]) == (2, 16)
    assert job.state == "queued"
    Slurm(gpus_per_node=4)._submit(job)
    assert recorded.parameters["gpus_per_node"] == 4
    Slurm(gpus_per_node=0, cpus_per_task=3)._submit(job)
    assert (recorded.parameters["gpus_per_node"], recorded.parameters["cpus_per_task"]) == (0, 6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(time="soon"), "time is a whole number from 1, not 'soon'"),
        (dict(gpus_per_node=-1), "gpus_per_node is a whole number from 0, not -1"),
        (dict(jobs=0), "jobs is a whole number from 1"),
        (dict(partitoin="gpu"), "the launcher Slurm has no argument 'partitoin'.*'partition'"),
        (dict(devices=["cpu"]), "the launcher Slurm has no argument 'devices'; it has account"),
    ],
)
def test_arguments_that_make_no_sense(options, message, recorded):
    with pytest.raises(ConfigError, match=message):
        build_launcher(dict(type="Local", jobs=3), "slurm", options)


def test_where_no_slurm_is(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(ConfigError, match="there is no command sbatch on this machine"):
        Slurm()
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(ConfigError, match=r"needs the package submitit: pip install 'daseg\[slurm"):
        Slurm()


@pytest.mark.slow
def test_a_study_on_a_cluster(study_file, tmp_path, capsys):
    root = tmp_path / "out"
    broken = "rows.append(dict(rows[1], name='broken'))\n"
    broken += "rows[-1]['cfg_options'] = {**rows[1]['cfg_options'], 'load_from': '{first}'}\n"
    # A step that the study's check cannot know to be impossible: weights of a smaller network.
    broken += "rows[-1]['cfg_options']['model.segmentor.head.channels'] = 8\n"
    with pytest.raises(StudyError, match=r"(?s)^1 of 4 jobs failed:\nbroken, seed 1: daseg train"):
        run_study(study_file(SHORT + LAUNCHER + broken), root=root)
    assert states(root) == {"student": "done", "first": "done", "plain": "done", "broken": "failed"}
    log = (root / "runs/student/seed_1/log.txt").read_text()
    assert f"weights loaded from {root}/steps/first/seed_1/iter_2.pth" in log
    assert len(list((root / "runs/student/seed_1/cluster").glob("*_submitted.pkl"))) == 1
    run_study(study_file(SHORT + LAUNCHER), root=root, only_list=True)
    listed = re.findall(r"(\w+) +\| 1 +\| done", capsys.readouterr().out)
    assert sorted(listed) == ["first", "plain", "student"]
    run_study(study_file(SHORT), root=root)  # on this machine nothing is left to do
    assert capsys.readouterr().out.count("is there already") == 3


@pytest.mark.slow
def test_jobs_outlive_a_killed_study_and_are_found_again(study_file, tmp_path):
    root = tmp_path / "out"
    file = study_file(SHORT + LAUNCHER + "rows[:] = rows[1:2]\nsteps.clear()\nclaims.clear()\n")
    command = [sys.executable, "-m", "daseg", "study", str(file), "--root", str(root)]
    study = subprocess.Popen(command, cwd=ROOT)
    while states(root) != {"plain": "running"}:
        assert study.poll() is None
        time.sleep(0.1)
    study.send_signal(signal.SIGKILL)
    study.wait()
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "plain, seed 1: is there already" in again.stdout
    assert "waiting" in again.stdout
    record = json.loads((root / "runs/plain/seed_1/job.json").read_text())
    assert len(record["commands"]) == 2, "it was trained and tested once"


@pytest.mark.slow
def test_a_job_whose_time_is_over_goes_on(study_file, tmp_path, monkeypatch):
    from submitit.local.local import LocalJob

    root = tmp_path / "out"
    file = study_file(SHORT + "rows[:] = rows[1:2]\nsteps.clear()\nclaims.clear()\n")
    plan = Plan(read_study(file), root, seeds=[1])
    job, interrupted = plan.jobs["plain", 1], []
    is_done = LocalJob.done

    def done(self, force_check: bool = False) -> bool:
        if not interrupted and job.record().get("commands"):
            interrupted.append(self.job_id)
            children = Path(f"/proc/{self.job_id}/task/{self.job_id}/children").read_text()
            os.kill(int(children), signal.SIGUSR2)  # as Slurm does
        return is_done(self, force_check)

    monkeypatch.setattr(LocalJob, "done", done)
    monkeypatch.setattr("daseg.study.slurm.POLL_SECONDS", 0.1)
    text, made = Slurm(cluster="local", gpus_per_node=0).run(job, ["local"])
    assert (text.startswith("done, mIoU"), made) == (True, True)
    assert len(interrupted) == 1
    logs = "".join(path.read_text() for path in (job.folder / "cluster").glob("*_log.*"))
    assert "Requeued job" in logs
