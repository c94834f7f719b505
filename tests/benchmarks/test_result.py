"""Ratios, verdicts and pages, from a record with numbers worked out by hand."""

import json
from pathlib import Path

import pytest

from daseg.benchmarks.page import BEGIN, END, write_page
from daseg.benchmarks.result import Spread, memory_ratio, ratio, text, verdicts
from daseg.utils.errors import DataError


def side(name, *seconds, peak=100.0, **values):
    memory = dict(start=10.0, ready=20.0, peak=peak, children=0.0)
    return dict(name=name, seconds=list(seconds), values=values, memory_mib=memory)


def comparison(*sides, target=None, memory_target=None, not_measured=None):
    return dict(
        name="a step",
        target=target,
        memory_target=memory_target,
        not_measured=not_measured,
        load_before=[0.5, 0.4, 0.3],
        sides=list(sides),
    )


def record(*comparisons):
    machine = dict(cpu="A CPU", isa="AVX2", bf16_units=False, cores=2, threads=1, device="cpu")
    machine |= dict(daseg="0.1", python="3.11", versions=dict(torch="2.14"), date="today")
    own = dict(format=1, benchmark="train", title="A step", command="daseg benchmark train")
    return own | dict(machine=machine, comparisons=list(comparisons))


# A busy machine doubles two of the times, ours and the peer's: the ratio of pairs stays 0.5.
PAIR = side("daseg", 1.0, 2.0, 1.0, peak=60.0, loss=0.25), side("peer", 2.0, 4.0, 2.0)


def test_ratios_are_those_of_runs_in_turn():
    assert ratio(comparison(*PAIR)) == (0.5, 0.5, 0.5)
    assert memory_ratio(comparison(*PAIR)) == 0.6
    uneven = comparison(side("daseg", 1.0, 2.0, 6.0), side("peer", 1.0, 1.0, 2.0))
    assert ratio(uneven) == (1.5, 2.0, 2.5)  # of 1, 2 and 3
    assert ratio(comparison(PAIR[0])) is None
    assert Spread.of([3.0]) == (3.0, 3.0, 3.0)


def test_memory_is_the_gpus_where_one_is_used():
    gpu, other = side("daseg", 1.0, peak=900.0), side("peer", 1.0, peak=100.0)
    gpu["memory_mib"]["cuda"], other["memory_mib"]["cuda"] = 30.0, 60.0
    assert memory_ratio(comparison(gpu, other)) == 0.5


def test_targets_are_met_or_not():
    assert verdicts(comparison(*PAIR)) == []
    assert verdicts(comparison(*PAIR, target=0.5, memory_target=0.5)) == [
        "0.5: met",
        "0.5 of the memory: not met",
    ]
    assert verdicts(comparison(PAIR[0], target=0.5)) == ["0.5 s: not met"]
    missing = comparison(PAIR[0], target=0.5, memory_target=0.5, not_measured="AdaptSegNet")
    assert verdicts(missing) == ["0.5 s: not measured", "0.5 of the memory: not measured"]


def test_the_text_has_figures_and_conditions():
    missing = comparison(side("daseg", 0.0021), not_measured="AdaptSegNet")
    shown = text(record(comparison(*PAIR, target=0.6), missing))
    assert "| a step | 1 s (1-1.5)      | peer " in shown
    assert "| 2 s (2-3) | 0.50 (0.50-0.50) | 60 / 100     | 0.6: met |" in shown
    assert "| 2.1 ms (2.1-2.1) | AdaptSegNet: not measured | -" in shown
    assert "a step, daseg: loss 0.25" in shown
    assert "A CPU (AVX2, without bf16 units), 2 cores, 1 threads, load 0.5 to 0.5" in shown


def test_a_page_keeps_what_is_not_tables(tmp_path):
    file, page = tmp_path / "a.json", tmp_path / "page.md"
    file.write_text(json.dumps(record(comparison(*PAIR))))
    write_page([str(file)], str(page))
    first = page.read_text()
    assert first.startswith(f"# Performance\n\n{BEGIN}\n\n### A step\n\n```sh\ndaseg benchmark")
    page.write_text(
        "# Fast\n\nmine\n\n" + first.removeprefix("# Performance\n\n") + "\nalso mine\n"
    )
    file.write_text(json.dumps(record(comparison(PAIR[1], PAIR[0]))))
    write_page([str(file), str(file)], str(page))
    again = page.read_text()
    assert again.startswith(f"# Fast\n\nmine\n\n{BEGIN}")
    assert again.endswith(f"{END}\n\nalso mine\n")
    assert again.count("| 2.00 (2.00-2.00) |") == 2
    assert "0.50" not in again


def test_what_is_no_record_or_page(tmp_path, capsys):
    file, page = tmp_path / "a.json", tmp_path / "page.md"
    with pytest.raises(DataError, match="give the JSON files"):
        write_page([], None)
    file.write_text('{"title": "x"}')
    with pytest.raises(DataError, match="cannot be read as the record of a benchmark"):
        write_page([str(file)], None)
    file.write_text(json.dumps(record(comparison(*PAIR))))
    page.write_text(f"{BEGIN}\n")
    with pytest.raises(DataError, match="has one of the marks"):
        write_page([str(file)], str(page))
    write_page([str(file)], None)
    assert capsys.readouterr().out.startswith("### A step\n")


def test_the_documentation_shows_the_records_beside_it(tmp_path):
    docs = Path(__file__).parents[2] / "docs"
    files = sorted(map(str, docs.glob("benchmarks/*.json")))
    assert len(files) > 8
    page = tmp_path / "performance.md"
    page.write_text((docs / "performance.md").read_text())
    write_page(files, str(page))
    assert page.read_text() == (docs / "performance.md").read_text()
