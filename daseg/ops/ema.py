"""The moving average of a network's weights."""

from copy import deepcopy
from typing import Any, Literal, get_args

import torch
from mmengine.dist import broadcast, get_world_size
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from daseg.utils.errors import ConfigError

Start = Literal["trained", "initial"]
Statistics = Literal["running", "batch"]
Buffers = Literal["network", "average", "own"]


class HostCounter(nn.Module):
    """A module that counts its steps in a buffer on the CPU: reading it waits for no device."""

    counter: str  # the buffer's name

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        count = self.get_buffer(self.counter)
        super()._apply(fn, recurse)
        setattr(self, self.counter, count)
        return self


class MovingAverage(HostCounter):
    """A copy of a network whose weights follow those of the network.

    Step t (from 0) moves them by ``max(momentum, 1 / (1 + t))`` of the distance: the first step
    copies the weights, the early ones average them evenly. With several processes its buffers are
    those of the first one, or averages that are equal would predict differently. Nothing waits for
    the device.

    Args:
        network: What is copied.
        momentum: Share of the newest weights in the average, between 0 and 1.
        start: What the average begins with: "trained", the weights after the first step, as in
            DACS; or "initial", those before it, so that step t moves by 1 / (2 + t) at least, as in
            DAFormer, HRDA, MIC and VFM-UDA.
        statistics: What batch norm normalises by in training: "running" statistics, or those of
            the "batch", as in all of these. In evaluation it is the former.
        buffers: Where running statistics come from: the "network"'s are copied; "average", they
            are averaged as weights are; "own", what the average has seen itself, which needs
            ``statistics="batch"``: so the public codes of DAFormer, HRDA and MIC.

    Attributes:
        module: The average, without gradients; in eval mode, but for batch norm with the
            statistics of the batch.
        steps: Number of updates made; in the checkpoint, and on the CPU.
    """

    counter = "steps"
    steps: Tensor

    def __init__(
        self,
        network: nn.Module,
        momentum: float,
        *,
        start: Start = "trained",
        statistics: Statistics = "running",
        buffers: Buffers = "network",
    ) -> None:
        super().__init__()
        if not 0 < momentum < 1:
            raise ConfigError(f"teacher_momentum is between 0 and 1, not {momentum}")
        for name, value, known in (
            ("start", start, get_args(Start)),
            ("statistics", statistics, get_args(Statistics)),
            ("buffers", buffers, get_args(Buffers)),
        ):
            if value not in known:
                allowed = ", ".join(map(repr, known))
                raise ConfigError(f"teacher_{name} is one of {allowed}, not {value!r}")
        if buffers == "own" and statistics == "running":
            raise ConfigError(
                "teacher_buffers='own' are statistics of the batches that the teacher sees, which "
                "it takes in with teacher_statistics='batch' alone"
            )
        self.module = deepcopy(network).eval().requires_grad_(False)
        self.momentum = momentum
        self.start, self.statistics, self.buffers_of = start, statistics, buffers
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def train(self, mode: bool = True) -> "MovingAverage":
        """Set eval mode; in training batch norm alone has the mode of ``statistics``."""
        super().train(mode and self.statistics == "batch")  # where statistics are not frozen
        for layer in self.modules():
            layer.training = layer.training and isinstance(layer, _BatchNorm)
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
        """Move the average towards the weights of ``network``."""
        before = int(self.steps) + (self.start == "initial")
        momentum = max(self.momentum, 1 / (1 + before))
        average: list[Tensor] = [*self.module.parameters()]
        own: list[Tensor] = [*network.parameters()]
        torch._foreach_lerp_(average, own, momentum)
        if self.buffers_of != "own":
            for kept, buffer in zip(self.module.buffers(), network.buffers(), strict=True):
                if self.buffers_of == "average" and kept.is_floating_point():
                    kept.lerp_(buffer, momentum)
                else:
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
