"""The jobs of a study: order, seeds, paths, commands, and what is found before anything runs."""

import json
import sys
from pathlib import Path

import pytest

from daseg.engine.study import read_study
from daseg.engine.study.check import check_plan
from daseg.engine.study.jobs import Plan
from daseg.utils.errors import ConfigError, DataError


def plan_of(path: Path, root: Path, **options) -> Plan:
    return Plan(read_study(path), root, **(dict(seeds=[1, 2]) | options))


def test_each_job_comes_behind_what_it_needs(study_file, tmp_path):
    plan = plan_of(study_file(), tmp_path / "out")
    keys = list(plan.jobs)
    assert sorted(keys) == sorted(
        [(name, seed) for name in ("student", "plain", "teacher", "labels") for seed in (1, 2)]
        + [("first", 1)]  # once, for both seeds
    )
    for key, job in plan.jobs.items():
        assert all(keys.index(need) < keys.index(key) for need in job.needs)
    assert set(plan.jobs["student", 2].needs) == {("first", 1), ("labels", 2)}
    assert [seed for _, seed in keys] == [1] * 5 + [2] * 4, "a whole seed first"
    assert {name for name, _ in keys[:2]} == {"first", "teacher"}, "two jobs wait for each"


def test_commands_name_what_other_jobs_make(study_file, tmp_path):
    root = tmp_path / "out"
    plan = plan_of(
        study_file(
            "rows[0]['cfg_options'].pop('train_dataloader.dataset.label_root')\n"
            "rows[1]['cfg_options'] = {'load_from': '{first}'}"
        ),
        root,
    )
    config = str(tmp_path / "tiny.py")
    python, tool, *words = plan.jobs["plain", 2].making()
    assert (python, Path(tool).parts[-2:]) == (sys.executable, ("tools", "train.py"))
    assert words == [
        config, "--work-dir", f"{root}/runs/plain/seed_2", "--resume", "--cfg-options",
        "randomness.seed=2", "default_hooks.checkpoint.max_keep_ckpts=-1",
        f"load_from={root}/steps/first/seed_1/iter_6.pth",
    ]  # fmt: skip
    plan = plan_of(study_file(), root, world=None)
    assert plan.jobs["labels", 2].making()[2:] == [
        config, f"{root}/runs/teacher/seed_2/iter_6.pth",
        "--out", f"{root}/steps/labels/seed_2/out",
    ]  # fmt: skip
    assert plan.jobs["first", 1].making()[-1] == "randomness.seed=1", "no row: not all are kept"


def test_a_judge_and_the_world_are_words_of_the_command(study_file, tmp_path):
    extra = (
        "steps[0] = dict(name='labels', tool='translate', config='c.py', checkpoint='{teacher}',"
        " judge=('judge.py', '{first}'), arguments=['--limit', '3'])"
    )
    plan = plan_of(study_file(extra), tmp_path)
    plan.world = "demo"
    job = plan.jobs["labels", 1]
    job.plan.given |= {"teacher": "/t.pth", "first": "/f.pth"}
    assert job.making()[2:] == [
        "c.py", "/t.pth", "--out", f"{tmp_path}/steps/labels/seed_1/out", "--limit", "3",
        "--segmentor", "judge.py", "/f.pth", "--segmentor-world", "demo", "--world", "demo",
    ]  # fmt: skip


def test_what_is_given_is_not_made(study_file, tmp_path):
    given = {"labels": "/labels", "teacher": "/teacher.pth"}
    plan = plan_of(study_file(), tmp_path, given=given)
    names = {name for name, _ in plan.jobs}
    assert names == {"student", "plain", "teacher", "first"}
    assert plan.jobs["teacher", 1].needs == (), "it is tested"
    assert ("teacher", 2) not in plan.jobs, "one checkpoint has one result"
    assert plan.jobs["student", 2].options()["train_dataloader.dataset.label_root"] == "/labels"


def test_some_rows_alone(study_file, tmp_path):
    assert set(plan_of(study_file(), tmp_path, rows=["plain"], seeds=[2]).jobs) == {("plain", 2)}
    with_needs = plan_of(study_file(), tmp_path, rows=["student"], seeds=[2]).jobs
    assert set(with_needs) == {("student", 2), ("labels", 2), ("teacher", 2), ("first", 1)}


def test_names_that_are_not_there_and_circles(study_file, tmp_path):
    path = study_file()
    with pytest.raises(ConfigError, match=r"small has no row or step 'plane'.*mean 'plain'"):
        plan_of(path, tmp_path, rows=["plane"])
    with pytest.raises(ConfigError, match=r"small has no row or step 'label'.*mean 'labels'"):
        plan_of(path, tmp_path, given=dict(label="x"))
    path = study_file("rows[2]['cfg_options'] = {'load_from': '{student}'}")
    with pytest.raises(ConfigError, match="student needs labels needs teacher needs student"):
        plan_of(path, tmp_path)


SOUND = "rows[0]['cfg_options'] = {'load_from': '{first}'}\n"


def test_what_is_missing_is_said_before_anything_runs(study_file, tmp_path):
    check_plan(plan_of(study_file(SOUND), tmp_path / "out"))  # the others will be made
    path = study_file(SOUND + "rows[1]['cfg_options'] = {'load_from': '/no/such.pth'}")
    with pytest.raises(DataError, match=r"tiny\.py: load_from = /no/such\.pth is not there"):
        check_plan(plan_of(path, tmp_path / "out"))
    path = study_file(SOUND)
    with pytest.raises(DataError, match=r"--given plain = /no/run\.pth is not there"):
        check_plan(plan_of(path, tmp_path / "out", given=dict(plain="/no/run.pth")))
    path = study_file(SOUND + "rows[1]['cfg_options'] = {'train_cfg.max_iter': 3}")
    with pytest.raises(ConfigError, match=r"max_iter"):
        check_plan(plan_of(path, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_what_was_made_otherwise_before_is_not_taken_for_this(study_file, tmp_path):
    root = tmp_path / "out"
    plan = plan_of(study_file(SOUND), root)
    for job in plan.jobs.values():
        job.write(state="done", settings=job.settings)
    check_plan(plan_of(study_file(SOUND), root))
    path = study_file(SOUND + "rows[1]['cfg_options'] = {'train_cfg.max_iters': 3}")
    with pytest.raises(ConfigError, match=r"plain/seed_1 \(config_sha256\).*plain/seed_2.*Delete"):
        check_plan(plan_of(path, root))
    record = root / "runs/plain/seed_1/job.json"
    record.write_text("{")
    with pytest.raises(ConfigError, match=r"plain/seed_1/job\.json cannot be read"):
        check_plan(plan_of(study_file(SOUND), root))


def test_the_place_of_a_study_is_no_setting_of_it(study_file, tmp_path):
    here, there = (plan_of(study_file(SOUND), tmp_path / name) for name in ("here", "there"))
    settings = [plan.jobs["student", 1].settings for plan in (here, there)]
    assert settings[0] == settings[1]
    assert settings[0] != here.jobs["student", 2].settings, "the seed is one"
    assert json.loads(json.dumps(settings[0])) == settings[0]
