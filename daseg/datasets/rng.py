"""Augmentation that depends on a sample's place in the stream, and on nothing else."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch

from daseg.utils.seed import derive_seed


class Draws(NamedTuple):
    """The state of all generators that a transform may draw from."""

    python: Any
    numpy: Any
    torch: torch.Tensor

    @classmethod
    def now(cls) -> "Draws":
        """As they are."""
        return cls(random.getstate(), np.random.get_state(), torch.get_rng_state())

    def again(self) -> None:
        """Let the same numbers be drawn again."""
        random.setstate(self.python)
        np.random.set_state(self.numpy)
        torch.set_rng_state(self.torch)

    def same(self, other: "Draws") -> bool:
        """Whether nothing was drawn between the two."""
        numpy = zip(self.numpy, other.numpy, strict=True)
        return (
            self.python == other.python
            and all(np.array_equal(a, b) for a, b in numpy)
            and torch.equal(self.torch, other.torch)
        )


@contextmanager
def isolated_rng(*key: int) -> Iterator[None]:
    """Seed Python's, numpy's and torch's CPU generators from ``key``; put them back at the end.

    Inside, every random draw depends on the key alone: not on the number of loader workers, nor
    on what was drawn before. Outside, it is as if nothing had been drawn.
    """
    # Not torch.manual_seed: it seeds the accelerators too, whose state is not put back here.
    before = Draws.now()
    seed = derive_seed(*key)
    random.seed(seed)
    np.random.seed(seed)
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        before.again()
