"""The tables of results in docs/ say what the committed records of the runs say."""

import json
import re
import statistics
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[1] / "docs"
SEEDS = re.compile(r"\d+\.\d(, \d+\.\d)*")


def record(name: str) -> dict[str, dict[str, Any]]:
    """The rows of a recorded study: ``runs`` by seed, each with ``miou`` and ``card``."""
    rows: dict[str, Any] = json.loads((DOCS / "studies" / name).read_text("utf-8"))["rows"]
    return rows


def table(page: str, width: int, seeds: int) -> list[list[str]]:
    """The rows of all tables of `width` columns that list seeds in column `seeds`; no italics."""
    text = (DOCS / page).read_text("utf-8")
    cells = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| ")]
    rows = [[cell.strip().strip("*") for cell in row] for row in cells if len(row) == width]
    return [row for row in rows if SEEDS.fullmatch(row[seeds])]


STUDY = record("study_dusk.json")
BY_DAY = record("embedded_world.json")
DUSK = record("day_to_dusk.json")
SHOWN = {row[0]: row[1:] for row in table("results_study.md", width=6, seeds=2)}


def mious(row: dict[str, Any]) -> list[float]:
    return [run["miou"] for run in row["runs"].values()]


def agrees(shown: str, values: list[float]) -> bool:
    """Whether ``15.1 ± 0.7`` is the mean and deviation of values that were rounded to 0.01."""
    mean, deviation = (float(number) for number in shown.split(" ± "))
    exact = statistics.mean(values), statistics.stdev(values)
    return abs(mean - exact[0]) < 0.056 and abs(deviation - exact[1]) < 0.061


def check_mious(miou: str, seeds: str, values: list[float]) -> None:
    """Mean and deviation, and the seeds' values, are those of the runs."""
    assert agrees(miou, values)
    assert [float(number) for number in seeds.split(", ")] == pytest.approx(values, abs=0.0501)


def test_every_row_of_the_study_is_shown():
    assert SHOWN.keys() == STUDY.keys() == BY_DAY.keys()
    assert len(SHOWN) == 26


@pytest.mark.parametrize("row", STUDY)
def test_a_row_of_the_study_says_what_was_recorded(row):
    shown_miou, shown_seeds, shown_gap, shown_by_day, shown_log = SHOWN[row]
    values, gap, log = mious(STUDY[row]), STUDY[row]["gap_closed"], STUDY[row]["log"]

    check_mious(shown_miou, shown_seeds, values)
    assert shown_gap == ("-" if gap is None else str(gap))
    assert agrees(shown_by_day, mious(BY_DAY[row]))
    assert shown_log == (f"{next(iter(log.values())):.2f}" if log else "-")


@pytest.mark.parametrize(("study", "world"), [(STUDY, "dusk"), (BY_DAY, "demo")])
def test_each_run_has_its_protocol_card(study, world):
    for row in study.values():
        assert len(row["runs"]) == 3
        for seed, run in row["runs"].items():
            assert run["card"]["config"].startswith(f"{row['config']} --world {world} (sha256 ")
            assert run["card"]["trained"].startswith(f"{row['iterations']} iterations from ")
            assert f", seed {seed}" in run["card"]["trained"]


def test_the_table_from_day_to_dusk_says_what_was_recorded():
    shown = [row for row in table("results.md", width=5, seeds=3) if row[4] in DUSK]
    assert sorted(row[4] for row in shown) == sorted(DUSK)
    for _, config, miou, seeds, name in shown:
        check_mious(miou, seeds, mious(DUSK[name]))
        for seed, run in DUSK[name]["runs"].items():
            assert run["card"]["config"].startswith(f"configs/{config.strip('`')} --world camvid (")
            assert f"seed {seed}" in run["card"]["trained"]
            classes = run["iou"].values()
            assert statistics.mean(classes) == pytest.approx(run["miou"], abs=0.01)


@pytest.mark.parametrize(("name", "width"), [("day_to_dusk_full_size", 7), ("day_to_dusk_long", 8)])
def test_the_tables_from_day_to_dusk_at_full_size_say_what_was_recorded(name, width):
    recorded = record(f"{name}.json")
    shown = {row[0].strip("`"): row[2:] for row in table("results.md", width, seeds=3)}
    assert list(shown) == list(recorded)
    for row, (mean, seeds, *gap, right, _, _) in shown.items():
        runs = recorded[row]["runs"]
        check_mious(mean, seeds, mious(recorded[row]))
        assert gap == [str(recorded[row]["gap_closed"]) for _ in gap]
        exact = statistics.mean(run["pixacc"] for run in runs.values())
        assert float(right) == pytest.approx(exact, abs=0.0501)
        for seed, run in runs.items():
            assert run["card"]["config"].startswith(recorded[row]["config"])
            assert f"seed {seed}" in run["card"]["trained"]


@pytest.mark.parametrize(
    ("link", "name", "adapted", "supervised"),
    [
        ("results.md#four-times-as-long", "day_to_dusk_long", "masked", "supervised"),
        ("results_game_to_day.md", "game_to_day", "adapted", "supervised"),
        ("results_embedded_world.md#the-demo", "demo", "adapted", "supervised"),
        ("results_study.md", "study_dusk", "gc_640x360_b1", "cityscapes_seg"),
    ],
)
def test_the_table_of_the_readme_says_what_was_recorded(link, name, adapted, supervised):
    text = (DOCS.parent / "README.md").read_text("utf-8")
    (line,) = [line for line in text.splitlines() if line.startswith("| ") and f"/{link})" in line]
    rows = record(f"{name}.json")
    cells = line.strip("|").split("|")[1:]
    for cell, row in zip(cells, ("source_only", adapted, supervised), strict=True):
        assert agrees(cell.strip(), mious(rows[row]))


@pytest.mark.parametrize(
    ("name", "width", "miou"),  # `miou`: its column; the seeds' and the gap's follow
    [("demo_methods", 7, 2), ("demo_methods_dusk", 7, 1), ("demo", 5, 1)],
)
def test_the_tables_of_the_embedded_world_say_what_was_recorded(name, width, miou):
    recorded = record(f"{name}.json")
    rows = table("results_embedded_world.md", width, seeds=miou + 1)
    shown = {row[0].strip("`"): row[miou:] for row in rows}
    assert shown.keys() == recorded.keys()
    for row, (mean, seeds, gap, *others) in shown.items():
        runs = recorded[row]["runs"].values()
        check_mious(mean, seeds, mious(recorded[row]))
        assert gap == str(recorded[row]["gap_closed"])
        if name != "demo_methods":  # which has no column of right pixels
            right = statistics.mean(run["pixacc"] for run in runs)
            assert float(others[0]) == pytest.approx(right, abs=0.0501)
        for run in runs:
            assert statistics.mean(run["iou"].values()) == pytest.approx(run["miou"], abs=0.01)


def test_the_table_from_the_game_to_photographs_says_what_was_recorded():
    rows = record("game_to_day.json")
    shown = table("results_game_to_day.md", width=7, seeds=2)
    ends = [statistics.mean(mious(rows[name])) for name in ("source_only", "supervised")]
    for (_, miou, seeds, gap, *_), row in zip(shown, rows.values(), strict=True):
        values = mious(row)
        check_mious(miou, seeds, values)
        closed = (statistics.mean(values) - ends[0]) / (ends[1] - ends[0])
        assert float(gap) == pytest.approx(100 * closed, abs=0.51)
        for seed, run in row["runs"].items():
            assert run["card"]["config"].startswith(row["config"])
            assert f"seed {seed}" in run["card"]["trained"]


def test_the_first_stage_by_day_says_what_was_recorded():
    names = {
        "style_transfer/gc_b1.py": "gc_640x360_b1",
        "style_transfer/agc_b1.py": "agc_640x360_b1",
        "style_transfer/aagc_b2.py": "aagc_640x360_b2",
        "style_transfer/source_only.py": "source_only",
        "supervised/cityscapes_seg.py": "cityscapes_seg",
    }
    shown = {row[1].strip("`"): row for row in table("results_embedded_world.md", 5, seeds=3)}
    assert shown.keys() == names.keys()
    for config, name in names.items():
        row = BY_DAY[name]
        assert agrees(shown[config][2], mious(row))
        seeds = [float(number) for number in shown[config][3].split(", ")]
        assert seeds == pytest.approx(mious(row), abs=0.0501)
        assert shown[config][4] == str(row["gap_closed"])


def test_the_committed_results_are_small():
    """A report of a study is megabytes; the pages have what somebody reads."""
    size = sum(path.stat().st_size for path in DOCS.rglob("*") if path.is_file())
    assert size < 1_000_000
