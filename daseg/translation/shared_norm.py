"""Norms over an image's pixels that share mean and variance between its tiles.

Instance norm is group norm with a group for each channel; both are meant by "norm" here.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

Crop = Callable[[int, int], tuple[slice, slice]]  # of a map (height, width): what is counted


Norm = nn.InstanceNorm2d | nn.GroupNorm


class Counted(Exception):
    """A run of the network ended at the first place whose statistics are not known yet."""


class SharedNorms:
    """All norms of a network, while they share their statistics.

    What a norm is given is right only where all norms before it know the statistics of the whole
    image. So they are learnt one after the other: `begin` a run for each tile, which ends with
    `Counted` at the first norm that does not know them; then `learn`; until a run goes through.
    """

    def __init__(self, layers: list[Norm]) -> None:
        self._norms = [_SharedNorm(layer) for layer in layers]
        for layer, norm in zip(layers, self._norms, strict=True):
            layer.forward = norm  # type: ignore[assignment]  # hides the method of the class

    def begin(self, crop: Crop) -> None:
        """Before each run of the network: which part of the maps is to be counted."""
        for norm in self._norms:
            norm.crop, norm.calls = crop, 0

    def learn(self) -> None:
        """Take over what was counted in the runs since the last time."""
        for norm in self._norms:
            if norm.counted:
                norm.learn()


@contextmanager
def shared_norms(network: nn.Module) -> Iterator[SharedNorms]:
    """Let the norms of a network share their statistics between runs, for a while."""
    layers = [m for m in network.modules() if isinstance(m, Norm)]
    # One that uses its running statistics is the same for every tile already.
    layers = [m for m in layers if m.training or not getattr(m, "track_running_stats", False)]
    try:
        yield SharedNorms(layers)
    finally:
        for layer in layers:
            del layer.forward


class _SharedNorm:
    """Stands in for the ``forward`` of a norm, which may be run several times a pass."""

    crop: Crop

    def __init__(self, layer: Norm) -> None:
        self.layer = layer
        self.groups = layer.num_groups if isinstance(layer, nn.GroupNorm) else layer.num_features
        self.calls = 0
        self.known: list[tuple[Tensor, Tensor]] = []  # mean and variance, (N,G), of each call
        self.counted: list[tuple[int, Tensor, Tensor]] = []

    def __call__(self, maps: Tensor) -> Tensor:
        """Normalise (N,C,h,w) by the known statistics of this call.

        Raises:
            Counted: They are not known; the maps are counted.
        """
        if self.calls == len(self.known):
            rows, columns = self.crop(maps.shape[-2], maps.shape[-1])
            self._count(maps[..., rows, columns])
            raise Counted
        mean, variance = self.known[self.calls]
        self.calls += 1
        scale = (variance + self.layer.eps).rsqrt()
        shift = -mean * scale
        result = maps.float() * self._per_channel(scale, maps) + self._per_channel(shift, maps)
        if self.layer.weight is not None:
            result = result * self.layer.weight[:, None, None] + self.layer.bias[:, None, None]
        return result.to(maps.dtype)

    def _per_channel(self, values: Tensor, maps: Tensor) -> Tensor:
        """Values (N,G) as (N,C,1,1) beside the maps."""
        repeated = values.repeat_interleave(maps.shape[1] // self.groups, 1)
        return repeated[..., None, None].to(maps.device, torch.float32)

    def _count(self, maps: Tensor) -> None:
        grouped = maps.float().unflatten(1, (self.groups, -1))
        variance, mean = torch.var_mean(grouped, (2, 3, 4), correction=0)
        pixels = maps.shape[-2] * maps.shape[-1]
        # To the CPU: some devices have no float64.
        self.counted.append((pixels, mean.cpu().double(), variance.cpu().double()))

    def learn(self) -> None:
        """Merge what was counted of the tiles: mean of the means, and the variance around it."""
        counts = torch.tensor([count for count, _, _ in self.counted], dtype=torch.float64)
        share = (counts / counts.sum())[:, None, None]
        means = torch.stack([mean for _, mean, _ in self.counted])
        variances = torch.stack([variance for _, _, variance in self.counted])
        mean = (share * means).sum(0)
        variance = (share * (variances + (means - mean) ** 2)).sum(0)
        self.known.append((mean, variance))
        self.counted = []
