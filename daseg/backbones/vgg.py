"""VGG-16 (Simonyan and Zisserman, ICLR 2015) with dilated last layers for segmentation."""

from pathlib import Path

from torch import Tensor, nn

from daseg.backbones.base import Backbone
from daseg.backbones.weights import (
    InitialWeights,
    load_torchvision_weights,
    load_weights,
    read_state_dict,
)
from daseg.registry import BACKBONES

# Channels of the 3x3 convolutions of the five stages.
STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
FC_CHANNELS = 1024
# torchvision's numbers of the convolutions, in our order: it has pooling behind each stage.
TORCHVISION = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)


@BACKBONES.register_module()
class VGG16(Backbone):
    """VGG-16 of output stride 8: no pooling behind the last two stages, dilation instead.

    "DeepLab-LargeFOV", Chen et al., "Semantic Image Segmentation with Deep Convolutional Nets and
    Fully Connected CRFs", ICLR 2015, as AdaptSegNet (Tsai et al., CVPR 2018) has it: the fifth
    stage is dilated by 2; the classifier's first two layers are 3x3 convolutions of 1024 channels,
    dilated by 4. There are no norm layers. The published network is this one with
    ``DeepLabV2Head(branches=2)``, and its weights have the same names.

    Args:
        weights: None for random ones; a name of torchvision's (``"IMAGENET1K_V1"``; ``"imagenet"``
            means that one); or the path of a file, torchvision's or a network's around this one.
            A file of torchvision's has the 13 convolutions of the stages; the two behind them
            start at random, as in the published training.
        frozen: Nothing of it is trained.

    Attributes:
        out_channels: Channels of the feature maps: of stages 3 (stride 4), 4 and 5, and of the
            last layer (stride 8).
        strides: Their strides.
        initial_weights: Where the weights came from, or None.

    Raises:
        CheckpointError: The weights cannot be had, or do not fit.
    """

    out_channels = (256, 512, 512, FC_CHANNELS)
    strides = (4, 8, 8, 8)
    output_stride = 8

    def __init__(self, *, weights: str | None = None, frozen: bool = False) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        ends, channels = [], 3
        for number, widths in enumerate(STAGES):
            dilation = 2 if number == 4 else 1
            for width in widths:
                layers += conv_relu(channels, width, dilation)
                channels = width
            ends.append(len(layers) - 1)
            if number < 3:
                layers.append(nn.MaxPool2d(2))
        layers += conv_relu(channels, FC_CHANNELS, 4) + conv_relu(FC_CHANNELS, FC_CHANNELS, 4)
        self.features = nn.Sequential(*layers)
        self.taps = (*ends[2:], len(layers) - 1)  # the layers whose outputs are feature maps
        self.reset_parameters()
        self.initial_weights = self.load(weights)
        self.freeze(frozen=frozen)

    def reset_parameters(self) -> None:
        """Draw convolutions from He's normal distribution over the outgoing connections."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(module.bias)

    def load(self, weights: str | None) -> InitialWeights | None:
        """Load weights; see the class's argument."""
        if weights is None:
            return None
        if weights == "imagenet" or weights.startswith("IMAGENET"):
            return load_torchvision_weights(self.under_torchvision_names(), "vgg16", weights)
        if is_torchvision(weights):
            return load_weights(self.under_torchvision_names(), weights)
        return load_weights(self, weights)

    def under_torchvision_names(self) -> nn.Module:
        """The convolutions of the stages under the names that torchvision gives them."""
        convs = [layer for layer in self.features if isinstance(layer, nn.Conv2d)]
        named = {str(n): conv for n, conv in zip(TORCHVISION, convs, strict=False)}
        return nn.ModuleDict({"features": nn.ModuleDict(named)})

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Map normalised images (N,3,H,W) to the feature maps, fine to coarse."""
        x, features = image, []
        for number, layer in enumerate(self.features):
            x = layer(x)
            if number in self.taps:
                features.append(x)
        return tuple(features)


def conv_relu(in_channels: int, out_channels: int, dilation: int) -> list[nn.Module]:
    """A 3x3 convolution that keeps the size, and a rectifier."""
    conv = nn.Conv2d(in_channels, out_channels, 3, padding=dilation, dilation=dilation)
    return [conv, nn.ReLU()]


def is_torchvision(path: str) -> bool:
    """Whether a file numbers the convolutions as torchvision does: 24, where we have a rectifier.

    A file that does not exist is not; loading it says so.
    """
    return Path(path).is_file() and any(
        key.endswith(f"features.{TORCHVISION[10]}.weight") for key in read_state_dict(path)
    )
