"""What objectives return: named scalars; those with ``loss`` in their name are minimised."""

from collections.abc import Iterable

import torch
from torch import Tensor

from daseg.utils.errors import ConfigError

Losses = dict[str, Tensor]


def merge(parts: Iterable[Losses]) -> Losses:
    """The terms of several objectives together.

    Raises:
        ConfigError: Two have a term of the same name.
    """
    merged: Losses = {}
    for losses in parts:
        twice = merged.keys() & losses.keys()
        if twice:
            raise ConfigError(f"two objectives have a loss of the same name: {sorted(twice)}")
        merged |= losses
    return merged


def total(losses: Losses, share: float) -> Tensor:
    """The sum of what is minimised, times ``share``; the rest is for the log.

    Raises:
        ConfigError: Nothing is minimised.
    """
    terms = [loss for name, loss in losses.items() if "loss" in name]
    if not terms:
        raise ConfigError("no objective has a loss on this domain: nothing to train")
    return torch.stack(terms).sum() * share


def add(log: Losses, losses: Losses, share: float) -> None:
    """Add the terms, times ``share``, to those of the log, detached."""
    for name, loss in losses.items():
        log[name] = log.get(name, 0.0) + loss.detach() * share
