"""Normalisation layers: which one, and which part of it is frozen."""

import math

from torch import nn

from daseg.utils.errors import ConfigError

GROUPS = 32  # Wu and He, "Group Normalization", ECCV 2018, Table 3


def make_norm(norm: str, channels: int) -> nn.Module:
    """Return a normalisation layer for maps of ``channels`` channels.

    Args:
        norm: ``"bn"`` batch norm; ``"gn"`` group norm, which depends neither on the batch nor on
            running statistics (32 groups, or the largest divisor of 32 that fits); ``"in"``
            instance norm with a learnt scale and shift.
        channels: Number of channels.

    Raises:
        ConfigError: ``norm`` is none of these.
    """
    if norm == "bn":
        return nn.BatchNorm2d(channels)
    if norm == "gn":
        return nn.GroupNorm(math.gcd(GROUPS, channels), channels)
    if norm == "in":
        return nn.InstanceNorm2d(channels, affine=True)
    raise ConfigError(f"norm={norm!r} is not known; choose 'bn', 'gn' or 'in'")


def is_norm(module: nn.Module) -> bool:
    """Whether ``module`` is a normalisation layer with a scale and a shift."""
    kinds = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)
    return isinstance(module, kinds)


def freeze_affine(module: nn.Module) -> None:
    """Exclude the scale and shift of every norm layer inside ``module`` from training."""
    for layer in filter(is_norm, module.modules()):
        for parameter in layer.parameters(recurse=False):
            parameter.requires_grad_(False)


def freeze_statistics(module: nn.Module) -> None:
    """Put every batch norm inside ``module`` into eval mode.

    It then normalises by its running statistics and leaves them as they are. To be called after
    each ``train()``, which would undo it.
    """
    for layer in module.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            layer.eval()
