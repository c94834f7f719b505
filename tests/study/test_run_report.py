"""What a study writes of itself: which rows were given, and what it says where it cannot write."""

import json

import pytest

from daseg.study import Local, StudyError, read_results, run_study
from daseg.utils.errors import DataError

ALONE = "steps.clear()\nrows[:] = rows[1:]\nclaims.clear()\nrows[0].pop('baseline', None)\n"


def test_a_row_that_was_given_has_one_run(study_file, tmp_path, fake_tools):
    root, given = tmp_path / "out", tmp_path / "plain.pth"
    given.touch()
    run_study(study_file(ALONE), launcher=Local(["cpu"]), root=root, given=dict(plain=str(given)))
    content = json.loads((root / "study.json").read_text())
    assert (content["given"], content["world"], content["seeds"]) == (["plain"], "real", [1, 2])
    rows = read_results(root).rows
    assert {name: [run.state for run in row.runs] for name, row in rows.items()} == {
        "plain": ["done"],
        "teacher": ["done", "done"],
    }
    assert "not started" not in (root / "report.md").read_text()


@pytest.mark.parametrize("name", ["study.json", "report.md"])
def test_a_file_that_cannot_be_written_is_named(study_file, tmp_path, fake_tools, name):
    root = tmp_path / "out"
    (root / name).mkdir(parents=True)
    with pytest.raises(
        DataError, match=rf"{root}/{name} cannot be written: .*\. All that was made"
    ):
        run_study(study_file(ALONE), launcher=Local(["cpu"]), root=root)


def test_failures_are_told_where_there_is_no_report(study_file, tmp_path, fake_tools):
    (tmp_path / "out/report.md").mkdir(parents=True)
    (tmp_path / "train.py").write_text("raise SystemExit('what went wrong')")
    with pytest.raises(StudyError, match=r"(?s)what went wrong.*no new report: .*report\.md"):
        run_study(study_file(ALONE), launcher=Local(["cpu"]), root=tmp_path / "out")


def test_a_root_below_a_file(study_file, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"--root .*file/out: .*Not a directory"):
        run_study(study_file(ALONE), launcher=Local(["cpu"]), root=tmp_path / "file/out")
