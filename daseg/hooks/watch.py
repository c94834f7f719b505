"""The state of the observatory between two reports, and its warnings."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from daseg.utils.errors import CheckpointError
from daseg.weights.form import Each, wrong_form

NUMBER = (float, int)
FORM = dict(
    sums=Each(NUMBER),
    counts=Each(int),
    labelled=[int],
    predicted=[int],
    runs=Each([int]),
    vanished=[str],
)
ACCURACY = re.compile(r"disc_acc_(source|target)(.*)")
# A discriminator has won where both its accuracies are above the first, and lost where their mean
# is not above the second: a coin gets 0.5.
WON, LOST = 0.99, 0.52
# A class has vanished where the source's labels have more than the first share of it, and the
# target's predictions less than the second.
LABELLED, GONE = 1e-3, 1e-5


@dataclass
class Watch:
    """Sums and counts, which a checkpoint stores as text.

    Args:
        sums: Of each value since the last report.
        counts: Number of summands of each.
        labelled: Pixels of each class in the source's labels since the last report.
        predicted: Pixels of each class in the target's predictions since the last report.
        runs: By discriminator, for how many iterations in a row it has won, and lost.
        vanished: The classes that had vanished at the last report.
    """

    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    labelled: list[int] = field(default_factory=list)
    predicted: list[int] = field(default_factory=list)
    runs: dict[str, list[int]] = field(default_factory=dict)
    vanished: list[str] = field(default_factory=list)

    def to_text(self) -> str:
        """Everything as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> "Watch":
        """Undo `to_text`.

        Raises:
            CheckpointError: The text is another.
        """
        try:
            found = json.loads(text)
            problem = wrong_form(found, FORM, "observatory")
            if not problem:
                return cls(**found)
        except (ValueError, TypeError, RecursionError) as error:
            problem = f"observatory cannot be read: {error}"
        raise CheckpointError(f"the message_hub of the checkpoint cannot be used: {problem}")

    def add(self, values: Mapping[str, float], iteration: int, patience: int) -> list[str]:
        """Add the values of an iteration; return the warnings that they cause.

        Args:
            values: ``source_entropy``, ``target_entropy``, ``disc_acc_source``, ... in 0..1.
            iteration: Its number, from 1 on.
            patience: Number of iterations in a row after which a discriminator has won or lost.
        """
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
            self.counts[name] = self.counts.get(name, 0) + 1
        return [
            alarm
            for name in values
            if (match := ACCURACY.fullmatch(name)) and match[1] == "source"
            for alarm in self._judge(match[2], values, iteration, patience)
        ]

    def _judge(
        self, suffix: str, values: Mapping[str, float], iteration: int, patience: int
    ) -> list[str]:
        source, target = (values[f"disc_acc_{domain}{suffix}"] for domain in ("source", "target"))
        states = (min(source, target) > WON, (source + target) / 2 <= LOST)
        runs = self.runs.setdefault(suffix, [0, 0])
        runs[:] = [run + 1 if state else 0 for run, state in zip(runs, states, strict=True)]
        who = f"iteration {iteration}: the discriminator{suffix and f' {suffix[1:]!r}'}"
        alarms = (
            f"{who} has won: for {patience} iterations it has classified more than {WON:.0%} of "
            "both domains correctly. The segmentor learns little from it: lower its learning rate, "
            "or raise the weight of its loss",
            f"{who} has lost: for {patience} iterations it has been right in no more than "
            f"{LOST:.0%}, about as often as by chance. If the domains still look different, it is "
            "too weak: raise its learning rate, or lower the weight of its loss",
        )
        return [alarm for alarm, run in zip(alarms, runs, strict=True) if run == patience]

    def add_pixels(self, labelled: Sequence[int], predicted: Sequence[int]) -> None:
        """Add the pixels of each class in the source's labels and the target's predictions."""
        self.labelled = _sum(self.labelled, labelled)
        self.predicted = _sum(self.predicted, predicted)

    def report(
        self, classes: Sequence[str], iteration: int, patience: int
    ) -> tuple[dict[str, float], list[str]]:
        """End the interval: its means and shares, and the warnings that they cause.

        Args:
            classes: Names of the classes.
            iteration: The last one of the window.
            patience: Before this iteration no class is missed: it may not have been learnt yet.

        Returns:
            The mean of each value and ``predicted_share/<class>``, all in 0..1; the warnings.
        """
        values = {name: total / self.counts[name] for name, total in self.sums.items()}
        predicted = _shares(self.predicted)
        for name, share in zip(classes, predicted, strict=bool(predicted)):
            values[f"predicted_share/{name}"] = share
        alarms = self._missing(classes, predicted, iteration) if iteration >= patience else []
        self.sums, self.counts, self.labelled, self.predicted = {}, {}, [], []
        return values, alarms

    def _missing(
        self, classes: Sequence[str], predicted: Sequence[float], iteration: int
    ) -> list[str]:
        rows = list(zip(classes, _shares(self.labelled), predicted, strict=False))
        if not rows:
            return []
        gone = {name: has for name, has, seen in rows if has > LABELLED and seen < GONE}
        new = [f"{name} ({gone[name]:.1%})" for name in gone if name not in self.vanished]
        self.vanished = list(gone)
        if not new:
            return []
        return [
            f"iteration {iteration}: gone from the target's predictions, though the source's "
            f"labels have it: {', '.join(new)}"
        ]


def _sum(total: Sequence[int], more: Sequence[int]) -> list[int]:
    return [a + b for a, b in zip(total or [0] * len(more), more, strict=True)]


def _shares(counts: Sequence[int]) -> list[float]:
    """Each class's share of the pixels; nothing where there are none."""
    total = sum(counts)
    return [count / total for count in counts] if total else []
