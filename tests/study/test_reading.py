"""The file of a study: what it says, and what it may not say."""

from pathlib import Path

import pytest

from daseg.study import read_study
from daseg.utils.errors import ConfigError

STUDIES = Path(__file__).parents[2] / "configs/studies"


def test_what_the_file_says(study_file):
    study = read_study(study_file())
    assert (study.name, study.title, study.seeds) == ("small", "A small study", (1, 2))
    assert list(study.rows) == ["student", "plain", "teacher"]
    student, labels, first = study.rows["student"], *study.steps.values()
    assert student.references() == ["first", "labels"]
    assert labels.references() == ["teacher"]
    assert first.references() == []
    assert (student.is_row, first.is_row, first.once, labels.once) == (True, False, True, False)
    content = study.content()
    assert (content["world"], content["seeds"]) == ("real", [1, 2])
    row = content["rows"][0]
    assert row["logged"] == {"20": 40.5}
    assert (row["name"], row["group"], row["baseline"], row["oracle"]) == (
        "student", "all", "plain", None,
    )  # fmt: skip
    assert content["claims"] == [dict(title="Students learn", checks=["student > plain"])]


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("rows = []", r"small\.py: a study has rows="),
        ("seeds = [1, 1]", r"seeds is a list of different whole numbers, not \[1, 1\]"),
        ("seeds = 3", r"small\.py: seeds is 3, not list\[int\]"),
        ("seed = seeds\ndel seeds", r"seed: not a key of a study.*did you mean 'seeds'"),
        ("claim = claims\ndel claims", r"claim: not a key of a study.*did you mean 'claims'"),
        ("rows[0]['confg'] = 'x'", r"rows, 'student': there is no 'confg'.*did you mean 'config'"),
        ("del rows[0]['config']", "rows, 'student' has no 'config'"),
        ("rows[0]['name'] = 'a/b'", r"the name 'a/b' has more than letters"),
        ("rows[0]['name'] = '..'", r"the name '\.\.' .*begins with - or a dot"),
        ("rows[0]['name'] = 'plain'", "two rows or steps have the name plain"),
        ("steps[0]['tool'] = 'predict'", "'labels': tool='predict' is none of train, translate"),
        ("rows[0]['tool'] = 'translate'", "'student': tool='translate' is none of train$"),
        ("steps[0].pop('checkpoint')", "'labels': tool='translate' and .* need checkpoint"),
        (
            "rows[1]['checkpoint'] = '{first}'",
            "'plain': .*need checkpoint=.*'train' has none",
        ),
        ("steps[0]['checkpoint'] = '{teachr}'", r"'labels' needs \{teachr\}.*mean 'teacher'"),
        ("steps[1]['cfg_options'] = {'a.b': [dict(c='{teachr}')]}", r"'first' needs \{teachr\}"),
        ("steps[1]['arguments'] = ['--amp', '{teachr}']", r"'first' needs \{teachr\}"),
        ("steps[1]['arguments'] = '--amp'", r"'first'.arguments is '--amp', not list\[str\]"),
        ("steps[1]['arguments'] = ['--limit', 3]", r"arguments is \['--limit', 3\], not list"),
        ("rows[1]['world_cfg_options'] = {'dem': {}}", "'plain': .*no world 'dem'.*mean 'demo'"),
        ("steps[0]['judge'] = ('a.py', 'b')", r"'labels': judge=.* is for tool='translate'"),
        ("rows = 5", r"small\.py: rows is 5, not list"),
        ("rows[0]['logged'] = 40.5", r"small\.py: rows, 'student'.logged is 40.5, not dict"),
        ("rows[0]['logged'] = {20: 'much'}", r"'student'.logged is {20: 'much'}, not dict"),
        ("rows[1]['devices'] = 0", "'plain': devices=0: a training uses one or more"),
        ("steps[0]['devices'] = 2", "'labels': devices=2: a training .*another tool one"),
        ("launcher = 'Slurm'", r"launcher is 'Slurm', not dict"),
        ("rows[0]['baseline'] = 'plane'", "'student': there is no row 'plane'.*mean 'plain'"),
        ("rows[0]['oracle'] = 'first'", "'student': there is no row 'first'"),
        ("sizes = dict(a=[(3, 'plan')])", "sizes, 'a': there is no row 'plan'.*mean 'plain'"),
        ("claims[0]['checks'] = ['student > plane']", "Students learn.*plane"),
    ],
)
def test_a_mistake_is_named(study_file, extra, message):
    with pytest.raises(ConfigError, match=f"(?s){message}"):
        read_study(study_file(extra))


def test_a_study_on_another_one_may_set_all_keys_of_a_study(study_file, tmp_path):
    base = study_file("common = 'a helper'\n")
    path = tmp_path / "larger.py"
    path.write_text(
        f"_base_ = [{base.name!r}]\n"
        "title = 'A larger study'\nseeds = [1, 2, 3]\n"
        "rows = [*_base_.rows, dict(_base_.rows[1], name='other')]\n"
        "claims = [dict(title='Others learn', checks=['other > plain'])]\n"
        "steps = list(_base_.steps)\nsizes = dict(plain=[(3, 'plain')])\n"
    )
    study = read_study(path)
    assert (study.name, study.title, study.seeds) == ("larger", "A larger study", (1, 2, 3))
    assert list(study.rows) == ["student", "plain", "teacher", "other"]
    assert list(study.steps) == ["labels", "first"]
    assert [claim.title for claim in study.claims] == ["Others learn"]
    assert list(study.sizes) == ["plain"]
    path.write_text(f"_base_ = [{base.name!r}]\ncommon = 'another'\n")
    with pytest.raises(ConfigError, match=r"larger\.py sets 'common' again, but a base has"):
        read_study(path)
    # What is read from a config is a helper here.
    base.write_text(base.read_text() + "model = 'x'\n")
    path.write_text(f"_base_ = [{base.name!r}]\nmodel = 'y'\n")
    with pytest.raises(ConfigError, match=r"larger\.py sets 'model' again"):
        read_study(path)


def test_a_missing_file():
    with pytest.raises(ConfigError, match=r"configs/studies/papre\.py"):
        read_study("configs/studies/papre.py")


def test_the_paper_has_its_19_rows_and_their_numbers():
    """The rows of the log, as its results file has them, each with a config of its own."""
    study = read_study(STUDIES / "paper.py")
    logged = {
        row.name: next(iter(row.logged.values())) for row in study.rows.values() if row.logged
    }
    assert logged == {
        "multi_640x360_lsgan_b2": 20.62,
        "multi_640x360_lsgan_b1": 15.52,
        "gc_640x360_b1": 28.59,
        "agc_640x360_b1": 44.23,
        "aagc_640x360_b2": 44.42,
        "aagc_640x360_b4_single": 42.9,
        "aagc_640x360_b2_multiaug": 42.11,
        "aagc_640x360_b2_student": 46.42,
        "aagc_640x360_b2_student_autoaug": 45.16,
        "aagc_640x360_b2_student_full": 46.92,
        "aagc_640x360_b2_student_full_autoaug": 42.43,
        "gc_640x360_b2_d1000": 34.18,
        "aagc_640x360_b2_d1000": 41.16,
        "aagc_640x360_b2_d500": 45.14,
        "cityscapes_seg": 68.03,
        "cityscapes_seg_d1000": 56.88,
        "cityscapes_seg_d500": 55.35,
        "cityscapes_seg_d100": 40.5,
        "deeplabv3plus_r101": 78.271,
    }
    assert len(logged) == 19
    for (
        row
    ) in study.rows.values():  # the mean of the classes is the number, but for the log's rounding
        classes = row.classes_logged.values()
        assert len(classes) == (19 if row.logged else 0), row.name
        if classes:
            assert sum(classes) / 19 == pytest.approx(logged[row.name], abs=0.02), row.name
    twins = {
        row.name.replace("_student", "_self")
        for row in study.rows.values()
        if "student" in row.name
    }
    assert twins <= set(study.rows), "each student has its unsupervised twin"


@pytest.mark.parametrize("name", sorted(path.name for path in STUDIES.glob("*.py")))
def test_every_study_is_sound_and_its_configs_are_there(name):
    study = read_study(STUDIES / name)
    for step in (*study.rows.values(), *study.steps.values()):
        assert (STUDIES.parents[1] / step.config).is_file(), step.config


def test_how_many_rows_the_study_says_are_ours():
    rows = read_study(STUDIES / "paper.py").rows.values()
    said = (STUDIES / "paper.py").read_text().replace("\n", " ")
    assert [sum(bool(row.logged) == theirs for row in rows) for theirs in (True, False)] == [19, 7]
    assert ": 19 rows of GTA5" in said
    assert "Seven rows are ours" in said
