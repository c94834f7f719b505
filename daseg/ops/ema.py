"""The moving average of a network's weights."""

from typing import Any

import torch
from mmengine.dist import broadcast, get_world_size
from mmengine.model import MomentumAnnealingEMA
from torch import nn


class MovingAverage(MomentumAnnealingEMA):
    """mmengine's average with annealed momentum, without waiting for the device.

    Step t (from 0) counts ``max(momentum, gamma / (gamma + t))``: the first copies the weights, the
    early ones average them evenly. mmengine's own asks the device for t at every parameter, so
    that a GPU stands still some hundred times a step. Buffers are those of the network; of several
    processes, those of the first one's, or averages that are equal would predict differently.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.started = False

    @torch.no_grad()
    def start_from(self, model: nn.Module) -> None:
        """Be ``model`` where no step has been made: it may have loaded weights after the copy.

        To be called before each step; the device is asked once.
        """
        if not self.started and int(self.steps) == 0:
            for name in ("parameters", "buffers"):
                pairs = zip(getattr(self.module, name)(), getattr(model, name)(), strict=True)
                for average, own in pairs:
                    average.copy_(own)
        self.started = True

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Move the average towards the weights of ``model``; take over its buffers."""
        momentum = (self.gamma / (self.gamma + self.steps)).clamp(min=self.momentum)
        for average, own in zip(self.module.parameters(), model.parameters(), strict=True):
            average.lerp_(own.to(average.device), momentum.to(average))
        for kept, buffer in zip(self.module.buffers(), model.buffers(), strict=True):
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
