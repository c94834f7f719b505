"""Whether a value of a config has the type that a constructor's signature states."""

import inspect
import os
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from numbers import Number
from pathlib import Path
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from daseg.config.arguments import constructors, parameters_of

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


def fits(value: Any, annotation: Any) -> bool:
    """Whether a value matches a type annotation; where that cannot be decided, it does.

    A config writes tuples as lists too, paths as texts, and parts as dicts.
    """
    if annotation is None or annotation is type(None):
        return value is None
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return any(fits(value, one) for one in inner)
    if origin is Literal:
        return any(type(value) is type(one) and value == one for one in inner)
    if annotation in (int, float, Number):
        is_number = isinstance(value, int if annotation is int else (int, float))
        return is_number and not isinstance(value, bool) and value == value  # no NaN
    if annotation in (Path, os.PathLike) or origin is os.PathLike:
        return isinstance(value, (str, os.PathLike))
    if annotation in (bool, str):
        return isinstance(value, annotation)
    return _fits_container(value, origin or annotation, inner)


def _fits_container(value: Any, kind: Any, inner: tuple[Any, ...]) -> bool:
    if not inspect.isclass(kind):
        return True
    if issubclass(kind, tuple) and kind is not tuple and not hasattr(kind, "__class_getitem__"):
        return True
    if kind is tuple and inner and inner[-1] is not Ellipsis:
        return (
            isinstance(value, (list, tuple))
            and len(value) == len(inner)
            and all(map(fits, value, inner))
        )
    if kind in (list, tuple, set, frozenset, Sequence, Iterable, typing.Iterable):
        if not isinstance(value, (list, tuple, range, set, frozenset)):
            return False
        return not inner or all(fits(item, inner[0]) for item in value)
    if kind in (dict, Mapping):
        if not isinstance(value, Mapping):
            return False
        return not inner or all(fits(k, inner[0]) and fits(v, inner[1]) for k, v in value.items())
    if kind is Callable or kind in (object, type):
        return kind is not Callable or callable(value) or isinstance(value, Mapping)
    try:
        return isinstance(value, (kind, Mapping))
    except TypeError:  # isinstance cannot check protocols and the like
        return True


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
