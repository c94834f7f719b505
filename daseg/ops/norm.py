"""Normalisation layers: which one, and which part of it is frozen."""

from torch import Tensor, nn
from torch.nn import functional as F

from daseg.utils.errors import ConfigError

# Wu and He, "Group Normalization", ECCV 2018: 32 groups, of 2 to 64 channels in their networks. A
# pooled map of one pixel needs more than two to a group: less, and hardly anything but signs is
# left of it.
GROUPS = (32, 16, 8, 4, 2, 1)
MIN_CHANNELS = 8


class InstanceNorm(nn.InstanceNorm2d):
    """Instance norm without running statistics, computed as group norm with a channel a group.

    torch's own gives wrong gradients on a CPU for a single image, where the gradient that comes
    back is laid out channels last.

    Args:
        channels: Number of channels.
        affine: Whether a scale and a shift are learnt.
    """

    def __init__(self, channels: int, *, affine: bool = False) -> None:
        super().__init__(channels, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N,C,H,W) to the same shape."""
        return F.group_norm(x, self.num_features, self.weight, self.bias, self.eps)


def make_norm(norm: str, channels: int) -> nn.Module:
    """Return a normalisation layer for maps of ``channels`` channels.

    Args:
        norm: ``"bn"`` batch norm; ``"gn"`` group norm, which depends neither on the batch nor on
            running statistics (32 groups, fewer where they would be of less than 8 channels);
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
