"""Discriminators of a map at several resolutions."""

from torch import Tensor, nn
from torch.nn import functional as F

from daseg.registry import DISCRIMINATORS
from daseg.utils.errors import ConfigError

SLOPE = 0.2  # of the leaky ReLU for negative values


class ConvBlock(nn.Module):
    """A 3x3 convolution, followed by a leaky ReLU where ``active``."""

    def __init__(
        self, in_channels: int, out_channels: int, *, stride: int = 1, active: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1)
        self.active = active

    def forward(self, x: Tensor) -> Tensor:
        """Map (N,C,H,W) to (N,C',H/stride,W/stride), rounded up."""
        x = self.conv(x)
        return F.leaky_relu(x, SLOPE) if self.active else x


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut; no ReLU after the sum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.model = nn.Sequential(
            ConvBlock(channels, channels), ConvBlock(channels, channels, active=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N,C,H,W) to the same shape."""
        return x + self.model(x)


@DISCRIMINATORS.register_module()
class MultiScaleDiscriminator(nn.Module):
    """One network, each with its own weights, for the map and each halved copy of it.

    Each has three convolutions of stride 2, then residual blocks. The idea comes from Wang et al.,
    "High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs", CVPR 2018,
    section 3.2; this network is that of Zheng and Yang, "Unsupervised Scene Adaptation with Memory
    Regularization in vivo", IJCAI 2020, whose published weights have the same names.

    Args:
        in_channels: Channels of the map: the number of classes, or those of a feature map.
        channels: Channels after the first convolution; twice as many after the last strided one.
        num_scales: Number of resolutions, each half of the previous one.
        num_blocks: Number of residual blocks.
    """

    def __init__(
        self, in_channels: int, *, channels: int = 32, num_scales: int = 3, num_blocks: int = 4
    ) -> None:
        super().__init__()
        if num_scales < 1:
            raise ConfigError(f"MultiScaleDiscriminator: num_scales={num_scales} is less than 1")
        self.cnns = nn.ModuleList(
            self._network(in_channels, channels, num_blocks) for _ in range(num_scales)
        )
        # Padding does not count, or the borders of every coarser map would be darker.
        self.halve = nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)
        self.reset_parameters()

    def _network(self, in_channels: int, channels: int, num_blocks: int) -> nn.Sequential:
        return nn.Sequential(
            ConvBlock(in_channels, channels, stride=2),
            ConvBlock(channels, channels),
            ConvBlock(channels, channels, stride=2),
            ConvBlock(channels, channels),
            ConvBlock(channels, 2 * channels, stride=2),
            *(ResidualBlock(2 * channels) for _ in range(num_blocks)),
            nn.Conv2d(2 * channels, 1, 1),
        )

    def reset_parameters(self) -> None:
        """Draw weights from a normal distribution of deviation 0.02; biases are 0."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def forward(self, maps: Tensor) -> tuple[Tensor, ...]:
        """Map (N,C,H,W) to logits (N,1,H/8,W/8), (N,1,H/16,W/16), ..., sizes rounded up."""
        logits = []
        for number, network in enumerate(self.cnns):
            maps = self.halve(maps) if number else maps
            logits.append(network(maps))
        return tuple(logits)
