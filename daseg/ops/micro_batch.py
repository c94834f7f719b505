"""What a mean over a batch needs to know where the batch goes through a network in parts."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from torch import Tensor


class _Part(NamedTuple):
    label: Tensor
    whole: Tensor
    share: float


_current: ContextVar[_Part | None] = ContextVar("micro_batch", default=None)


@contextmanager
def part_of(label: Tensor | None, whole: Tensor | None, share: float) -> Iterator[None]:
    """Declare that ``label`` (n,H,W) is a part of the labels ``whole`` (N,H,W) of a batch.

    Args:
        label: The labels of the part.
        whole: Those of the batch that it is a part of.
        share: n / N, the factor that every loss of the part is multiplied by.
    """
    part = None if label is None or whole is None else _Part(label, whole, share)
    token = _current.set(part)
    try:
        yield
    finally:
        _current.reset(token)


def whole_label(label: Tensor) -> tuple[Tensor, float]:
    """The labels of the whole batch that ``label`` is a part of, and the part's share of it.

    A loss that divides by the number of labelled pixels has to divide by that of the whole batch,
    or parts with few of them would count too much. What it returns is multiplied by the share
    afterwards, so it divides by the share too.

    Returns:
        ``label`` itself and 1.0 where it is no part of a larger batch.
    """
    part = _current.get()
    return (part.whole, part.share) if part is not None and part.label is label else (label, 1.0)
