"""Augmentation that depends on a sample's place in the stream, and on nothing else."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from daseg.utils.seed import derive_seed


@contextmanager
def isolated_rng(*key: int) -> Iterator[None]:
    """Seed Python's, numpy's and torch's CPU generators from ``key``; put them back at the end.

    Inside, every random draw depends on the key alone: not on the number of loader workers, nor
    on what was drawn before. Outside, it is as if nothing had been drawn.
    """
    # Not torch.manual_seed: it seeds the accelerators too, whose state is not put back here.
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    seed = derive_seed(*key)
    random.seed(seed)
    np.random.seed(seed)
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
