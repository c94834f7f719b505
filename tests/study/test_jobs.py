"""The jobs of a study: order, seeds, paths, commands, and what is found before anything runs."""

import json
from contextlib import nullcontext
from pathlib import Path

import pytest

from daseg.study import read_study
from daseg.study.check import check_plan
from daseg.study.plan import Plan
from daseg.utils.errors import ConfigError, DataError
from daseg.utils.options import parse_cfg_options

ROOT = Path(__file__).parents[2]


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
    assert plan.jobs["plain", 2].making() == [
        "train", config, "--work-dir", f"{root}/runs/plain/seed_2", "--resume", "--cfg-options",
        "randomness.seed=2", "default_hooks.checkpoint.max_keep_ckpts=-1",
        f"load_from={root}/steps/first/seed_1/iter_6.pth",
    ]  # fmt: skip
    plan = plan_of(study_file(), root, world=None)
    assert plan.jobs["labels", 2].making() == [
        "pseudo-label", config, f"{root}/runs/teacher/seed_2/iter_6.pth",
        "--out", f"{root}/steps/labels/seed_2/out",
    ]  # fmt: skip
    assert plan.jobs["first", 1].making()[-1] == "randomness.seed=1", "no row: not all are kept"


def test_what_is_named_inside_of_lists_and_dicts_is_made_before(study_file, tmp_path):
    value = "[dict(root='{labels}/a', n=(1, '{first}'))]"
    path = study_file(f"rows[1]['cfg_options'] = {{'some.key': {value}}}")
    job = plan_of(path, tmp_path).jobs["plain", 2]
    assert set(job.needs) == {("labels", 2), ("first", 1)}
    found = [
        dict(root=f"{tmp_path}/steps/labels/seed_2/out/a",
             n=(1, f"{tmp_path}/steps/first/seed_1/iter_6.pth"))
    ]  # fmt: skip
    assert job.options()["some.key"] == found
    assert parse_cfg_options(job.making()[-1:]) == {"some.key": found}


def test_options_of_a_small_world_hold_in_it_alone(study_file, tmp_path):
    options = "rows[1]['cfg_options'] = {'some.key': 1, 'other': 2}\n"
    path = study_file(
        options + "rows[1]['world_cfg_options'] = dict(demo={'some.key': '{labels}'})"
    )
    for world in (None, "camvid"):
        job = plan_of(path, tmp_path, world=world, rows=["plain"]).jobs["plain", 2]
        assert (job.options()["some.key"], job.options()["other"]) == (1, 2)
        assert job.needs == ()
    job = plan_of(path, tmp_path, world="demo", rows=["plain"]).jobs["plain", 2]
    assert job.options()["some.key"] == f"{tmp_path}/steps/labels/seed_2/out"
    assert job.options()["other"] == 2
    assert job.needs == (("labels", 2),)


@pytest.mark.parametrize(
    "value",
    [
        "1e-4", "None", "true", "12", "[a", "dict(a=1)", "a b", " a", 'it\'s "so"', "", "a=b",
        1e-4, 3, None, False, (1, 2), [1.0, "1"], {"a": [None, "None"]}, {"_delete_": True},
    ],
)  # fmt: skip
def test_an_option_is_read_as_it_was_stated(study_file, tmp_path, value):
    path = study_file(f"rows[1]['cfg_options'] = {{'some.key': {value!r}}}")
    option = plan_of(path, tmp_path).jobs["plain", 1].making()[-1]
    read = parse_cfg_options([option])["some.key"]
    assert (type(read), read) == (type(value), value)


def test_an_option_that_no_command_line_can_say(study_file, tmp_path):
    path = study_file("rows[1]['cfg_options'] = {'some.key': float('inf')}")
    with pytest.raises(ConfigError, match=r"some\.key: inf cannot be written on a command line"):
        plan_of(path, tmp_path).jobs["plain", 1].making()


def test_what_is_replaced_as_a_whole_is_so_in_the_command_too(study_file, tmp_path):
    """Merging takes _delete_ out of the dict that it is given."""
    optimizer = dict(type="SGD", lr=0.1)
    networks = dict(constructor="OptimizersByNetwork", segmentor=dict(optimizer=optimizer))
    given = networks | dict(_delete_=True)
    path = study_file(f"rows[1]['cfg_options'] = {{'optim_wrapper': {given}}}")
    job = plan_of(path, tmp_path).jobs["plain", 1]
    assert job.cfg.optim_wrapper == networks
    assert job.making()[-1] == f"optim_wrapper={given}"


def test_further_arguments_of_a_training(study_file, tmp_path):
    path = study_file("rows[1]['arguments'] = ['--amp']")
    assert "--resume --amp --cfg-options" in " ".join(
        plan_of(path, tmp_path).jobs["plain", 1].making()
    )


def test_a_judge_and_the_world_are_words_of_the_command(study_file, tmp_path):
    extra = (
        "steps[0] = dict(name='labels', tool='translate', config='c.py', checkpoint='{teacher}',"
        " judge=('judge.py', '{first}'), arguments=['--limit', '3'])"
    )
    plan = plan_of(study_file(extra), tmp_path)
    plan.world = "demo"
    job = plan.jobs["labels", 1]
    job.plan.given |= {"teacher": "/t.pth", "first": "/f.pth"}
    assert job.making() == [
        "translate", "c.py", "/t.pth",
        "--out", f"{tmp_path}/steps/labels/seed_1/out", "--limit", "3",
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


def test_a_row_that_is_only_tested_needs_nothing(study_file, tmp_path):
    """Its training's options name what is not made; a test does not read it."""
    given = tmp_path / "student.pth"
    given.touch()
    plan = plan_of(study_file(SOUND), tmp_path, given=dict(student=str(given)), rows=["student"])
    assert list(plan.jobs) == [("student", 1)]
    job = plan.jobs["student", 1]
    assert f"load_from={tmp_path}/steps/first/seed_1/iter_6.pth" in job.testing(given, tmp_path)
    check_plan(plan)


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


def test_what_cannot_be_trained_is_given(study_file, tmp_path):
    extra = "rows[1]['cfg_options'] = {'train_cfg': None}"
    with pytest.raises(ConfigError, match=r"'plain': .*tiny\.py has no train_cfg.*--given plain="):
        check_plan(plan_of(study_file(SOUND + extra), tmp_path))


@pytest.mark.parametrize("key", ["optim_wrapper", "test_dataloader"])
def test_a_config_without_what_the_tools_need(study_file, tmp_path, key):
    file = study_file(SOUND)
    config = tmp_path / "tiny.py"
    config.write_text(config.read_text() + f"\n{key} = None\n")
    with pytest.raises(ConfigError, match=rf"'\w+': .*tiny\.py has no {key}"):
        check_plan(plan_of(file, tmp_path))


SOUND = "rows[0]['cfg_options'] = {'load_from': '{first}'}\n"


def test_what_is_missing_is_said_before_anything_runs(study_file, tmp_path):
    check_plan(plan_of(study_file(SOUND), tmp_path / "out"))  # the others will be made
    path = study_file(SOUND + "rows[1]['cfg_options'] = {'load_from': '/no/such.pth'}")
    with pytest.raises(DataError, match=r"tiny\.py: load_from = /no/such\.pth is not there"):
        check_plan(plan_of(path, tmp_path / "out"))
    path = study_file(SOUND)
    with pytest.raises(DataError, match=r"--given plain = /no/run\.pth is not there"):
        check_plan(plan_of(path, tmp_path / "out", given=dict(plain="/no/run.pth")))
    path = study_file(
        SOUND + "rows[0]['cfg_options'] = {'train_dataloader.dataset.label_root': '{labels}/a'}\n"
        "steps[0]['checkpoint'] = '/no/teacher.pth'"
    )
    with pytest.raises(
        DataError, match=r"'labels': checkpoint = /no/teacher\.pth is not"
    ) as caught:
        check_plan(plan_of(path, tmp_path / "out"))
    assert "label_root" not in str(caught.value), "what lies in a folder that will be made"
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
    for broken in ("{", "null"):
        record.write_text(broken)
        with pytest.raises(
            DataError, match=r"plain/seed_1/job\.json cannot be read.*make it again"
        ):
            check_plan(plan_of(study_file(SOUND), root))


def test_a_test_of_what_was_given_is_not_taken_for_a_training(study_file, tmp_path):
    given = tmp_path / "plain.pth"
    given.touch()
    options = dict(rows=["plain"], seeds=[1])
    plan = plan_of(study_file(), tmp_path, given=dict(plain=str(given)), **options)
    job = plan.jobs["plain", 1]
    job.write(state="done", settings=job.settings, given=job.given)
    check_plan(plan)
    with pytest.raises(ConfigError, match=r"plain/seed_1 \(--given\)"):
        check_plan(plan_of(study_file(), tmp_path, **options))


def test_what_was_made_and_is_gone_is_missed_by_what_still_needs_it(study_file, tmp_path):
    plan = plan_of(study_file(SOUND), tmp_path / "out", rows=["student"], seeds=[1])
    first, student = plan.jobs["first", 1], plan.jobs["student", 1]
    first.write(state="done", settings=first.settings)
    gone = r"student, seed 1 needs .*iter_6\.pth, which was made and is gone: delete .*first/seed_1"
    with pytest.raises(DataError, match=gone):
        check_plan(plan)
    student.write(state="done", settings=student.settings)
    check_plan(plan)


def test_the_place_of_a_study_is_no_setting_of_it(study_file, tmp_path):
    here, there = (plan_of(study_file(SOUND), tmp_path / name) for name in ("here", "there"))
    settings = [plan.jobs["student", 1].settings for plan in (here, there)]
    assert settings[0] == settings[1]
    assert settings[0] != here.jobs["student", 2].settings, "the seed is one"
    assert json.loads(json.dumps(settings[0])) == settings[0]


# Studies of data sets that are small already: a world has nothing to put in their place.
OF_THE_DEMO = ("demo", "demo_methods", "demo_methods_dusk")
SMALL = dict.fromkeys(
    [(f"{name}.py", "demo") for name in OF_THE_DEMO]
    + [
        (f"{name}.py", w)
        for name in ("game_to_day", "day_to_dusk", "day_to_dusk_long")
        for w in ("demo", "camvid")
    ],
    "leave --world out",
)
OTHER_CLASSES = "class_weights has 19 entries, but the world has 11 classes"
SMALL |= {
    (f"{name}.py", "camvid"): OTHER_CLASSES
    for name in ("demo", "demo_methods", "demo_methods_dusk")
}


@pytest.mark.parametrize("world", [None, "demo", pytest.param("camvid", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", sorted(path.name for path in ROOT.glob("configs/studies/*.py")))
def test_the_options_of_each_study_fit_its_configs(name, world, tmp_path, monkeypatch):
    """An option that overrides nothing is an error of the config."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("daseg.study.check._places", lambda job: ())  # no data is here
    reason = SMALL.get((name, world))
    with pytest.raises(ConfigError, match=reason) if reason else nullcontext():
        check_plan(plan_of(ROOT / "configs/studies" / name, tmp_path, world=world, seeds=[1]))
