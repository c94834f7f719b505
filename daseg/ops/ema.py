"""The moving average of a network's weights."""

from copy import deepcopy
from typing import Any

import torch
from mmengine.dist import broadcast, get_world_size
from torch import Tensor, nn

from daseg.utils.errors import ConfigError


class MovingAverage(nn.Module):
    """A copy of a network whose weights follow those of the network.

    Step t (from 0) moves them by ``max(momentum, 1 / (1 + t))`` of the distance: the first step
    copies the weights, the early ones average them evenly. Buffers are copied; with several
    processes those of the first one, or averages that are equal would predict differently.
    Nothing waits for the device.

    Args:
        network: What is copied.
        momentum: Share of the newest weights in the average, between 0 and 1.

    Attributes:
        module: The average, in eval mode, without gradients.
        steps: Number of updates made; in the checkpoint, and on the CPU.
    """

    steps: Tensor

    def __init__(self, network: nn.Module, momentum: float) -> None:
        super().__init__()
        if not 0 < momentum < 1:
            raise ConfigError(f"teacher_momentum is between 0 and 1, not {momentum}")
        self.module = deepcopy(network).eval().requires_grad_(False)
        self.momentum = momentum
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def _apply(self, fn: Any, recurse: bool = True) -> "MovingAverage":
        """Move everything but the number of steps, which the host reads in each."""
        steps = self.steps
        super()._apply(fn, recurse)
        self.steps = steps
        return self

    @torch.no_grad()
    def start_from(self, network: nn.Module) -> None:
        """Be ``network`` where no step has been made: it may have loaded weights after the copy.

        To be called before each step.
        """
        if self.steps == 0:
            for tensors in (nn.Module.parameters, nn.Module.buffers):
                for average, own in zip(tensors(self.module), tensors(network), strict=True):
                    average.copy_(own)

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move the average towards the weights of ``network``; take over its buffers."""
        momentum = max(self.momentum, 1 / (1 + int(self.steps)))
        average: list[Tensor] = [*self.module.parameters()]
        own: list[Tensor] = [*network.parameters()]
        torch._foreach_lerp_(average, own, momentum)
        for kept, buffer in zip(self.module.buffers(), network.buffers(), strict=True):
            kept.copy_(buffer)
        self._share_buffers()
        self.steps += 1

    def _share_buffers(self) -> None:
        """Take over the first process's buffers, all at once."""
        if get_world_size() == 1:
            return
        buffers = [b for b in self.module.buffers() if b.is_floating_point()]
        together = torch.cat([buffer.flatten().double() for buffer in buffers])
        broadcast(together)
        for buffer, own in zip(buffers, together.split([b.numel() for b in buffers]), strict=True):
            buffer.copy_(own.view_as(buffer))
