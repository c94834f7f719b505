"""The tables of docs/results.md that repeat committed reports and tests say what those say."""

import re
import statistics
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
REPORT = DOCS / "studies" / "paper_demo"
SEEDS = re.compile(r"\d+\.\d(, \d+\.\d)*")


def rows(text: str, width: int) -> dict[str, list[str]]:
    """The rows of the tables of `width` columns, by their first cell; italics are dropped."""
    cells = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| ")]
    table = [[cell.strip().strip("*") for cell in row] for row in cells if len(row) == width]
    return {row[0]: row[1:] for row in table if SEEDS.fullmatch(row[2])}


def section(page: str, title: str) -> str:
    return page.split(f"\n## {title}\n")[1].split("\n## ")[0]


PAGE = (DOCS / "results.md").read_text("utf-8")
SHOWN = rows(section(PAGE, "The study in the embedded world"), width=5)
MEASURED = rows((REPORT / "report.md").read_text("utf-8"), width=10)


def test_every_row_of_the_report_is_shown():
    assert SHOWN.keys() == MEASURED.keys()
    assert len(SHOWN) == 26


@pytest.mark.parametrize("row", MEASURED)
def test_a_row_says_what_the_report_says(row):
    shown_miou, shown_seeds, shown_gap, shown_log = SHOWN[row]
    miou, seeds, log, gap = MEASURED[row][:4]
    exact = [float(number) for number in re.findall(r"\d+\.\d+", miou)]

    assert [float(number) for number in shown_miou.split(" ± ")] == pytest.approx(exact, abs=0.0501)
    assert shown_seeds == seeds
    assert shown_gap == gap
    assert shown_log == log.split(" ")[0]


@pytest.mark.parametrize("row", MEASURED)
def test_each_number_has_its_protocol_card(row):
    seeds = MEASURED[row][1].split(", ")

    cards = sorted(REPORT.glob(f"runs/{row}/seed_*/test/protocol_card.txt"))

    assert [card.parts[-3] for card in cards] == [f"seed_{i + 1}" for i in range(len(seeds))]


def test_the_table_from_day_to_dusk_says_what_the_tests_say():
    text = section(PAGE, "Students and ClassMix from day to dusk")
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    shown = [row for row in table if len(row) == 5 and SEEDS.fullmatch(row[3])]
    assert len(shown) == 8
    for _, config, miou, seeds, folder in shown:
        runs = [DOCS / f"studies/day_to_dusk/{folder}/seed_{seed}" for seed in (1, 2, 3)]
        tables = [(run / "table.txt").read_text() for run in runs]
        found = [float(re.search(r"mIoU +\| +([\d.]+)", text)[1]) for text in tables]
        assert [float(number) for number in seeds.split(", ")] == pytest.approx(found, abs=0.0501)
        exact = [statistics.mean(found), statistics.stdev(found)]
        assert [float(n) for n in miou.split(" ± ")] == pytest.approx(exact, abs=0.0501)
        for run in runs:
            card = (run / "protocol_card.txt").read_text()
            assert f"configs/{config.strip('`')} --world camvid (sha256" in card
            assert f"seed {run.name[-1]}" in card
