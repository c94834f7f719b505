"""CycleGAN's discriminator of image patches."""

from torch import Tensor, nn

from daseg.ops.norm import InstanceNorm
from daseg.ops.resize import size_of
from daseg.registry import DISCRIMINATORS
from daseg.utils.errors import ConfigError

SLOPE = 0.2  # of the leaky ReLU for negative values


@DISCRIMINATORS.register_module()
class PatchGANDiscriminator(nn.Module):
    """Convolutions of kernel 4: one logit for each overlapping patch, of 70x70 pixels by default.

    Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017,
    section 2.2.2 and appendix 6.1.2, with instance norm as in Zhu et al. (CycleGAN), ICCV 2017,
    section 4. The published weights have the same names.

    Args:
        in_channels: Channels of the image or map.
        channels: Channels after the first convolution; each strided one doubles them, up to eight
            times as many.
        layers: Number of convolutions of stride 2; two of stride 1 follow.

    Raises:
        ConfigError: ``layers`` is less than 1.
    """

    def __init__(self, in_channels: int = 3, *, channels: int = 64, layers: int = 3) -> None:
        super().__init__()
        if layers < 1:
            raise ConfigError(f"PatchGANDiscriminator: layers={layers} is less than 1")
        widths = [channels * min(2**number, 8) for number in range(layers + 1)]
        parts: list[nn.Module] = [nn.Conv2d(in_channels, widths[0], 4, stride=2, padding=1)]
        parts.append(nn.LeakyReLU(SLOPE))
        for number in range(1, layers + 1):
            stride = 2 if number < layers else 1
            parts.append(nn.Conv2d(widths[number - 1], widths[number], 4, stride, padding=1))
            parts += [InstanceNorm(widths[number]), nn.LeakyReLU(SLOPE)]
        parts.append(nn.Conv2d(widths[-1], 1, 4, stride=1, padding=1))
        self.model = nn.Sequential(*parts)
        # The two convolutions of stride 1 each shrink the map by one pixel, and one has to be left.
        self.smallest = 3 * 2**layers
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weights from a normal distribution of deviation 0.02; biases are 0."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def forward(self, maps: Tensor) -> Tensor:
        """Map (N,C,H,W) to logits (N,1,H//8-2,W//8-2); 8 is 2 to the power of ``layers``.

        Raises:
            ConfigError: The map is smaller than 24x24 pixels, 3 times 2 to the power of ``layers``.
        """
        height, width = size_of(maps)
        if min(height, width) < self.smallest:
            raise ConfigError(
                f"PatchGANDiscriminator needs images of at least {self.smallest}x{self.smallest} "
                f"pixels; this one is {height}x{width}: take a larger crop, or fewer layers"
            )
        return self.model(maps)
