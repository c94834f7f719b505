"""Reading a study's folder: what is missing, unfinished or broken."""

import json

import pytest

from daseg.study import parse_study, read_results
from daseg.utils.errors import ConfigError, DataError


def test_reads_rows_and_runs(folder):
    folder.row("a", {1: 20.0, 3: 24.0}, logged={"100": 28.5, "50": 27.0}, remark="r")
    row = read_results(folder.root).rows["a"]
    assert row.by_seed == {1: 20.0, 3: 24.0}
    assert (row.miou.mean, row.miou.n) == (22.0, 2)
    assert row.logged == {"100": 28.5, "50": 27.0}
    assert row.logged_miou == 28.5
    assert row.class_iou() == dict(road=32.0, sky=12.0)
    assert [run.state for run in row.runs] == ["done", "not started", "done"]


def test_a_row_that_was_given_is_tested_once(folder):
    folder.row("a", {1: 20.0})
    folder.row("b", {1: 20.0})
    folder.spec["given"] = ["a"]
    folder.save()
    rows = read_results(folder.root).rows
    assert [run.state for run in rows["a"].runs] == ["done"]
    assert [run.state for run in rows["b"].runs] == ["done", "not started", "not started"]


def test_states(folder):
    folder.row("a", {1: 20.0})
    runs = folder.root / "runs" / "a"
    for seed, state in ((2, "failed"), (3, "running")):
        (runs / f"seed_{seed}").mkdir()
        (runs / f"seed_{seed}" / "job.json").write_text(json.dumps(dict(state=state)))
    (runs / "seed_1" / "job.json").unlink()
    row = read_results(folder.root).rows["a"]
    assert [run.state for run in row.runs] == ["done", "failed", "running"]
    (runs / "seed_1" / "test" / "results.json").unlink()
    (runs / "seed_2" / "job.json").write_text(json.dumps(dict(state="done")))
    row = read_results(folder.root).rows["a"]
    assert [run.state for run in row.runs] == ["unfinished", "done", "running"]
    assert not any(run.finished for run in row.runs)


def test_results_without_a_card_are_no_finished_test(folder):
    folder.row("a", {1: 20.0})
    (folder.root / "runs/a/seed_1/test/protocol_card.json").unlink()
    assert read_results(folder.root).rows["a"].miou is None


def test_a_class_that_a_seed_has_no_iou_of_is_left_out_of_its_mean(folder):
    folder.row("a", {1: 20.0, 2: 40.0})
    path = folder.root / "runs/a/seed_2/test/results.json"
    path.write_text(json.dumps(dict(mIoU=40.0, IoU=dict(road=40.0, sky=None))))
    assert read_results(folder.root).rows["a"].class_iou() == dict(road=35.0, sky=10.0)
    for seed in (1, 2):
        path = folder.root / f"runs/a/seed_{seed}/test/results.json"
        path.write_text(json.dumps(dict(mIoU=None, IoU=dict(road=None))))
    row = read_results(folder.root).rows["a"]
    assert (row.class_iou(), row.miou) == (dict(road=None), None)


def test_tests_of_other_checkpoints(folder):
    folder.row("a", {1: 20.0})
    folder.run("a", 1, 25.0, out="test_iter_60", iteration=60)
    folder.run("a", 1, 99.0, out="test_iter_60_adabn")
    [run, *_] = read_results(folder.root).rows["a"].runs
    assert set(run.others) == {60}
    assert (run.test_at(60).miou, run.test_at(120).miou, run.test_at(90)) == (25.0, 20.0, None)


@pytest.mark.parametrize(
    "name",
    [
        "study.json",
        "runs/a/seed_1/job.json",
        "runs/a/seed_1/report.json",
        "runs/a/seed_1/test/results.json",
        "runs/a/seed_1/test/protocol_card.json",
    ],
)
@pytest.mark.parametrize("content", ['{"state": ', "[1, 2]"])
def test_broken_file_is_named(folder, name, content):
    folder.row("a", {1: 20.0})
    path = folder.root / name
    path.write_text(content)
    with pytest.raises(DataError) as caught:
        read_results(folder.root)
    assert str(path) in str(caught.value)


def test_results_without_a_number_are_named(folder):
    folder.row("a", {1: 20.0})
    path = folder.root / "runs/a/seed_1/test/results.json"
    path.write_text(json.dumps(dict(pixAcc=1.0)))
    with pytest.raises(DataError, match=rf"{path} cannot be read as .*: it has no 'mIoU'"):
        read_results(folder.root)


def test_no_study(tmp_path):
    with pytest.raises(DataError, match=r"is not the folder of a study: it has no study\.json"):
        read_results(tmp_path)


def good() -> dict:
    rows = [dict(name="a", config="c"), dict(name="b", config="c", baseline="a", oracle="a")]
    return dict(name="s", title="t", world="demo", seeds=[1], rows=rows, sizes=dict(x=[[3, "a"]]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(rows=[dict(name="a", config="c")] * 2), "two rows or steps have the name a"),
        (dict(rows=[dict(config="x")]), r"rows, '\?' has no 'name'"),
        (dict(rows=[dict(name="..", config="c")]), "the name '..' has more than letters"),
        (dict(rows=[dict(name="a", config="c", baseline="z")]), "'a': there is no row 'z'"),
        (dict(rows=[dict(name="a", config="c", oracle="z")]), "'a': there is no row 'z'"),
        (dict(given=["z"]), "given: there is no row 'z'"),
        (dict(sizes=dict(few=[[3, "z"]])), "sizes, 'few': there is no row 'z'"),
        (dict(rows=3), r"rows is 3, not list"),
        (dict(rows=["a"]), r"rows is 'a', not dict"),
        (dict(sizes=dict(x=[3])), r"sizes is .*, not dict"),
        (dict(claims=[dict(title="c", checks=["a > z"])]), "claim 'c', check 'a > z'"),
    ],
)
def test_study_that_contradicts_itself(folder, change, message):
    parse_study(good())
    with pytest.raises(ConfigError, match=message):
        parse_study(good() | change)
    folder.spec = good() | change
    folder.save()
    with pytest.raises(ConfigError, match=message) as caught:
        read_results(folder.root)
    assert str(folder.root / "study.json") in str(caught.value)


@pytest.mark.parametrize("key", ["name", "title", "world", "seeds", "rows"])
def test_missing_key_is_named(key):
    study = good()
    del study[key]
    with pytest.raises(ConfigError, match=f"it has no '{key}'"):
        parse_study(study)


def test_a_study_is_read_as_it_was_written():
    study = good() | dict(given=["a"], claims=[dict(title="c", checks=["a > b"])])
    study["rows"][0] |= dict(logged={"20": 3.5}, classes_logged=dict(road=2.0), remark="r")
    written = parse_study(study).content()
    assert parse_study(written).content() == written
    assert {key: written[key] for key in ("seeds", "given", "claims", "sizes")} == {
        key: study[key] for key in ("seeds", "given", "claims", "sizes")
    }
    assert study["rows"][0].items() <= written["rows"][0].items()
