"""Normalisation layers: building and freezing them."""

from torch import Tensor, nn
from torch.nn import functional as F

from daseg.utils.errors import ConfigError

# Wu and He, "Group Normalization", ECCV 2018, have 32 groups of 2 to 64 channels. A pooled map of
# one pixel needs more than two channels per group: with two, little more than signs is left.
GROUPS = (32, 16, 8, 4, 2, 1)
MIN_CHANNELS = 8


class InstanceNorm(nn.InstanceNorm2d):
    """Instance norm without running statistics, computed as group norm with a channel a group.

    torch's own gives wrong gradients on a CPU for a single image whose incoming gradient is laid
    out channels last.

    Args:
        channels: Number of channels.
        affine: Whether a scale and a shift are learnt.
    """

    def __init__(self, channels: int, *, affine: bool = False) -> None:
        super().__init__(channels, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N,C,H,W) to the same shape."""
        return F.group_norm(x, self.num_features, self.weight, self.bias, self.eps)


class LayerNorm2d(nn.LayerNorm):
    """Layer norm over the channels of each place of a map.

    Args:
        channels: Number of channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N,C,h,w) to the same shape."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def make_norm(norm: str, channels: int) -> nn.Module:
    """Return a normalisation layer for maps of ``channels`` channels.

    Args:
        norm: ``"bn"`` batch norm; ``"gn"`` group norm, which depends neither on the batch nor on
            running statistics (32 groups, fewer where a group would have less than 8 channels);
            ``"in"`` instance norm with a learnt scale and shift.
        channels: Number of channels.

    Raises:
        ConfigError: ``norm`` is none of these.
    """
    if norm == "bn":
        return nn.BatchNorm2d(channels)
    if norm == "gn":
        fits = [g for g in GROUPS if channels % g == 0 and channels // g >= MIN_CHANNELS]
        return nn.GroupNorm(fits[0] if fits else 1, channels)
    if norm == "in":
        return InstanceNorm(channels, affine=True)
    raise ConfigError(f"norm={norm!r} is not known; choose 'bn', 'gn' or 'in'")


def is_norm(module: nn.Module) -> bool:
    """Whether ``module`` is a normalisation layer with a scale and a shift."""
    kinds = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)
    return isinstance(module, kinds)


def freeze_affine(module: nn.Module) -> None:
    """Freeze the scale and shift of every normalisation layer in ``module``."""
    for layer in filter(is_norm, module.modules()):
        for parameter in layer.parameters(recurse=False):
            parameter.requires_grad_(False)


def freeze_statistics(module: nn.Module) -> None:
    """Put every batch norm in ``module`` into eval mode: it uses its running statistics.

    To be called after each ``train()``, which undoes it.
    """
    for layer in module.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            layer.eval()
