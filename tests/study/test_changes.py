"""What has changed since a job was made: settings, what it was made of, a config while it runs."""

import hashlib
import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from daseg.study import read_study, run_study
from daseg.study.check import changes, check_plan
from daseg.study.jobs import Job
from daseg.study.launchers import Local
from daseg.study.plan import Plan
from daseg.utils.errors import ConfigError

ALONE = "steps.clear()\nrows[:] = rows[1:2]\nclaims.clear()\n"
OTHER_LABELS = "steps[0]['arguments'] = ['--threshold', 'none']\n"


def plan_of(path: Path, root: Path, **options) -> Plan:
    return Plan(read_study(path), root, **(dict(seeds=[1]) | options))


def finish(job: Job, made: str | None = None) -> None:
    """Write what a job that was made leaves behind; in an earlier version, not when it was made."""
    job.begin()
    job.write(state="done", made=made)
    if job.given is None:
        job.product().touch()


def finished(path: Path, root: Path, **options) -> Plan:
    plan = plan_of(path, root, **options)
    for job in plan.jobs.values():
        finish(job)
    check_plan(plan)
    return plan


def refused(plan: Plan) -> list[str]:
    """The folders that the check wants deleted, and why, from the root."""
    with pytest.raises(ConfigError, match=r"have changed\): .*\. Delete these folders") as caught:
        check_plan(plan)
    said = str(caught.value).partition("have changed): ")[2].partition(". Delete")[0]
    return [each.removeprefix(f"{plan.root}/") for each in said.split("; ")]


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def forget(plan: Plan) -> None:
    """Make its records those of an earlier version, which did not say of what a job was made."""
    for path in plan.root.glob("*/*/*/job.json"):
        record = json.loads(path.read_text())
        for key in ("needs", "given_paths"):
            record["settings"].pop(key)
        for key in ("made", "made_of"):
            record.pop(key, None)
        path.write_text(json.dumps(record))


def test_what_was_made_of_what_has_changed_is_named_too(study_file, tmp_path):
    root = tmp_path / "out"
    finished(study_file(), root)
    path = study_file(OTHER_LABELS)
    student = "runs/student/seed_1 (steps/labels/seed_1)"
    assert refused(plan_of(path, root)) == ["steps/labels/seed_1 (arguments)", student]
    shutil.rmtree(root / "steps/labels/seed_1")
    assert refused(plan_of(path, root)) == [student], "the old one does not stand beside the new"
    shutil.rmtree(root / "runs/student/seed_1")
    check_plan(plan_of(path, root))


@pytest.mark.parametrize("earlier", [True, False])
def test_a_change_reaches_all_that_hangs_on_it(study_file, tmp_path, earlier):
    root = tmp_path / "out"
    plan = finished(study_file(), root)
    if earlier:
        forget(plan)
    shutil.rmtree(root / "steps/labels/seed_1")  # between the two, and to be made
    path = study_file("rows[2]['cfg_options'] = {'train_cfg.val_interval': 3}")
    teacher = "runs/teacher/seed_1 (config_sha256)"
    student = "runs/student/seed_1 (steps/labels/seed_1)"
    assert refused(plan_of(path, root)) == [teacher, student]
    shutil.rmtree(root / "runs/teacher/seed_1")
    if not earlier:
        assert refused(plan_of(path, root)) == [student]


def test_records_of_an_earlier_version_hold(study_file, tmp_path):
    root, given = tmp_path / "out", tmp_path / "first.pth"
    given.touch()
    plan = finished(study_file(), root, given=dict(first=str(given)))
    forget(plan)
    check_plan(plan_of(study_file(), root, given=dict(first=str(given))))
    assert plan_of(study_file(), root).jobs["student", 1].record()["settings"]["given"] == ["first"]
    again = plan_of(study_file(OTHER_LABELS), root, given=dict(first=str(given)))
    assert refused(again) == [
        "steps/labels/seed_1 (arguments)", "runs/student/seed_1 (steps/labels/seed_1)"
    ]  # fmt: skip


@pytest.mark.parametrize("earlier", [True, False])
def test_what_was_made_again_is_not_what_others_were_made_of(study_file, tmp_path, earlier):
    """With the same settings; a training may come out otherwise all the same."""
    root = tmp_path / "out"
    plan = plan_of(study_file(), root, rows=["student"])
    for job in plan.jobs.values():
        finish(job, made="today")
        if earlier and job.step.name == "first":
            forget(plan)
    check_plan(plan)
    shutil.rmtree(root / "steps/first/seed_1")
    stale = ["runs/student/seed_1 (steps/first/seed_1)"]
    if not earlier:  # else there is no saying
        assert refused(plan) == stale, "before it is made again"
    finish(plan.jobs["first", 1], made="tomorrow")
    assert refused(plan) == stale
    with pytest.raises(ConfigError, match=r"student/seed_1 was made meanwhile .*\(steps/first/se"):
        Local(["cpu"]).run(plan.jobs["student", 1], ["cpu"])


def test_another_file_that_is_given_is_noticed(study_file, tmp_path):
    root, files = tmp_path / "out", [tmp_path / name for name in "ab"]
    for file in files:
        file.touch()
    first, second = (
        dict(rows=["student", "plain"], given=dict(teacher=str(file), plain=str(file)))
        for file in files
    )
    finished(study_file(), root, **first)
    assert set(refused(plan_of(study_file(), root, **second))) == {
        "steps/labels/seed_1 (given_paths)",
        "runs/student/seed_1 (steps/labels/seed_1)",
        "runs/plain/seed_1 (--given)",
    }


def test_what_is_given_moves_with_its_study(study_file, tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    (here / "weights.pth").touch()

    def options(root: Path) -> dict:
        weights = str(root / "weights.pth")
        return dict(rows=["student", "plain"], given=dict(teacher=weights, plain=weights))

    finished(study_file(), here, **options(here))
    shutil.move(here, there)
    check_plan(plan_of(study_file(), there, **options(there)))


@pytest.fixture
def alone(study_file, tmp_path) -> Job:
    """A job that needs no other, in a plan that was checked."""
    plan = plan_of(study_file(ALONE), tmp_path / "out")
    check_plan(plan)
    return plan.jobs["plain", 1]


def edit(job: Job) -> None:
    config = Path(job.step.config)
    config.write_text(config.read_text() + "\ntrain_cfg['val_interval'] = 3\n")


def commands(monkeypatch, code: str) -> None:
    monkeypatch.setattr("daseg.study.making.PROGRAM", (sys.executable, "-c", code))


def test_a_config_that_was_edited_after_the_check_is_not_run(alone, monkeypatch):
    commands(monkeypatch, "")
    edit(alone)
    with pytest.raises(ConfigError, match=r"tiny\.py, or what .* was edited after .* put it back"):
        Local(["cpu"]).run(alone, ["cpu"])
    assert alone.record() == {}, "nothing has to be deleted"
    alone = plan_of(alone.folder.parents[3] / "small.py", alone.plan.root).jobs["plain", 1]
    assert Local(["cpu"]).run(alone, ["cpu"]) == ("done", True), "as it is now"


def test_a_config_that_is_edited_while_it_trains_is_not_tested(alone, monkeypatch):
    config = Path(alone.step.config)
    before = config.read_text()
    training = f"open({str(config)!r}, 'a').write('\\ntrain_cfg.update(val_interval=3)\\n')"
    commands(monkeypatch, f"import sys; print(sys.argv[1])\nif sys.argv[1] == 'train': {training}")
    with pytest.raises(ConfigError, match="was edited after"):
        Local(["cpu"]).run(alone, ["cpu"])
    assert (alone.folder / "log.txt").read_text() == "train\n"
    assert alone.state == "failed"
    config.write_text(before)
    commands(monkeypatch, "")
    assert Local(["cpu"]).run(alone, ["cpu"]) == ("done", True)


@pytest.mark.parametrize("state", ["done", "stopped"])
def test_what_another_study_has_made_otherwise_is_not_there_already(
    alone, monkeypatch, state, study_file, tmp_path
):
    commands(monkeypatch, "")
    other = study_file(ALONE + "rows[0]['cfg_options'] = {'train_cfg.val_interval': 3}")
    plan_of(other, tmp_path / "out").jobs["plain", 1].begin()
    alone.write(state=state)
    before = alone.record()
    with pytest.raises(ConfigError, match=r"plain/seed_1 was made meanwhile .* \(config_sha256\)"):
        Local(["cpu"]).run(alone, ["cpu"])
    assert alone.record() == before


def test_what_a_job_was_made_of_is_recorded(study_file, tmp_path, fake_tools):
    study = study_file("rows[0]['cfg_options'] = {'load_from': '{first}'}")
    plan = plan_of(study, tmp_path / "out", rows=["student"])
    first, student = plan.jobs["first", 1], plan.jobs["student", 1]
    for job in (first, student):
        assert Local(["cpu"]).run(job, ["cpu"]) == ("done", True)
    made = first.record()["made"]
    assert made < student.record()["made"]
    assert student.record()["made_of"] == {"steps/first/seed_1": made}
    assert list(student.record()["settings"]["needs"]) == ["steps/first/seed_1"]
    assert changes(student) == []


def test_a_job_that_an_earlier_version_has_made_is_done(study_file, tmp_path, capsys):
    """Its record as that version wrote it, the hashes worked out here."""
    root, file = tmp_path / "out", study_file("rows[0]['cfg_options'] = {'load_from': '{first}'}")
    plan = plan_of(file, root, rows=["student"])
    settings: dict[str, dict] = {}
    for (name, _), job in plan.jobs.items():
        text = job.cfg.pretty_text.replace(str(root), "ROOT")
        needs = {"first": settings["first"]} if name == "student" else {}
        settings[name] = dict(
            tool="train", config=str(tmp_path / "tiny.py"), config_sha256=digest(text),
            checkpoint=None, arguments=[], judge=[], given=[], given_paths={},
            needs={f"steps/{n}/seed_1": digest(json.dumps(s, sort_keys=True))
                   for n, s in needs.items()},
        )  # fmt: skip
        record = dict(
            settings=settings[name], given=None, state="done", error=None,
            made="2026-01-01T00:00:00+00:00", commands=["python tools/train.py tiny.py"],
            made_of={f"steps/{need}/seed_1": "2026-01-01T00:00:00+00:00" for need in needs},
            seconds={"make": 1.5},
        )  # fmt: skip
        job.folder.mkdir(parents=True)
        (job.folder / "job.json").write_text(json.dumps(record))
        (job.folder / "iter_6.pth").touch()
    run_study(file, root=root, num_seeds=1, rows=["student"], only_list=True)
    assert re.findall(r"(\w+) +\| 1 +\| (\w+)", capsys.readouterr().out) == [
        ("first", "done"), ("student", "done"),
    ]  # fmt: skip
