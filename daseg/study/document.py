"""A report as a list of blocks, which know nothing of the format they will be written in."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

GOOD, BAD, OPEN, FAINT = "good", "bad", "open", "faint"


@dataclass(frozen=True)
class Cell:
    """A table's text that stands out: `GOOD`, `BAD`, `OPEN` or `FAINT`."""

    text: str
    tone: str


@dataclass(frozen=True)
class Heading:
    """A section's title."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Items:
    """A list."""

    texts: Sequence[str]


@dataclass(frozen=True)
class Table:
    """A table; the first column names its rows."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]


@dataclass(frozen=True)
class Picture:
    """A picture file, and what it shows."""

    path: Path
    text: str


@dataclass(frozen=True)
class Folded:
    """Lines as they are, behind a title.

    Attributes:
        title: It.
        lines: They.
        path: A file with the same content; None: there is none.
    """

    title: str
    lines: Sequence[str]
    path: Path | None = None


Block = Heading | Text | Items | Table | Picture | Folded


@dataclass
class Document:
    """A report.

    Attributes:
        title: It.
        blocks: All below the title.
    """

    title: str
    blocks: list[Block] = field(default_factory=list)


def text_of(cell: str | Cell) -> str:
    """The text of a cell."""
    return cell.text if isinstance(cell, Cell) else cell
