"""The moving average of a network's weights."""

import torch
from mmengine.model import MomentumAnnealingEMA
from torch import nn


class MovingAverage(MomentumAnnealingEMA):
    """mmengine's average with annealed momentum, without waiting for the device.

    Step t (from 0) counts ``max(momentum, gamma / (gamma + t))``: the first copies the weights, the
    early ones average them evenly. mmengine's own asks the device for t at every parameter, so
    that a GPU stands still some hundred times a step. Buffers are those of the network.
    """

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Move the average towards the weights of ``model``; take over its buffers."""
        momentum = (self.gamma / (self.gamma + self.steps)).clamp(min=self.momentum)
        for average, own in zip(self.module.parameters(), model.parameters(), strict=True):
            average.lerp_(own.to(average.device), momentum.to(average))
        for kept, buffer in zip(self.module.buffers(), model.buffers(), strict=True):
            kept.copy_(buffer)
        self.steps += 1
