"""What a file of ``torch.save`` may hold: tensors of numbers and plain values, in containers."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

DEPTH = 50  # containers in each other; ours have 6
ITEMS = 10_000_000  # values in all, each counted as often as it is referred to
DIGITS = 1024  # bits of a whole number

CONTAINERS = (list, tuple, set, frozenset, Mapping)


def wrong_content(content: Any) -> str:
    """What is wrong with the content of a file, in words; "" where nothing is.

    A file that was made to do harm, or that is damaged, may nest containers without end, refer to
    one of them a billion times, or hold tensors that are no arrays of numbers in memory.
    """
    counted: dict[int, int] = {}  # items below each container that has been left
    # Depth first, without recursion: of each open container its id, items, place, what is to come.
    stack: list[tuple[int, list[int], str, Any]] = []
    open_ids: set[int] = set()
    todo = iter([("", content)])
    own = [0]
    stack.append((0, own, "", todo))
    while stack:
        ident, items, place, children = stack[-1]
        found = next(children, None)
        if found is None:
            stack.pop()
            open_ids.discard(ident)
            counted[ident] = items[0]
            if stack:
                stack[-1][1][0] += 1 + items[0]
                if stack[-1][1][0] > ITEMS:
                    return f"it holds more than {ITEMS} values"
            continue
        key, value = found
        where = f"{place}.{key}"[:200] if place else str(key)
        if not isinstance(value, CONTAINERS) or isinstance(value, torch.Size):
            items[0] += 1
            problem = wrong_leaf(value)
            if problem:
                return f"{where or 'it'} {problem}"
        elif id(value) in counted:
            items[0] += 1 + counted[id(value)]
        elif id(value) in open_ids:
            return f"{where} contains itself"
        elif len(stack) > DEPTH:
            return f"containers are nested more than {DEPTH} deep"
        else:
            open_ids.add(id(value))
            stack.append((id(value), [0], where, _children(value)))
        if items[0] > ITEMS:
            return f"it holds more than {ITEMS} values"
    return ""


def _children(value: Any) -> Any:
    if isinstance(value, Mapping):
        return (
            (key if isinstance(key, str) else type(key).__name__, child)
            for key, child in value.items()
        )
    return ((str(index), child) for index, child in enumerate(value))


def wrong_leaf(value: Any) -> str:
    """What is wrong with a value that is not a container, in words; "" where nothing is."""
    if isinstance(value, Tensor):
        return _wrong_tensor(value)
    if isinstance(value, int) and value.bit_length() > DIGITS:
        return f"is a whole number of {value.bit_length()} bits"
    return ""


def _wrong_tensor(value: Tensor) -> str:
    if type(value) not in (Tensor, nn.Parameter):
        return f"is a {type(value).__name__}, not an ordinary tensor"
    kind = next(
        (name for name in ("is_quantized", "is_nested", "is_meta") if getattr(value, name)), None
    )
    if kind or value.layout is not torch.strided or value.is_complex():
        what = kind.removeprefix("is_") if kind else f"{value.layout} {value.dtype}"
        return f"is a tensor of another kind ({what}), not an array of real numbers"
    stored = value.untyped_storage().nbytes()
    if value.numel() * value.element_size() > stored:
        return f"claims {value.numel()} values, but {stored} bytes are stored"
    return ""
