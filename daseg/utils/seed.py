"""Random numbers that depend on a place in the training, not on what ran before."""

import random

import numpy as np
import torch


def derive_seed(*key: int) -> int:
    """A 32-bit seed from a few non-negative integers, well mixed: (1, 2) and (2, 1) differ."""
    return int(np.random.SeedSequence(key).generate_state(1)[0])


def seed_everything(*key: int) -> None:
    """Seed Python's, numpy's and torch's global generators, on every device, from a key."""
    seed = derive_seed(*key)
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
