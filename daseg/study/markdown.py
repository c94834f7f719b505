"""A report as a Markdown page, with its pictures and cards beside it."""

import re
from pathlib import Path
from urllib.parse import quote

from daseg.study.document import (
    Block,
    Document,
    Folded,
    Heading,
    Items,
    Picture,
    Table,
    Text,
    text_of,
)

# An underscore within a word means nothing to Markdown.
SPECIAL = re.compile(r"[\\`*\[\]<>|~#]|(?<!\w)_|_(?!\w)")


def to_markdown(document: Document, root: Path) -> str:
    """The text of a page that lies in ``root``."""
    blocks = [f"# {_plain(document.title)}", *(_block(each, root) for each in document.blocks)]
    return "\n\n".join(blocks) + "\n"


def _block(block: Block, root: Path) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {_plain(text)}"
        case Text(text):
            return _plain(text)
        case Items(texts):
            return "\n".join(f"- {_plain(text)}" for text in texts)
        case Table():
            return _table(block)
        case Picture(path, text):
            return f"![{_plain(text)}]({_link(path, root)})"
        case Folded(title, lines, path):
            if path is not None:
                return f"- [{_plain(title)}]({_link(path, root)})"
            fence = "`" * (1 + max(2, *map(_backticks, lines), 0))
            return "\n".join([f"{_plain(title)}:", "", f"{fence}sh", *lines, fence])


def _table(table: Table) -> str:
    lines = [table.columns, ["---"] * len(table.columns), *table.rows]
    return "\n".join(
        f"| {' | '.join(_plain(text_of(cell)) if n != 1 else text_of(cell) for cell in line)} |"
        for n, line in enumerate(lines)
    )


def _plain(text: str) -> str:
    """The text, with nothing in it that Markdown would take for its own, on one line."""
    return SPECIAL.sub(lambda match: "\\" + match[0], " ".join(text.split()))


def _link(path: Path, root: Path) -> str:
    return quote(path.relative_to(root).as_posix())


def _backticks(line: str) -> int:
    """The longest run of them."""
    return max((len(run) for run in re.findall(r"`+", line)), default=0)
