"""Small modules that heads and generators are built from."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from daseg.ops.norm import make_norm
from daseg.utils.errors import ConfigError


class ConvNormReLU(nn.Module):
    """A convolution, or a transposed one, a normalisation of its maps, ReLU."""

    def __init__(self, conv: nn.Module, norm: nn.Module) -> None:
        super().__init__()
        self.conv, self.norm = conv, norm

    def forward(self, x: Tensor) -> Tensor:
        """Map (N,C,H,W) to what the convolution makes of its size."""
        return torch.relu_(self.norm(self.conv(x)))  # in place: nobody else has the norm's output


def conv_norm_relu(
    in_channels: int,
    out_channels: int,
    kernel_size: int = 1,
    *,
    dilation: int = 1,
    groups: int = 1,
    norm: str = "bn",
) -> ConvNormReLU:
    """Convolution without bias, normalisation, ReLU; the size of the map stays.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: 1 or 3.
        dilation: Spacing of the kernel's taps.
        groups: Number of groups of channels that are convolved separately.
        norm: See `make_norm`.
    """
    conv = nn.Conv2d(
        in_channels,
        out_channels,
        kernel_size,
        padding=dilation * (kernel_size // 2),
        dilation=dilation,
        groups=groups,
        bias=False,
    )
    made = ConvNormReLU(conv, make_norm(norm, out_channels))
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    return made


class SeparableConv(nn.Module):
    """A 3x3 convolution of each channel, then a 1x1 across them; norm and ReLU after each.

    Chollet, "Xception", CVPR 2017; with dilation: Chen et al., DeepLab v3+, ECCV 2018, section 3.1.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        dilation: Spacing of the 3x3 kernel's taps.
        norm: See `make_norm`.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, dilation: int = 1, norm: str = "bn"
    ) -> None:
        super().__init__()
        self.depthwise = conv_norm_relu(
            in_channels, in_channels, 3, dilation=dilation, groups=in_channels, norm=norm
        )
        self.pointwise = conv_norm_relu(in_channels, out_channels, 1, norm=norm)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, h, w) to (N, out_channels, h, w)."""
        return self.pointwise(self.depthwise(x))


def conv3x3(
    in_channels: int, out_channels: int, *, dilation: int, separable: bool, norm: str
) -> nn.Module:
    """A 3x3 convolution with norm and ReLU, separable or plain."""
    if separable:
        return SeparableConv(in_channels, out_channels, dilation=dilation, norm=norm)
    return conv_norm_relu(in_channels, out_channels, 3, dilation=dilation, norm=norm)


def classifier(in_channels: int, num_classes: int) -> nn.Conv2d:
    """The last 1x1 convolution: weights from N(0, 0.01), for nearly uniform first predictions."""
    conv = nn.Conv2d(in_channels, num_classes, 1)
    nn.init.normal_(conv.weight, std=0.01)
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
    return conv


def channels_at(in_channels: Sequence[int], index: int | Sequence[int]) -> int:
    """Number of channels of the feature map at ``index``, or of several maps, concatenated.

    Raises:
        ConfigError: The backbone has no such map.
    """
    indices = [index] if isinstance(index, int) else list(index)
    for i in indices:
        if not -len(in_channels) <= i < len(in_channels):
            raise ConfigError(
                f"the head asks for feature map {i}, but the backbone has {len(in_channels)} "
                f"(channels {tuple(in_channels)})"
            )
    return sum(in_channels[i] for i in indices)


def features_at(features: Sequence[Tensor], index: int | Sequence[int]) -> Tensor:
    """The feature map at ``index``, or several of one size, concatenated in that order."""
    if isinstance(index, int):
        return features[index]
    sizes = {tuple(features[i].shape[2:]) for i in index}
    if len(sizes) > 1:
        raise ConfigError(
            f"feature maps {tuple(index)} differ in size {sorted(sizes)} and cannot be "
            "concatenated; choose a smaller output stride of the backbone"
        )
    return torch.cat([features[i] for i in index], dim=1)
