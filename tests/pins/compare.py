"""Compare two records of ``record.py``.

    python tests/pins/compare.py OLD.json NEW.json
    python tests/pins/compare.py OLD.json NEW.json --only dacs test --rtol 1e-6

Prints a line for each group of values: ``equal`` (bit for bit), or the largest relative difference
and where it is. Exit status 1 where one is larger than ``--rtol``, where a value is missing, or a
command failed. Values that only the new record has are told, and no error.
"""

import argparse
import json
import math
import re
import sys
from pathlib import Path
from typing import Any

Group = dict[str, Any]
# Names that were changed on purpose: (pattern, replacement), for names in the old record.
RENAMED: list[tuple[str, str]] = []


def renamed(name: str) -> str:
    """The name that a value of the old record has in the new one."""
    for pattern, replacement in RENAMED:
        name = re.sub(pattern, replacement, name)
    return name


def difference(old: Any, new: Any) -> float:
    """Relative difference of two numbers or tensors; infinite where it cannot be told."""
    if old == new:
        return 0.0
    if isinstance(old, list) and isinstance(new, list):  # [digest, norm, product] of a tensor
        if len(old) != len(new):
            return math.inf
        scale = max(abs(old[1]), abs(new[1]))
        largest = max(abs(a - b) for a, b in zip(old[1:], new[1:], strict=True))
        # Other bits, though no difference that norm and product show.
        return max(largest / scale, 1e-16) if scale else math.inf
    if isinstance(old, (int, float)) and isinstance(new, (int, float)):
        if math.isnan(old) or math.isnan(new):
            return 0.0 if math.isnan(old) and math.isnan(new) else math.inf
        return abs(old - new) / max(abs(old), abs(new))
    return math.inf


def compare_groups(old: Group, new: Group) -> tuple[float, str]:
    """The largest difference, and a sentence about it."""
    old = {renamed(name): value for name, value in old.items()}
    missing, more = sorted(old.keys() - new.keys()), sorted(new.keys() - old.keys())
    worst, place, unequal = 0.0, "", 0
    for name in old.keys() & new.keys():
        distance = difference(old[name], new[name])
        unequal += distance > 0
        if distance > worst:
            worst, place = distance, name
    text = "equal" if not unequal else f"{worst:.2g} at {place!r} ({unequal} of {len(old)} differ)"
    if unequal and sorted(map(repr, old.values())) == sorted(map(repr, new.values())):
        text += "; the same values in another order"
    if more:
        text += f"; only new: {shown(more)}"
    if missing:
        worst, text = math.inf, f"{text}; missing: {shown(missing)}"
        values = {repr(new[name]): name for name in more}
        moved = {name: values[repr(old[name])] for name in missing if repr(old[name]) in values}
        if moved:
            text += "; the same value under another name: "
            text += shown([f"{a} -> {b}" for a, b in moved.items()])
    return worst, text


def shown(names: list[str]) -> str:
    """The first of some names."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def compare(
    old: dict[str, Any], new: dict[str, Any], names: list[str], rtol: float, only: str | None
) -> list[str]:
    """Print all comparisons, or those of one group; return the names of the entries that differ."""
    different = []
    for name in names:
        if name not in new or "failed" in new[name]:
            reason = new[name]["failed"].strip().splitlines()[-1] if name in new else "not recorded"
            print(f"{name}: FAILED: {reason}")
            different.append(name)
            continue
        for group in [*old[name], *(new[name].keys() - old[name].keys())]:
            if only not in (None, group):
                continue
            worst, text = compare_groups(old[name].get(group, {}), new[name].get(group, {}))
            mark = "" if worst <= rtol else "DIFFERENT: "
            print(f"{name}, {group}: {mark}{text}")
            if mark and name not in different:
                different.append(name)
    return different


def main() -> None:
    """Read the arguments, compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these entries")
    parser.add_argument("--group", help="only this group of values, such as losses")
    parser.add_argument("--rtol", type=float, default=0.0, help="tolerance (default 0: equal bits)")
    args = parser.parse_args()
    old, new = (json.loads(path.read_text()) for path in (args.old, args.new))
    if old["machine"] != new["machine"]:
        print(f"the machines differ: {old['machine']} and {new['machine']}")
    both = [name for name in old["entries"] if name in new["entries"]]
    names = args.only or both
    different = compare(old["entries"], new["entries"], names, args.rtol, args.group)
    print(f"{len(names) - len(different)} of {len(names)} entries are equal within {args.rtol:g}")
    if different:
        print("different:", *different)
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
