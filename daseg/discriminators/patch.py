"""Discriminators of patches, or of single pixels, of a map."""

from torch import Tensor, nn
from torch.nn import functional as F

from daseg.ops.resize import size_of
from daseg.registry import DISCRIMINATORS
from daseg.utils.errors import ConfigError

SLOPE = 0.2  # of the leaky ReLU for negative values


@DISCRIMINATORS.register_module()
class FCDiscriminator(nn.Module):
    """Five convolutions of kernel 4 and stride 2: one logit for each patch of the map.

    Tsai et al., "Learning to Adapt Structured Output Space for Semantic Segmentation", CVPR 2018,
    section 4.1, after Radford et al., "DCGAN", ICLR 2016. No norm layers; the published weights
    have the same names.

    Args:
        in_channels: Channels of the map: the number of classes, or those of a feature map.
        channels: Channels after the first convolution; each further one doubles them.
    """

    def __init__(self, in_channels: int, *, channels: int = 64) -> None:
        super().__init__()
        c = channels
        self.conv1 = nn.Conv2d(in_channels, c, 4, stride=2, padding=1)
        self.conv2 = nn.Conv2d(c, 2 * c, 4, stride=2, padding=1)
        self.conv3 = nn.Conv2d(2 * c, 4 * c, 4, stride=2, padding=1)
        self.conv4 = nn.Conv2d(4 * c, 8 * c, 4, stride=2, padding=1)
        self.classifier = nn.Conv2d(8 * c, 1, 4, stride=2, padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        """Map (N,C,H,W) to logits (N,1,H//32,W//32).

        Raises:
            ConfigError: The map is less than 32 pixels high or wide.
        """
        height, width = size_of(maps)
        if min(height, width) < 32:
            raise ConfigError(
                f"FCDiscriminator halves its input five times and needs maps of at least 32x32 "
                f"pixels; this one is {height}x{width}. For small feature maps use "
                "dict(type='PixelDiscriminator') or a finer feature map (in_index); for whole "
                "predictions a larger image"
            )
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            maps = F.leaky_relu(conv(maps), SLOPE)
        return self.classifier(maps)


@DISCRIMINATORS.register_module()
class PixelDiscriminator(nn.Module):
    """Three 1x1 convolutions: one logit for each pixel, independent of its neighbours.

    Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017,
    section 4.4 ("PixelGAN"), without norm layers. It takes maps of any size, coarse feature
    maps included.

    Args:
        in_channels: Channels of the map.
        channels: Channels after the first convolution; the second doubles them.
    """

    def __init__(self, in_channels: int, *, channels: int = 64) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 1)
        self.conv2 = nn.Conv2d(channels, 2 * channels, 1)
        self.classifier = nn.Conv2d(2 * channels, 1, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Map (N,C,H,W) to logits (N,1,H,W)."""
        for conv in (self.conv1, self.conv2):
            maps = F.leaky_relu(conv(maps), SLOPE)
        return self.classifier(maps)
