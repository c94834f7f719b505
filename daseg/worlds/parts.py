"""Make the parts of a config small, as a world's table says.

The table has an entry for a type of part, for a base class of it, or for its kind (a key of
`daseg.registry.KINDS`: "backbone", "loss", "hook"). An entry says by the name of an argument what
becomes of it. The nearest entry that names an argument holds: the type's before its base class's,
that before the kind's. An entry with a ``type`` puts another part in the place of this one; only
arguments listed in its ``keep`` stay, and the entries of base classes and kinds do not hold.

What becomes of an argument is a value that takes its place, or a rule: a dict with some of

- ``unit``: what it counts, one of `daseg.worlds.world.UNITS`, by which it is converted;
- ``factor``, ``at_most``: it is multiplied by this, and not more than that;
- ``default``: what it is where the config does not state it; without this, it stays unstated;
- ``offset``: what a number is more than what it counts;
- ``after``: an argument than which it is at least one more;
- ``if_given``: what takes the place of a value that is not None; where there is none, it is None;
- ``remove``: it is left out.
"""

import copy
from collections.abc import Mapping
from typing import Any

from daseg.config.look_up import find
from daseg.registry import KINDS, all_names, did_you_mean
from daseg.utils.errors import ConfigError
from daseg.utils.walk import walk
from daseg.worlds.world import UNITS, World

RULES = {"unit", "factor", "at_most", "default", "offset", "after", "if_given", "remove"}
Table = Mapping[str, Mapping[str, Any]]


def check_table(table: Table) -> None:
    """Refuse a table that names a part, kind or unit that there is not.

    Raises:
        ValueError: The table names an unknown part, kind or unit.
    """
    for name, entry in table.items():
        if name not in KINDS and find(name, None) is None:
            known = KINDS.keys() | set().union(*map(all_names, KINDS.values()))
            raise ValueError(
                f"parts.{name}: there is no part and no kind of part of this name"
                f"{did_you_mean(name, known)}"
            )
        if not isinstance(entry, Mapping):
            raise ValueError(f"parts.{name} is {entry!r}, not dict(argument=...)")
        for argument, rule in entry.items():
            if _is_rule(rule) and rule.get("unit", "area") not in UNITS:
                raise ValueError(
                    f"parts.{name}.{argument}: there is no unit {rule['unit']!r}"
                    f"{did_you_mean(str(rule['unit']), UNITS)} (units: {', '.join(UNITS)})"
                )


def _is_rule(value: Any) -> bool:
    return isinstance(value, Mapping) and bool(value) and value.keys() <= RULES


def shrink(node: Any, world: World, ratio: float | None, path: str = "") -> None:
    """Change every part at and below a node of a config, in place.

    Args:
        node: A config, or what is at a key of one.
        world: The world.
        ratio: See `World.convert`.
        path: The node's place, for messages.

    Raises:
        ConfigError: An argument has not an entry for each class.
    """
    for place, part in list(walk(node, path)):
        if not isinstance(part, dict):
            continue
        entry = _entry(part.get("type"), world.parts)
        changed = {} if "type" in entry else dict(part)
        changed |= {key: part[key] for key in entry.get("keep", ()) if key in part}
        for name, rule in entry.items():
            if name != "keep":
                try:
                    _apply(rule, name, part.get(name), changed, world, ratio)
                except ValueError as error:
                    raise ConfigError(f"{place}.{name} {error}") from error
        part.clear()
        part.update(changed)


def _entry(kind: Any, table: Table) -> dict[str, Any]:
    """The entry of a table for a type of part."""
    found = find(kind, None)
    classes = [each.__name__ for each in reversed(getattr(found, "__mro__", ()))]
    kinds = [name for name in table if name in KINDS and kind in all_names(KINDS[name])]
    entry: dict[str, Any] = {}
    for name in (*kinds, *classes):
        own = table.get(name, {})
        entry = {**own} if "type" in own or ("type" in entry and own) else {**entry, **own}
    return entry


def _apply(
    rule: Any, name: str, value: Any, part: dict[str, Any], world: World, ratio: float | None
) -> None:
    """Set an argument of a part by its rule; ``value`` is the config's, None for none."""
    if not _is_rule(rule):
        part[name] = copy.deepcopy(rule)
        return
    if rule.get("remove"):
        part.pop(name, None)
        return
    if "if_given" in rule:
        part[name] = None if value is None else rule["if_given"]
        return
    value = rule.get("default") if value is None else value
    if value is None:
        return
    offset = rule.get("offset", 0)
    if "unit" in rule:
        value = world.convert(value - offset if offset else value, rule["unit"], ratio)
    if "factor" in rule:
        value = type(value)(value * rule["factor"])
    if "at_most" in rule:
        value = min(value, rule["at_most"])
    if "after" in rule:
        value = max(value, part.get(rule["after"], 0) + 1)
    part[name] = value + offset if offset else value
