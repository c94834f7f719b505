"""Contexts in which parts of a network stay as they are."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def frozen(networks: Iterable[nn.Module]) -> Iterator[None]:
    """Freeze the parameters of networks; gradients still flow through to their input."""
    parameters = [p for network in networks for p in network.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


@contextmanager
def same_statistics(network: nn.Module, when: bool = True) -> Iterator[None]:
    """Keep batch norm's running statistics as they are; it still normalises by the batch's."""
    layers = [m for m in network.modules() if when and isinstance(m, _BatchNorm)]
    tracked = [layer.track_running_stats for layer in layers]
    for layer in layers:
        layer.track_running_stats = False
    try:
        yield
    finally:
        for layer, tracks in zip(layers, tracked, strict=True):
            layer.track_running_stats = tracks
