"""ResNet (He et al., "Deep Residual Learning", CVPR 2016) with dilated stages for segmentation.

There are two styles of the network, with the same weight names and shapes but different outputs:
torchvision's, and that of the original Caffe release, which DeepLab-v2 and the domain adaptation
papers built on it (AdaptSegNet, ...) use.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from daseg.backbones.base import Backbone
from daseg.backbones.weights import InitialWeights, load_torchvision_weights, load_weights
from daseg.ops.norm import make_norm
from daseg.ops.recompute import recomputed
from daseg.registry import BACKBONES
from daseg.utils.errors import ConfigError

STAGE_CHANNELS = (64, 128, 256, 512)
STYLES = ("torchvision", "caffe")
# Output stride -> (stride, dilation) of the four stages.
STAGES = {
    32: ((1, 1), (2, 1), (2, 1), (2, 1)),
    16: ((1, 1), (2, 1), (2, 1), (1, 2)),
    8: ((1, 1), (2, 1), (1, 2), (1, 4)),
}


def conv3x3(in_channels: int, out_channels: int, stride: int, dilation: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, stride, dilation, dilation, bias=False)


def conv1x1(in_channels: int, out_channels: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)


class Block(nn.Module):
    """What both residual blocks share: the shortcut, with a 1x1 where the shape changes.

    Args:
        in_channels: Channels of the input.
        channels: Channels inside; the output has ``channels * expansion``.
        stride: 1 or 2.
        dilation_before: Dilation of the stage before, at which the input map is sampled.
        dilation: Dilation of this block's stage.
        style: "torchvision" or "caffe".
        norm: See `make_norm`.
    """

    expansion = 1

    def __init__(
        self,
        in_channels: int,
        channels: int,
        *,
        stride: int,
        dilation_before: int,
        dilation: int,
        style: str,
        norm: str,
    ) -> None:
        super().__init__()
        self.add_convs(in_channels, channels, stride, (dilation_before, dilation), style)
        out_channels = channels * self.expansion
        self.bn1 = make_norm(norm, channels)
        self.bn2 = make_norm(norm, channels)
        if self.expansion > 1:
            self.bn3 = make_norm(norm, out_channels)
        self.downsample: nn.Module | None = None
        if stride > 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                conv1x1(in_channels, out_channels, stride), make_norm(norm, out_channels)
            )

    def add_convs(
        self, in_channels: int, channels: int, stride: int, dilations: tuple[int, int], style: str
    ) -> None:
        raise NotImplementedError

    def residual(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, channels * expansion, H / stride, W / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        # In place: the norm layer needs its output no more, and the sum is a new map in any case.
        return F.relu_(self.residual(x).add_(shortcut))


class BasicBlock(Block):
    """Two 3x3 convolutions (ResNet-18 and 34); the first has the stride, in either style."""

    def add_convs(
        self, in_channels: int, channels: int, stride: int, dilations: tuple[int, int], style: str
    ) -> None:
        self.conv1 = conv3x3(in_channels, channels, stride, dilations[0])
        self.conv2 = conv3x3(channels, channels, 1, dilations[1])

    def residual(self, x: Tensor) -> Tensor:
        x = F.relu_(self.bn1(self.conv1(x)))
        return self.bn2(self.conv2(x))


class Bottleneck(Block):
    """1x1, 3x3, 1x1 convolutions; torchvision strides in the 3x3, Caffe in the first 1x1."""

    expansion = 4

    def add_convs(
        self, in_channels: int, channels: int, stride: int, dilations: tuple[int, int], style: str
    ) -> None:
        first, second = (stride, 1) if style == "caffe" else (1, stride)
        # Behind the stride the map is sampled at the stage's own dilation.
        dilation = dilations[1] if style == "caffe" else dilations[0]
        self.conv1 = conv1x1(in_channels, channels, first)
        self.conv2 = conv3x3(channels, channels, second, dilation)
        self.conv3 = conv1x1(channels, channels * self.expansion, 1)

    def residual(self, x: Tensor) -> Tensor:
        x = F.relu_(self.bn1(self.conv1(x)))
        x = F.relu_(self.bn2(self.conv2(x)))
        return self.bn3(self.conv3(x))


BLOCKS: dict[int, tuple[type[Block], tuple[int, int, int, int]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
}


@BACKBONES.register_module()
class ResNet(Backbone):
    """ResNet-18/34/50/101 without its classifier; weight names are torchvision's.

    A smaller output stride is reached by atrous convolution (Chen et al., DeepLab, TPAMI 2018,
    section 3.1): strides of the last stages become dilations of the convolutions behind them, so
    that the dense maps hold the values of the coarse ones at every second or fourth place.

    AdaptSegNet and its successors train ``ResNet(101, style='caffe', output_stride=8,
    frozen_affine=True)`` in batches of one image: the affine parameters of batch norm are frozen,
    its statistics are **not**: source and target images both update them.

    Args:
        depth: 18, 34, 50 or 101.
        style: ``"torchvision"``: bottlenecks stride in their 3x3 convolution, max-pooling rounds
            sizes down. ``"caffe"``: they stride in their first 1x1, max-pooling rounds up (an
            image of 720x1280 gives 91x161 at output stride 8, not 90x160).
        output_stride: 32, 16 (last stage dilated by 2) or 8 (last two dilated by 2 and 4).
        deep_stem: Three 3x3 convolutions in the place of the 7x7 one (He et al., "Bag of Tricks for
            Image Classification", CVPR 2019, ResNet-C), as DAFormer's and HRDA's ResNet-101; their
            weights are read from a file.
        norm: ``"bn"``, or ``"gn"`` to depend neither on the batch nor on statistics.
        frozen_affine: Scale and shift of the norm layers are not trained.
        update_stats: In training, batch norm normalises by the batch and updates its running
            statistics. If False it stays in eval mode and leaves them alone.
        frozen: Nothing of it is trained, and it is always in eval mode.
        checkpointing: Keep the input of each block alone for the backward pass, which runs the
            block again: less memory, a third more time, the same gradients. See `recomputed`.
        weights: None for random ones; a name of torchvision's (``"IMAGENET1K_V1"``,
            ``"IMAGENET1K_V2"``; ``"imagenet"`` means the first); or the path of a file.

    Attributes:
        out_channels: Channels of the four feature maps.
        strides: Their strides: 4, 8, 16, 32, none above ``output_stride``.
        initial_weights: Where the weights came from, or None.

    Raises:
        ConfigError: An argument has none of the values above.
        CheckpointError: The weights cannot be had, or do not fit.
    """

    def __init__(
        self,
        depth: int = 101,
        *,
        style: str = "torchvision",
        output_stride: int = 32,
        deep_stem: bool = False,
        norm: str = "bn",
        frozen_affine: bool = False,
        update_stats: bool = True,
        frozen: bool = False,
        checkpointing: bool = False,
        weights: str | None = None,
    ) -> None:
        super().__init__()
        check_arguments(depth, style, output_stride, norm, update_stats)
        self.style, self.output_stride, self.deep_stem = style, output_stride, deep_stem
        self.checkpointing = checkpointing
        if deep_stem:
            self.stem = nn.Sequential()
            for inside, outside, stride in ((3, 32, 2), (32, 32, 1), (32, 64, 1)):
                self.stem.append(conv3x3(inside, outside, stride, 1))
                self.stem.extend([make_norm(norm, outside), nn.ReLU()])
        else:
            self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
            self.bn1 = make_norm(norm, 64)
        self.maxpool = nn.MaxPool2d(3, 2, 1, ceil_mode=style == "caffe")
        block, counts = BLOCKS[depth]
        in_channels, dilation_before = 64, 1
        for index, (channels, count) in enumerate(zip(STAGE_CHANNELS, counts, strict=True)):
            stride, dilation = STAGES[output_stride][index]
            stage = nn.Sequential()
            for _ in range(count):
                stage.append(
                    block(
                        in_channels,
                        channels,
                        stride=stride,
                        dilation_before=dilation_before,
                        dilation=dilation,
                        style=style,
                        norm=norm,
                    )
                )
                in_channels, stride, dilation_before = channels * block.expansion, 1, dilation
            self.add_module(f"layer{index + 1}", stage)
        self.out_channels = tuple(channels * block.expansion for channels in STAGE_CHANNELS)
        self.strides = tuple(min(stride, output_stride) for stride in (4, 8, 16, 32))
        self.reset_parameters()
        self.initial_weights = self.load(depth, weights)
        self.freeze(frozen=frozen, frozen_affine=frozen_affine, update_stats=update_stats)

    def reset_parameters(self) -> None:
        """Draw convolutions from He's normal distribution over the outgoing connections."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def load(self, depth: int, weights: str | None) -> InitialWeights | None:
        if weights is None:
            return None
        if weights == "imagenet" or weights.startswith("IMAGENET"):
            if self.deep_stem:
                raise ConfigError(
                    "ResNet: torchvision has no weights for deep_stem=True: give the path of a file"
                )
            return load_torchvision_weights(self, f"resnet{depth}", weights)
        return load_weights(self, weights)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Map normalised images (N, 3, H, W) to the outputs of the four stages, fine to coarse."""
        x = self.stem(image) if self.deep_stem else F.relu_(self.bn1(self.conv1(image)))
        x = self.maxpool(x)
        features = []
        for name in ("layer1", "layer2", "layer3", "layer4"):
            for block in getattr(self, name):
                x = recomputed(block, x) if self.checkpointing else block(x)
            features.append(x)
        return tuple(features)


def check_arguments(
    depth: int, style: str, output_stride: int, norm: str, update_stats: bool
) -> None:
    """Raise `ConfigError` for a value that `ResNet` does not know."""
    for name, value, known in (
        ("depth", depth, tuple(BLOCKS)),
        ("style", style, STYLES),
        ("output_stride", output_stride, tuple(STAGES)),
        ("norm", norm, ("bn", "gn")),
    ):
        if value not in known:
            raise ConfigError(f"ResNet: {name}={value!r} is not one of {known}")
    if norm == "gn" and not update_stats:
        raise ConfigError("ResNet: update_stats=False needs norm='bn'; 'gn' keeps no statistics")
