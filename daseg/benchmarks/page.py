"""The tables of a page of documentation, written from the records of benchmarks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from daseg.benchmarks.growth import curves, plot_growth
from daseg.benchmarks.result import conditions, rows, values
from daseg.utils.errors import DataError
from daseg.utils.files import atomic_write_text
from daseg.utils.json_files import read_json

BEGIN, END = "<!-- tables of `daseg benchmark report` -->", "<!-- end of the tables -->"
GROWTH = "images/growth.png"  # beside the page
SHAPE = dict(title=str, command=str, machine=dict, comparisons=list)


def write_page(files: Sequence[str], out: str | None) -> None:
    """Write the tables of records into a page, or print them.

    The rest of the page stays: the tables are between two marks, which are appended where they are
    missing. The picture of the benchmark `scale` is drawn beside it.

    Args:
        files: JSON files of benchmarks; their order is that of the tables.
        out: The page; None prints.

    Raises:
        DataError: A file is no record, or the page has only one of the marks.
    """
    if not files:
        raise DataError("daseg benchmark report: give the JSON files that --out of others wrote")
    records = [read_json(Path(f), "the record of a benchmark", SHAPE) for f in files]
    tables = "\n\n".join(map(section, records))
    if out is None:
        return print(tables)
    page = Path(out).read_text(encoding="utf-8") if Path(out).exists() else "# Performance\n"
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if bool(begin) != bool(end):
        raise DataError(f"{out}: has one of the marks {BEGIN!r} and {END!r}, but not the other")
    for record in filter(curves, records):
        (Path(out).parent / GROWTH).parent.mkdir(exist_ok=True)
        plot_growth(record, Path(out).parent / GROWTH)
    atomic_write_text(out, f"{before.rstrip()}\n\n{BEGIN}\n\n{tables}\n\n{END}{after or chr(10)}")


def section(record: dict[str, Any]) -> str:
    """A record: the command, its table, what the runs returned, the conditions."""
    head, *body = rows(record)
    table = [_row(head), "|" + "---|" * len(head), *map(_row, body)]
    lines = [f"### {record['title']}", "", "```sh", record["command"], "```", "", *table, ""]
    found = values(record)
    lines += [*[f"- {line}" for line in found], ""] if found else []
    lines += [f"![how a step's time and memory grow]({GROWTH})", ""] if curves(record) else []
    return "\n".join([*lines, f"{conditions(record)}."])


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
