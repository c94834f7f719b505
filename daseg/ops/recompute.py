"""Activation checkpointing: less memory for a second forward pass."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


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
        return nullcontext(), _statistics_that_stay(block)

    return checkpoint(block, *inputs, use_reentrant=False, context_fn=contexts)


@contextmanager
def _statistics_that_stay(block: nn.Module) -> Iterator[None]:
    """Let batch norm keep the tensors that it keeps in training, and move nothing.

    Without running statistics, as in `same_statistics`, it would keep fewer, which is refused.
    """
    layers = [m for m in block.modules() if isinstance(m, _BatchNorm)]
    settings = [(layer.momentum, layer.num_batches_tracked) for layer in layers]
    for layer in layers:
        layer.momentum, layer.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for layer, (momentum, tracked) in zip(layers, settings, strict=True):
            layer.momentum, layer.num_batches_tracked = momentum, tracked
