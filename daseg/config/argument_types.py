"""Whether a value of a config has the type that a constructor's signature states."""

import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from numbers import Number
from pathlib import Path
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from daseg.config.arguments import constructors, parameters_of
from daseg.utils.annotations import fits

SINGLE = {
    int: "a whole number",
    float: "a number",
    Number: "a number",
    bool: "True or False",
    str: "text",
    Path: "a path",
    type(None): "None",
}


class Stated(NamedTuple):
    """The type and the default of an argument, from a signature.

    Attributes:
        type: Its annotation; `typing.Any` where there is none that can be read.
        default: Its default; `inspect.Parameter.empty` without.
    """

    type: Any
    default: Any


@cache
def types_of(part: Any) -> Mapping[str, Stated]:
    """The types and defaults of the keyword arguments of a class or function."""
    stated: dict[str, Stated] = {}
    for constructor in constructors(part):
        hints = _hints(constructor)
        parameters = parameters_of(constructor)
        for parameter in parameters:
            annotation = hints.get(parameter.name, Any)
            stated.setdefault(parameter.name, Stated(annotation, parameter.default))
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return stated


def _hints(constructor: Any) -> dict[str, Any]:
    with suppress(Exception):  # some names exist for a type checker alone
        return typing.get_type_hints(constructor)
    hints: dict[str, Any] = {}
    for name, annotation in getattr(constructor, "__annotations__", {}).items():
        one = types.SimpleNamespace(__annotations__={name: annotation})
        with suppress(Exception):
            hints |= typing.get_type_hints(one, getattr(constructor, "__globals__", {}))
    return hints


def wrong_types(values: Mapping[str, Any], part: Any) -> Iterator[tuple[str, str]]:
    """Arguments of a part whose value has the wrong type: the name of each, and the reason."""
    stated = types_of(part)
    for name, value in values.items():
        if name not in stated:
            continue
        annotation, default = stated[name]
        if value is None and default is None:  # annotations often leave out None
            continue
        if not fits(value, annotation):
            yield name, f"has to be {describe(annotation)}, not {value!r}"


def describe(annotation: Any) -> str:
    """A type in words: ``(a whole number, a whole number) or None``."""
    if annotation is None:
        annotation = type(None)
    if annotation in SINGLE:
        return SINGLE[annotation]
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(describe(one) for one in inner))
    if origin is Literal:
        return " or ".join(map(repr, inner))
    if origin is tuple and inner and inner[-1] is not Ellipsis:
        return f"({', '.join(describe(one) for one in inner)})"
    kind = origin or annotation
    if kind in (list, tuple, set, frozenset, Sequence, Iterable):
        of = f", each {describe(inner[0])}" if inner and inner[0] is not Any else ""
        return f"a list{of}"
    if kind in (dict, Mapping):
        of = f" from {describe(inner[0])} to {describe(inner[1])}" if inner else ""
        return f"a dict{of}"
    return getattr(annotation, "__name__", str(annotation)).replace("typing.", "")
