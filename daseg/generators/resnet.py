"""The generator of residual blocks that CycleGAN translates images with."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from daseg.ops.layers import ConvNormReLU
from daseg.ops.norm import InstanceNorm
from daseg.ops.resize import size_of
from daseg.registry import GENERATORS
from daseg.utils.errors import ConfigError

STRIDE = 4  # of the residual blocks' maps
LARGEST = 0.995  # images of -1..1 are scaled by this, since atanh(1) is infinite


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, with instance norm or none, and a shortcut; borders are reflected."""

    def __init__(self, channels: int, norm: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect")
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect")
        self.norm = InstanceNorm(channels) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (N,C,H,W) to the same shape."""
        return self.norm(self.conv2(torch.relu_(self.norm(self.conv1(x))))).add_(x)


@GENERATORS.register_module()
class ResNetGenerator(nn.Module):
    """Down to a quarter of the size, through residual blocks, and up again.

    Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks",
    ICCV 2017, section 4 and appendix 7.2, after Johnson et al., ECCV 2016. Instance norm sees one
    image at a time, so a batch of images is translated as each alone.

    Args:
        channels: Channels at full size; four times as many in the residual blocks.
        blocks: Number of residual blocks: 9 in the paper, 6 for images of 128x128 pixels.
        global_skip: Add the network's output to the image (as Kupyn et al., "DeblurGAN", CVPR 2018,
            section 3, but before the tanh: no pixel leaves -1..1, and none is clipped, which would
            have no gradient). Training starts near the identity, edges included. There is no
            instance norm then: it would give every image the same variance, and weak changes would
            end as bright spots.

    Raises:
        ConfigError: ``blocks`` is less than 1.
    """

    def __init__(self, *, channels: int = 64, blocks: int = 9, global_skip: bool = False) -> None:
        super().__init__()
        if blocks < 1:
            raise ConfigError(f"ResNetGenerator: blocks={blocks} is less than 1")
        c, norm = channels, not global_skip

        def block(conv: nn.Module, out_channels: int) -> ConvNormReLU:
            return ConvNormReLU(conv, InstanceNorm(out_channels) if norm else nn.Identity())

        self.stem = block(nn.Conv2d(3, c, 7, padding=3, padding_mode="reflect"), c)
        self.down = nn.Sequential(
            block(nn.Conv2d(c, 2 * c, 3, stride=2, padding=1), 2 * c),
            block(nn.Conv2d(2 * c, 4 * c, 3, stride=2, padding=1), 4 * c),
        )
        self.blocks = nn.Sequential(*(ResidualBlock(4 * c, norm) for _ in range(blocks)))
        self.up = nn.Sequential(block(_double(4 * c), 2 * c), block(_double(2 * c), c))
        self.last = nn.Conv2d(c, 3, 7, padding=3, padding_mode="reflect")
        self.global_skip = global_skip
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weights from a normal distribution of deviation 0.02; biases are 0.

        Without norm they keep the scale of their input (He et al., ICCV 2015), and residual
        blocks start at a tenth of it.
        """
        for name, module in self.named_modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)) and module.bias is not None:
                nn.init.normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
                if self.global_skip and name != "last":
                    nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if self.global_skip and name.endswith("conv2"):
                    module.weight.data.mul_(0.1)

    def forward(self, image: Tensor) -> Tensor:
        """Translate an image (N,3,H,W), -1..1, of any size from 5x5 pixels on, to the same.

        Raises:
            ConfigError: The image is less than 5 pixels high or wide.
        """
        height, width = size_of(image)
        if min(height, width) <= STRIDE:
            raise ConfigError(
                f"ResNetGenerator: the image is {height}x{width}, but at least "
                f"{STRIDE + 1}x{STRIDE + 1} pixels are needed"
            )
        x = F.pad(image, (0, -width % STRIDE, 0, -height % STRIDE), mode="reflect")
        x = self.up(self.blocks(self.down(self.stem(x))))
        made = self.last(x)[..., :height, :width]
        if self.global_skip:
            made = made + (LARGEST * image).atanh()
        return made.tanh()


def _double(channels: int) -> nn.ConvTranspose2d:
    """Double the size, halve the channels."""
    return nn.ConvTranspose2d(channels, channels // 2, 3, stride=2, padding=1, output_padding=1)
