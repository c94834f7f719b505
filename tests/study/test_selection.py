"""Which checkpoint a rule chooses, and what is said of the rules."""

import pytest

from daseg.study import chosen_checkpoints, read_results, write_report
from daseg.study.selection import between_runs, median_correlations, select


def validation(step: int, miou: float, **scores: float) -> dict:
    return dict(mIoU=miou, step=step) | {f"labelfree_{k}": v for k, v in scores.items()}


LOG = [
    dict(loss_seg=2.0, iter=10, step=10),
    validation(30, 10.0, entropy=0.5, information=0.1, flip_agreement=0.9),
    validation(60, 30.0, entropy=0.2, information=0.3, flip_agreement=0.7),
    validation(90, 20.0, entropy=0.4, information=0.3, flip_agreement=0.8),
    validation(120, 25.0, entropy=0.3, information=0.2, flip_agreement=0.6),
]


@pytest.fixture
def run(folder):
    folder.row("a", {1: 25.0})
    path = folder.root / "runs/a/seed_1"
    folder.log(path, LOG)
    return path


def test_among_all_that_was_logged(run):
    assert chosen_checkpoints(run, saved=False) == dict(
        last=120,
        entropy=60,  # the lowest
        information=90,  # equal at 60: the later
        flip_agreement=30,
        validation=60,
    )


def test_among_what_was_saved(run):
    for step in (30, 90, 120):
        (run / f"iter_{step}.pth").touch()
    assert chosen_checkpoints(run) == dict(
        last=120, entropy=120, information=90, flip_agreement=30, validation=120
    )


def test_what_was_tested_counts_as_saved(run, folder):
    folder.run("a", 1, 31.0, out="test_iter_60", iteration=60)
    # 60 by its folder, 120 by the card in test/; no file iter_N.pth is left.
    assert chosen_checkpoints(run)["information"] == 60
    assert chosen_checkpoints(run)["last"] == 120


def test_nothing_logged(tmp_path):
    (tmp_path / "iter_7.pth").touch()
    assert chosen_checkpoints(tmp_path) == dict(last=7)
    assert chosen_checkpoints(tmp_path, saved=False) == {}


def test_not_a_number_is_never_chosen(tmp_path, folder):
    folder.log(tmp_path, [validation(1, 5.0), validation(2, float("nan"))])
    assert chosen_checkpoints(tmp_path, saved=False) == dict(last=1, validation=1)


def test_correlations_by_hand(run, folder):
    [found] = select(read_results(folder.root))
    # mIoU ranks 1 4 2 3. Low entropy first: 1 4 2 3. Flips: 4 2 3 1, differences' squares 9 4 1 4,
    # 1 - 6 * 18 / 60. Information 1 3.5 3.5 2: deviations -1.5 1 1 -0.5 with -1.5 1.5 -0.5 0.5
    # give 3, over the root of 4.5 * 5.
    assert found.correlations["entropy"] == pytest.approx(1)
    assert found.correlations["flip_agreement"] == pytest.approx(-0.8)
    assert found.correlations["information"] == pytest.approx(3 / 22.5**0.5)
    assert "teacher_agreement" not in found.correlations


def test_runs_without_scores_are_left_out(folder):
    folder.row("a", {1: 25.0})
    folder.log(folder.root / "runs/a/seed_1", [validation(30, 1.0)])
    assert select(read_results(folder.root)) == []
    assert "Choosing a checkpoint" not in write_report(folder.root)[1].read_text()


def test_choices_side_by_side(run, folder):
    folder.run("a", 1, 31.0, out="test_iter_60", iteration=60)
    folder.row("b", {1: 40.0})
    other = folder.root / "runs/b/seed_1"
    folder.log(other, [validation(60, 1.0, entropy=0.1), validation(120, 2.0, entropy=0.2)])
    (other / "iter_60.pth").touch()  # chosen by entropy, but not tested
    (_, of_rules), (_, of_runs) = folder.table("rule"), folder.table("checkpoints")
    assert of_rules == [
        ["last", "2", "32.50", "32.50", "35.50"],
        ["best by entropy", "1", "31.00", "25.00", "31.00"],
        ["best by information", "1", "31.00", "25.00", "31.00"],
        ["best by flip agreement", "1", "31.00", "25.00", "31.00"],
        ["best on validation (peeks)", "2", "35.50", "32.50", "35.50"],
    ]
    assert of_runs[0][1] == "4"
    assert of_runs[1] == [
        "b, seed 1", "2", "40.00 (120)", "not tested (60)", "-", "-", "40.00 (120)",
    ]  # fmt: skip


def test_checkpoints_that_were_deleted_were_to_choose_from(run, folder):
    # All four validations have a score; 120 alone is left, since all rules chose it.
    [found] = select(read_results(folder.root))
    assert found.chosen == dict.fromkeys(found.chosen, 120)
    assert found.candidates == 4


def test_runs_without_a_choice_are_not_in_the_means(run, folder):
    for name, miou in (("b", 45.0), ("c", 47.0)):
        folder.row(name, {1: miou})
        # Validated twice, of which one has a score.
        records = [validation(60, 1.0), validation(120, 2.0, entropy=0.2)]
        folder.log(folder.root / f"runs/{name}/seed_1", records)
    (_, of_rules), (_, of_runs) = folder.table("rule"), folder.table("checkpoints")
    assert [line[1:3] for line in of_rules] == [["1", "25.00"]] * 5
    assert [line[1] for line in of_runs] == ["4", "1", "1"]
    told = "2 runs with a single checkpoint, so without a choice (b, seed 1; c, seed 1)."
    assert f"\nNot in the means: {told}\n" in write_report(folder.root)[1].read_text()


def test_where_no_run_has_a_choice_there_are_no_empty_tables(folder):
    for name, miou in (("a", 45.0), ("b", 46.0), ("c", 47.0)):
        folder.row(name, {1: miou})
        folder.log(folder.root / f"runs/{name}/seed_1", [validation(120, 1.0, entropy=50 - miou)])
    _, of_scores = folder.table("entropy")
    [between] = of_scores  # no run has a correlation of its own
    assert between[1] == "1.00 (3 runs)"
    text = write_report(folder.root)[1].read_text()
    assert "\nNo run had more than one checkpoint to choose from.\n" in text
    assert "| rule |" not in text
    assert "The same for each run" not in text


def test_nothing_is_said_of_runs_without_a_choice_where_all_have_one(run, folder):
    text = write_report(folder.root)[1].read_text()
    assert "Choosing a checkpoint" in text
    assert "Not in the means" not in text


def test_medians_and_order_between_runs(folder):
    for number, miou in enumerate((20.0, 30.0, 40.0)):
        name = f"row{number}"
        folder.row(name, {1: miou})
        scores = [0.1, 0.2, 0.3] if number else [0.3, 0.2, 0.1]
        records = [
            validation(40 * (i + 1), 10.0 + i, entropy=s + number) for i, s in enumerate(scores)
        ]
        folder.log(folder.root / f"runs/{name}/seed_1", records)
    found = select(read_results(folder.root))
    assert [each.correlations["entropy"] for each in found] == pytest.approx([1, -1, -1])
    assert median_correlations(found, ["entropy", "information"]) == ["-1.00 (3 runs)", ""]
    _, of_scores = folder.table("entropy")
    assert [line[1] for line in of_scores[-2:]] == ["-1.00 (3 runs)"] * 2
    # Entropies 0.1, 1.3, 2.3 at the last iteration: the better the run, the less certain.
    assert between_runs(found, ["entropy", "information"]) == ["-1.00 (3 runs)", ""]
