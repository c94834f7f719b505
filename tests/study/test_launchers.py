"""Where jobs run: which launcher, how many at a time, on which devices."""

import json
import sys
from dataclasses import replace

import pytest

from daseg.study import Launcher, Local, build_launcher, read_study, run_study
from daseg.study.plan import Plan
from daseg.utils.errors import ConfigError

ONE_ROW = "steps.clear()\nrows[:] = rows[1:2]\nclaims.clear()\nseeds = [1]\n"


@pytest.fixture
def job(study_file, tmp_path):
    plan = Plan(read_study(study_file(ONE_ROW)), tmp_path / "out", seeds=[1])
    return plan.jobs["plain", 1]


def with_devices(job, devices: int):
    return replace(job, step=replace(job.step, devices=devices))


@pytest.fixture
def three_gpus(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)


def test_how_many_jobs_at_a_time_and_where(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert Local().slots == ["cpu"] * 4
    assert Local(jobs=9).slots == ["cpu"] * 9
    with pytest.raises(ConfigError, match=r"--devices cuda:0: there are cpu$"):
        Local(["cuda:0"])
    with pytest.raises(ConfigError, match="--jobs 0: at least one"):
        Local(jobs=0)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    assert Local().slots == ["cuda:0", "cuda:1", "cuda:2"]
    assert Local(jobs=2).slots == ["cuda:0", "cuda:1"]
    assert Local(["cuda:2", "cpu"], jobs=3).slots == ["cuda:2", "cpu", "cuda:2"]
    for wrong in ("0", "cuda", "cuda:3", "gpu"):
        with pytest.raises(ConfigError, match=f"{wrong}: there are cpu, cuda:0, cuda:1, cuda:2"):
            Local([wrong])


def test_a_job_takes_different_gpus(job, three_gpus):
    local = Local(["cuda:0", "cuda:1"], jobs=4)
    assert local.choose(with_devices(job, 2), local.slots) == ["cuda:0", "cuda:1"]
    assert local.choose(with_devices(job, 2), ["cuda:1", "cuda:1"]) is None
    assert local.choose(job, ["cuda:1", "cuda:1"]) == ["cuda:1"]
    assert local.choose(job, []) is None
    with pytest.raises(ConfigError, match="'plain': devices=3, and there are cuda:0, cuda:1, cu"):
        local.check(with_devices(job, 3))
    assert Local(["cpu"], jobs=2).choose(with_devices(job, 2), ["cpu"] * 2) == ["cpu"] * 2
    seen = local._environment(["cuda:1", "cuda:0"])
    assert seen == {"CUDA_VISIBLE_DEVICES": "1,0"}


def test_a_training_on_several_devices_runs_in_as_many_processes(job):
    several = with_devices(job, 2)
    assert " --resume --gpus 2 --cfg-options " in " ".join(several.making())
    assert "--gpus" not in several.testing("iter_6.pth", "out")
    assert several.settings["arguments"] == ["--gpus", "2"], "results depend on it"
    assert job.settings["arguments"] == [], "as records of earlier versions have it"


def test_the_command_line_takes_the_place_of_the_file(three_gpus):
    stated = dict(type="Local", devices=["cuda:1"], jobs=2)
    assert build_launcher(stated).slots == ["cuda:1", "cuda:1"]
    assert build_launcher(stated, "LOCAL", dict(jobs=1)).slots == ["cuda:1"]
    assert build_launcher(dict(type="Slurm", partition="x"), "local", dict(jobs=1)).slots == [
        "cuda:0"
    ]
    built = Local(["cpu"])
    assert build_launcher(stated, built) is built
    with pytest.raises(ConfigError, match=r"slurn.*Slurm"):
        build_launcher(None, "slurn")
    with pytest.raises(ConfigError, match="launcher Local has no argument 'partition'; it has dev"):
        build_launcher(None, "local", dict(partition="gpu"))
    with pytest.raises(ConfigError, match=r"launcher = dict\(type=\.\.\.\)"):
        build_launcher(dict(jobs=3))


def test_a_launcher_of_ones_own(study_file, tmp_path, fake_tools, monkeypatch):
    (tmp_path / "own_launcher.py").write_text(
        "from daseg.registry import LAUNCHERS\nfrom daseg.study import Local\n"
        "@LAUNCHERS.register_module(force=True)\nclass OwnLauncher(Local):\n"
        "    def run(self, job, slots):\n"
        "        text, made = super().run(job, slots)\n"
        "        return f'{text} by {type(self).__name__}', made\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    own = "custom_imports = dict(imports=['own_launcher'])\n"
    own += "launcher = dict(type='OwnLauncher', devices=['cpu'])\n"
    root = tmp_path / "out"
    assert run_study(study_file(ONE_ROW + own), root=root)
    record = json.loads((root / "runs/plain/seed_1/job.json").read_text())
    assert record["state"] == "done"
    assert issubclass(sys.modules["own_launcher"].OwnLauncher, Launcher)


@pytest.mark.slow
def test_a_row_trains_on_two_devices(study_file, tmp_path):
    extra = "rows[0]['devices'] = 2\nrows[0]['cfg_options'] = {\n"
    extra += "'train_dataloader.dataset.num_samples': 4, 'model.segmentor.head.channels': 4}\n"
    root = tmp_path / "out"
    run_study(study_file(ONE_ROW + extra), root=root, launcher=Local(["cpu"], jobs=2))
    record = json.loads((root / "runs/plain/seed_1/job.json").read_text())
    assert (record["state"], len(record["commands"])) == ("done", 2)
    assert "--gpus 2" in record["commands"][0]
    assert "in each of 2 processes" in (root / "runs/plain/seed_1/log.txt").read_text()
