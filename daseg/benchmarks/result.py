"""What a benchmark's record says: ratios of time and memory, which targets are met, a table."""

from collections.abc import Sequence
from statistics import median, quantiles
from typing import Any, NamedTuple

from prettytable import PrettyTable


class Spread(NamedTuple):
    """Median and quartiles."""

    low: float
    middle: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Those of some values; of one, this one."""
        if len(values) < 2:
            return cls(*(values[0],) * 3)
        low, _, high = quantiles(values, n=4, method="inclusive")
        return cls(low, median(values), high)


def ratio(comparison: dict[str, Any]) -> Spread | None:
    """Seconds of ours by those of the peer, run by run; None: there is no peer.

    Runs that follow each other meet the same load of the machine, so their ratio varies less than
    each of the two times.
    """
    if len(comparison["sides"]) < 2:
        return None
    ours, peer = (side["seconds"] for side in comparison["sides"])
    return Spread.of([a / b for a, b in zip(ours, peer, strict=True)])


def memory(side: dict[str, Any]) -> float:
    """Peak of a side in MiB: of the GPU where one was used, else of the whole process."""
    found = side["memory_mib"]
    return max(found.get("cuda", 0.0) or found["peak"], 0.0)


def memory_ratio(comparison: dict[str, Any]) -> float | None:
    """Peak memory of ours by the peer's; None: there is no peer."""
    if len(comparison["sides"]) < 2:
        return None
    ours, peer = map(memory, comparison["sides"])
    return ours / peer


def verdicts(comparison: dict[str, Any]) -> list[str]:
    """Each target, and whether it is met."""
    found = ratio(comparison)
    seconds = median(comparison["sides"][0]["seconds"])
    if comparison["not_measured"]:
        reached, held = None, None
    else:
        reached = seconds if found is None else found.middle
        held = memory_ratio(comparison)
    lines = []
    for target, value, what in (
        (comparison["target"], reached, " s" if found is None else ""),
        (comparison["memory_target"], held, " of the memory"),
    ):
        if target is not None:
            met = "not measured" if value is None else "met" if value <= target else "not met"
            lines.append(f"{target:g}{what}: {met}")
    return lines


def rows(record: dict[str, Any]) -> list[list[str]]:
    """The table of a record: its head, then a row for each comparison."""
    found = [["work", "daseg", "peer", "its time", "ratio", "memory (MiB)", "target"]]
    for comparison in record["comparisons"]:
        sides, ratios = comparison["sides"], ratio(comparison)
        times = []
        for seconds in (Spread.of(side["seconds"]) for side in sides):
            unit, scale = ("s", 1.0) if seconds.middle >= 1 else ("ms", 1000.0)
            low, middle, high = (scale * each for each in seconds)
            times.append(f"{middle:.3g} {unit} ({low:.3g}-{high:.3g})")
        if ratios is None:
            missing = comparison["not_measured"]
            other = [f"{missing}: not measured" if missing else "-", "-", "-"]
        else:
            between = f"{ratios.middle:.2f} ({ratios.low:.2f}-{ratios.high:.2f})"
            other = [sides[1]["name"], times[1], between]
        held = " / ".join(f"{memory(side):.0f}" for side in sides)
        targets = "; ".join(verdicts(comparison)) or "-"
        found.append([comparison["name"], times[0], *other, held, targets])
    return found


def conditions(record: dict[str, Any]) -> str:
    """What it was measured on, in a line."""
    machine = record["machine"]
    versions = ", ".join(f"{name} {found}" for name, found in machine["versions"].items())
    bf16 = "with" if machine["bf16_units"] else "without"
    loads = [c["load_before"][0] for c in record["comparisons"] if c["load_before"]]
    load = f"load {min(loads):.1f} to {max(loads):.1f}, " if loads else ""
    runs = sorted({len(side["seconds"]) for c in record["comparisons"] for side in c["sides"]})
    return (
        f"{machine['cpu']} ({machine['isa']}, {bf16} bf16 units), {machine['cores']} cores, "
        f"{machine['threads']} threads, {load}device {machine['device']}; "
        f"{'/'.join(map(str, runs))} runs of each side in turn; daseg {machine['daseg']}, "
        f"Python {machine['python']}, {versions}; {machine['date']}"
    )


def values(record: dict[str, Any]) -> list[str]:
    """What the runs returned, a line for each side that returned something."""
    return [
        f"{comparison['name']}, {side['name']}: "
        + ", ".join(f"{key} {value:.6g}" for key, value in side["values"].items())
        for comparison in record["comparisons"]
        for side in comparison["sides"]
        if side["values"]
    ]


def text(record: dict[str, Any]) -> str:
    """A record for the terminal: its table, what the runs returned, the conditions."""
    head, *body = rows(record)
    table = PrettyTable(head, align="l")
    table.add_rows(body)
    return "\n".join([table.get_string(), *values(record), conditions(record)])
