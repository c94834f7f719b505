"""Whether a value matches a type annotation."""

import inspect
import os
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Number
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin


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
