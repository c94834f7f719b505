"""A pyramid of maps from a plain vision transformer's, which have one stride."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from daseg.backbones.base import Backbone
from daseg.ops.norm import LayerNorm2d
from daseg.registry import BACKBONES
from daseg.utils.errors import ConfigError


@BACKBONES.register_module()
class PyramidBackbone(Backbone):
    """Maps four times as fine, twice as fine, equal and half as fine as those of a backbone.

    So pyramid heads (`DAFormerHead`, `SegFormerHead`, `FPNHead`, `UPerHead`) stand on a plain
    vision transformer: with patches of 16 the strides are 4, 8, 16 and 32. Li et al., "Exploring
    Plain Vision Transformer Backbones for Object Detection", ECCV 2022, section 3, Figure 2c.

    Args:
        backbone: A backbone or its config, with one map, of which all four are made, or four maps
            of one stride: the first becomes the finest. Where it is frozen, the pyramid is not.

    Attributes:
        out_channels: Channels of each map, those of the backbone.
        strides: Their strides.

    Raises:
        ConfigError: The backbone has another number of maps, or they differ in stride.
    """

    def __init__(self, backbone: nn.Module | dict[str, Any]) -> None:
        super().__init__()
        self.backbone = BACKBONES.build(backbone)
        channels, strides = self.backbone.out_channels, self.backbone.strides
        if len(channels) not in (1, 4) or len(set(strides)) > 1 or strides[0] % 4:
            raise ConfigError(
                "PyramidBackbone needs a backbone with one map or four, all of one stride, a "
                f"multiple of 4: {type(self.backbone).__name__} has strides {tuple(strides)}; "
                "choose its out_indices"
            )
        first, second, third, last = channels if len(channels) == 4 else (*channels,) * 4
        self.initial_weights = self.backbone.initial_weights
        self.out_channels = (first, second, third, last)
        self.strides = (strides[0] // 4, strides[0] // 2, strides[0], strides[0] * 2)
        self.scale = nn.ModuleList(
            [
                nn.Sequential(
                    nn.ConvTranspose2d(first, first, 2, 2),
                    LayerNorm2d(first),
                    nn.GELU(),
                    nn.ConvTranspose2d(first, first, 2, 2),
                ),
                nn.ConvTranspose2d(second, second, 2, 2),
                nn.Identity(),
                nn.MaxPool2d(2, ceil_mode=True),
            ]
        )

    def layer_depths(self) -> dict[str, int]:
        """The layer of each parameter, as the backbone tells; the pyramid's are the last."""
        own = self.backbone.layer_depths()
        depths = {f"backbone.{name}": depth for name, depth in own.items()}
        last = max(own.values())
        return depths | {f"scale.{name}": last for name, _ in self.scale.named_parameters()}

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Map normalised images (N,3,H,W) to four maps, fine to coarse."""
        maps: Sequence[Tensor] = self.backbone(image)
        maps = maps if len(maps) == 4 else (*maps,) * 4
        return tuple(scale(own) for scale, own in zip(self.scale, maps, strict=True))
