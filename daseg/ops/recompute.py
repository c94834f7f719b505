"""Activation checkpointing: less memory for a second forward pass."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from daseg.ops.freeze import same_statistics


def recomputed(block: nn.Module, *inputs: Any) -> Any:
    """Run a block that keeps nothing but its inputs; the backward pass runs it once more.

    Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016. Gradients are those of the
    plain call, bit for bit: random numbers are drawn again as they were, and batch norm's running
    statistics move in the first run alone.

    Args:
        block: Any module; its result depends on its inputs and parameters.
        inputs: What it is called with.
    """
    if not torch.is_grad_enabled():
        return block(*inputs)

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), same_statistics(block)

    return checkpoint(block, *inputs, use_reentrant=False, context_fn=contexts)
