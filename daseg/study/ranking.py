"""Ranks, where the protocol cards agree; where they do not, the words that say so."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from daseg.evaluation.protocol import ProtocolCard, compare
from daseg.study.collect import Row, Study
from daseg.study.measures import Spread

SHA256 = re.compile(r"sha256:([0-9a-f]{64})$")
FROM_ROW = "a checkpoint of the row "
LONGEST = 110  # characters of a value, for a reader


@dataclass
class Group:
    """Rows that were measured alike.

    Attributes:
        name: "A", "B", ...
        card: The conditions of all of them.
        rows: Best first.
    """

    name: str
    card: ProtocolCard
    rows: list[Row] = field(default_factory=list)


@dataclass
class Ranking:
    """What may be ranked, and why the rest may not.

    Attributes:
        groups: Of rows whose cards agree, in the order of the study.
        ranks: By row: "A1", "A2", ..., or "B, alone"; with "≈" where the distance to the row
            before it is within the spread, or the spread is not known.
        refused: By row: why it has no rank, though it has a number.
        cards: By row: the conditions that all its seeds share, of the rows in ``groups``.
        starts: By row: what its training started from.
    """

    groups: list[Group]
    ranks: dict[str, str]
    refused: dict[str, str]
    cards: dict[str, ProtocolCard]
    starts: dict[str, str]

    def separations(self) -> list[list[str]]:
        """For each field that separates groups: its name, and what each group has."""
        return [
            [name, *(shown(getattr(group.card, name)) for group in self.groups)]
            for name in compare([group.card for group in self.groups])
        ]

    def unlike(self, names: Iterable[str | None]) -> list[str]:
        """Fields in which these rows were not measured alike, as far as they have a card."""
        return compare([self.cards[name] for name in names if name in self.cards])


def rank(study: Study) -> Ranking:
    """Rank the rows within groups whose protocol cards agree.

    What training started from is a condition, too. Where that was a checkpoint of another row of
    the study, each seed's is another file; it counts as "a checkpoint of the row ...", so that the
    seeds agree, and rows that started from the same row do. Such rows have had that row's training
    before their own, and stay apart from those that have not.
    """
    made_by = _made_by(study)
    found = Ranking([], {}, {}, {}, {})
    for row in study.rows.values():
        cards = {seed: _resolved(card, made_by) for seed, card in row.cards.items()}
        said = dict.fromkeys(_start(card.initial_weights) for card in cards.values())
        found.starts[row.name] = "; ".join(said)
        if not cards or row.miou is None:
            continue
        unlike = compare(list(cards.values()))
        if unlike:
            found.refused[row.name] = "; ".join(_disagreement(name, cards) for name in unlike)
            continue
        found.cards[row.name] = next(iter(cards.values()))
        _place(found.groups, row, found.cards[row.name])
    for group in found.groups:
        group.rows.sort(key=lambda row: -_miou(row).mean)
        if len(group.rows) > 1:
            found.ranks |= _ranks(group)
        else:
            found.ranks[group.rows[0].name] = f"{group.name}, alone"
    return found


def shown(value: Any) -> str:
    """A card's value in few words."""
    if isinstance(value, Mapping):
        text = ", ".join(f"{key}={each}" for key, each in value.items()) or "none"
    elif isinstance(value, Sequence) and not isinstance(value, str):
        if value and isinstance(value[0], str):
            text = f"{len(value)}: {', '.join(value)}"
        else:
            text = ", ".join(f"{height}x{width}" for height, width in value) or "unknown"
    else:
        text = "unknown" if value is None else _start(str(value))
    return text if len(text) <= LONGEST else text[: LONGEST - 4] + " ..."


def _start(initial_weights: str | None) -> str:
    """Where training started from, with the start of the hash alone."""
    text = initial_weights or "unknown"
    return SHA256.sub(lambda match: f"sha256:{match[1][:16]}", text)


def _made_by(study: Study) -> dict[str, str]:
    """The row of each checkpoint that was tested, by its SHA-256."""
    tests = [(run.row, test) for run in study.runs for test in run.tests()]
    return {test.card.weights_sha256: row for row, test in tests}


def _resolved(card: ProtocolCard, made_by: Mapping[str, str]) -> ProtocolCard:
    match = SHA256.search(card.initial_weights or "")
    if match is None or match[1] not in made_by:
        return card
    return replace(card, initial_weights=FROM_ROW + made_by[match[1]])


def _disagreement(name: str, cards: Mapping[int, ProtocolCard]) -> str:
    """A field, and which seeds have which value: ``tta: none (seed 1), flip=True (seeds 2, 3)``."""
    seeds: dict[str, list[str]] = {}
    for seed, card in cards.items():
        seeds.setdefault(shown(getattr(card, name)), []).append(str(seed))
    parts = [
        f"{value} (seed{'s' if len(own) > 1 else ''} {', '.join(own)})"
        for value, own in seeds.items()
    ]
    return f"{name}: {', '.join(parts)}"


def _place(groups: list[Group], row: Row, card: ProtocolCard) -> None:
    for group in groups:
        if not compare([group.card, card]):
            group.rows.append(row)
            return
    groups.append(Group(_letter(len(groups)), card, [row]))


def _letter(index: int) -> str:
    """A, B, ..., Z, AA, AB, ..."""
    above, own = divmod(index, 26)
    return (_letter(above - 1) if above else "") + chr(ord("A") + own)


def _miou(row: Row) -> Spread:
    assert row.miou is not None  # a row without a number is in no group
    return row.miou


def _ranks(group: Group) -> dict[str, str]:
    found, before = {}, None
    for place, row in enumerate(group.rows, start=1):
        mark = " ≈" if before is not None and _close(_miou(before), _miou(row)) else ""
        found[row.name] = f"{group.name}{place}{mark}"
        before = row
    return found


def _close(first: Spread, second: Spread) -> bool:
    """Whether two means are within the larger of their spreads, or one of these is not known."""
    if first.std is None or second.std is None:
        return True
    return abs(first.mean - second.mean) < max(first.std, second.std)
