"""Rank rows whose protocol cards agree, and explain why others have no rank."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from daseg.evaluation.protocol import ProtocolCard, compare
from daseg.study.definition import Row, Study
from daseg.weights.files import sha256_file

SHA256 = re.compile(r"sha256:([0-9a-f]{64})$")
LONGEST = 110  # characters of a value, for a reader


@dataclass
class Group:
    """Rows that were measured alike.

    Attributes:
        name: "A", "B", ...
        card: The conditions of all of them.
        rows: The rows, best first.
    """

    name: str
    card: ProtocolCard
    rows: list[Row]


@dataclass
class Ranking:
    """What may be ranked, and why the rest may not.

    Attributes:
        groups: Groups of rows whose cards agree, in the order of the study.
        ranks: By row: "A1", "A2", ..., or "B, alone"; with "≈" where the distance to the row
            before it is within the spread, or the spread is not known.
        refused: By row: why it has no rank, though it has a number.
        cards: By row: the conditions that all its seeds share, of the rows in ``groups``.
        starts: By row: what its training started from.
    """

    groups: list[Group] = field(default_factory=list)
    ranks: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    cards: dict[str, ProtocolCard] = field(default_factory=dict)
    starts: dict[str, str] = field(default_factory=dict)

    def separations(self) -> list[list[str]]:
        """Each field that differs between groups: its name, and the value of each group."""
        return [
            [name, *(_shown(name, group.card) for group in self.groups)]
            for name in compare([group.card for group in self.groups])
        ]

    def unlike(self, names: Iterable[str | None]) -> str:
        """Fields in which these rows were not measured alike, as far as they have a card."""
        return ", ".join(compare([self.cards[name] for name in names if name in self.cards]))


def rank(study: Study) -> Ranking:
    """Rank the rows within groups whose protocol cards agree.

    What training started from is a condition, too. Where that was a checkpoint of another row or
    step of the study, each seed's is another file; it counts as "a checkpoint of the row ...", so
    that the seeds agree, and rows that started from the same row do. Such rows have had that row's
    training before their own, and stay apart from those that have not.
    """
    made_by = _steps_checkpoints(study) | {
        test.card.weights_sha256: f"a checkpoint of the row {run.row}"
        for run in study.runs
        for test in run.tests()
    }
    ranking = Ranking()
    for row in study.rows.values():
        cards = {seed: _named_start(card, made_by) for seed, card in row.cards.items()}
        starts = dict.fromkeys(_start(card.initial_weights) for card in cards.values())
        ranking.starts[row.name] = "; ".join(starts)
        if row.miou is None:
            continue
        unlike = compare(list(cards.values()))
        if unlike:
            ranking.refused[row.name] = "; ".join(_disagreement(name, cards) for name in unlike)
            continue
        card = ranking.cards[row.name] = next(iter(cards.values()))
        same = [group for group in ranking.groups if not compare([group.card, card])]
        if same:
            same[0].rows.append(row)
        else:
            ranking.groups.append(Group(_letter(len(ranking.groups)), card, [row]))
    for group in ranking.groups:
        group.rows.sort(key=lambda row: row.miou.mean if row.miou else 0, reverse=True)
        ranking.ranks |= _ranks(group)
    return ranking


def _shown(name: str, card: ProtocolCard) -> str:
    """A card's value in few words."""
    value: Any = getattr(card, name)
    if name == "network" and value is None:
        return "the only one"
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


def _steps_checkpoints(study: Study) -> dict[str | None, str]:
    """By hash, the checkpoints of the steps that runs were made of."""
    needed = {
        place: run.path.parents[2] / place
        for run in study.runs
        for place in run.record.get("settings", {}).get("needs", {})
        if place.startswith("steps/")
    }
    return {
        sha256_file(path): f"a checkpoint of the step {place.split('/')[1]}"
        for place, folder in needed.items()
        for path in sorted(folder.glob("iter_*.pth"))
    }


def _named_start(card: ProtocolCard, made_by: Mapping[str | None, str]) -> ProtocolCard:
    """The card, which names the row or step that made the weights that training started from."""
    match = SHA256.search(card.initial_weights or "")
    if match is None or match[1] not in made_by:
        return card
    return replace(card, initial_weights=made_by[match[1]])


def _disagreement(name: str, cards: Mapping[int, ProtocolCard]) -> str:
    """A field, and which seeds have which value: ``tta: none (seed 1), flip=True (seeds 2, 3)``."""
    seeds: dict[str, list[str]] = {}
    for seed, card in cards.items():
        seeds.setdefault(_shown(name, card), []).append(str(seed))
    parts = [
        f"{value} (seed{'s' if len(own) > 1 else ''} {', '.join(own)})"
        for value, own in seeds.items()
    ]
    return f"{name}: {', '.join(parts)}"


def _letter(index: int) -> str:
    """A, B, ..., Z, AA, AB, ..."""
    above, own = divmod(index, 26)
    return (_letter(above - 1) if above else "") + chr(ord("A") + own)


def _ranks(group: Group) -> dict[str, str]:
    if len(group.rows) == 1:
        return {group.rows[0].name: f"{group.name}, alone"}
    ranks = {row.name: f"{group.name}{place}" for place, row in enumerate(group.rows, start=1)}
    for before, row in pairwise(group.rows):
        if _is_close(before, row):
            ranks[row.name] += " ≈"
    return ranks


def _is_close(first: Row, second: Row) -> bool:
    """Whether two means are within the larger of their spreads, or one of these is not known."""
    a, b = first.miou, second.miou
    if a is None or b is None or a.std is None or b.std is None:
        return True
    return abs(a.mean - b.mean) < max(a.std, b.std)
