"""Stay near the features of a frozen network."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor, nn
from torch.nn import functional as F

from daseg.objectives.base import Objective, suffix_of
from daseg.objectives.views import View
from daseg.ops.labels import IGNORE
from daseg.ops.logits import at_least_float32
from daseg.ops.resize import Size, size_of
from daseg.registry import BACKBONES, OBJECTIVES
from daseg.segmentor import Segmentor
from daseg.utils.errors import ConfigError
from daseg.utils.wrapping import unwrap

# What ImageNet has many classes of; of Cityscapes' classes all but "stuff", and the pole.
THINGS = (
    "traffic light",
    "traffic sign",
    "person",
    "rider",
    "car",
    "truck",
    "bus",
    "train",
    "motorcycle",
    "bicycle",
)


@OBJECTIVES.register_module()
class FeatureDistance(Objective):
    """Small distance of the source's features from those of the network that training began with.

    Hoyer et al., "DAFormer: Improving Network Architectures and Training Strategies for
    Domain-Adaptive Semantic Segmentation", CVPR 2022, eqs. (9) to (11), with the values of its
    public code: the Euclidean distance of the last maps, averaged over the places where at least
    three quarters of the pixels have the same "thing" class. Without such a place it is 0 (the
    public code logs NaN and has a gradient of 0, which is the same training).

    The frozen network is this objective's own, with its own weights, whatever the segmentor was
    loaded from; it is always in eval mode, and in no checkpoint.

    Args:
        backbone: The frozen network or its config, with ``weights``: mostly that of the segmentor.
        weight: Weight of the distance, ``loss_feature``.
        classes: Names of the classes that count, in upper or lower case, or their indices. Of the
            names, those that the data do not have are left out; None: all places count.
        min_share: Share of a place's pixels that have to be of one class, above 0.5 and at most 1;
            "no label" counts as a class.
        index: Which of the feature maps is compared.
        name: Distinguishes two of these in the log: ``loss_feature_<name>``.

    Raises:
        ConfigError: An argument is none of the above, the backbone has no weights, the maps differ
            in channels; in training, the maps differ in size, or none of the classes is known.
    """

    reads = ("source",)
    frozen: Any  # a backbone

    def __init__(
        self,
        backbone: nn.Module | dict[str, Any],
        *,
        weight: float = 0.005,
        classes: Sequence[str | int] | None = THINGS,
        min_share: float = 0.75,
        index: int = -1,
        name: str = "",
    ) -> None:
        super().__init__()
        if not 0.5 < min_share <= 1:
            raise ConfigError(f"FeatureDistance: min_share is above 0.5 and at most 1: {min_share}")
        frozen = BACKBONES.build(backbone).eval().requires_grad_(False)
        if isinstance(backbone, dict) and getattr(frozen, "initial_weights", None) is None:
            raise ConfigError(
                "FeatureDistance: its backbone has no weights, and the features of a random "
                "network are worth nothing: give model.objectives.<i>.backbone.weights"
            )
        # Not a submodule: it is not trained, not set to training mode, and not in the checkpoint.
        self.__dict__["frozen"] = frozen
        self.weight, self.min_share, self.index = weight, min_share, index
        self.classes = None if classes is None else tuple(classes)
        self.key = "loss_feature" + suffix_of(name)

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        """Move the frozen network, too."""
        nn.Module._apply(self, fn, recurse)
        self.frozen._apply(fn, recurse)
        return self

    def prepare(self, segmentor: Segmentor) -> None:
        """Compare the channels of the two maps."""
        super().prepare(segmentor)
        channels = [b.out_channels[self.index] for b in (segmentor.backbone, self.frozen)]
        if channels[0] != channels[1]:
            raise ConfigError(
                f"FeatureDistance: the segmentor's map {self.index} has {channels[0]} channels, "
                f"that of the frozen backbone {channels[1]}: give it the same backbone"
            )

    def use_classes(self, names: Sequence[str]) -> None:
        """Find the classes that count among those of the data.

        Raises:
            ConfigError: None of them is there.
        """
        if self.classes is None or all(isinstance(c, int) for c in self.classes):
            return
        places = {name.casefold(): index for index, name in enumerate(names)}
        wanted = [c if isinstance(c, int) else places.get(c.casefold()) for c in self.classes]
        missing = [str(c) for c, i in zip(self.classes, wanted, strict=True) if i is None]
        found = tuple(i for i in wanted if i is not None)
        if not found:
            raise ConfigError(
                f"FeatureDistance: none of its classes {missing} is one of the data's "
                f"({', '.join(names)}): name some of these, or classes=None"
            )
        self.classes = found
        if missing:
            print_log(f"FeatureDistance: the data have no {', '.join(missing)}", "current")

    def source_losses(self, source: View) -> dict[str, Tensor]:
        """``loss_feature``, weighted."""
        own = source.output.features[self.index]
        with torch.no_grad():
            frozen = self.frozen(unwrap(source.segmentor).backbone_input(source.image))[self.index]
        if own.shape != frozen.shape:
            raise ConfigError(
                f"FeatureDistance: the segmentor's features are {tuple(own.shape)}, those of the "
                f"frozen network {tuple(frozen.shape)}: give it a backbone of the same strides"
            )
        distance = at_least_float32(own) - at_least_float32(frozen)
        distance = torch.linalg.vector_norm(distance, dim=1)
        counted, labels = self._counted(source, size_of(own))
        total = source.normalizer(labels, torch.sum)
        mean = (distance * counted).sum() / torch.where(total > 0, total, 1)
        return {self.key: self.weight * mean}

    @torch.no_grad()
    def _counted(self, source: View, size: Size) -> tuple[Tensor, Tensor]:
        """Which places count (N,h,w), and those of the whole batch."""
        if self.classes is None:
            batch = source.image if source.labels is None else source.labels
            everywhere = batch.new_ones(len(batch), *size)
            return everywhere[source.rows], everywhere
        if source.labels is None:
            raise ConfigError(
                "the objective FeatureDistance looks for classes in the source's labels, which "
                "the training dataset does not have: give classes=None"
            )
        counted = pure_places(source.labels, size, self._indices(), self.min_share)
        return counted[source.rows], counted

    def _indices(self) -> Sequence[int]:
        assert self.classes is not None
        if any(isinstance(c, str) for c in self.classes):
            raise ConfigError(
                "FeatureDistance does not know the names of the data's classes: in Python call "
                "adapter.use_classes(names), or give indices"
            )
        return [int(c) for c in self.classes]


def pure_places(label: Tensor, size: Size, classes: Sequence[int], min_share: float) -> Tensor:
    """The places of a coarse map that have enough pixels of one of some classes.

    Args:
        label: (N,H,W); pixels beyond its border, where a place reaches over it, have no label.
        size: (height, width) of the map.
        classes: Indices of the classes.
        min_share: Share of a place's pixels, above 0.5: at most one class has it.

    Returns:
        (N,h,w), float32, 1 or 0.
    """
    height, width = (math.ceil(n / places) for n, places in zip(size_of(label), size, strict=True))
    beyond = (0, width * size[1] - label.shape[2], 0, height * size[0] - label.shape[1])
    label = F.pad(label, beyond, value=IGNORE)
    found = torch.zeros(len(label), *size, device=label.device)
    for index in classes:  # a map at a time: all of them would be of the size of the logits
        own = (label == index).float()
        pixels = F.avg_pool2d(own[:, None], (height, width), divisor_override=1)[:, 0]
        found += pixels >= min_share * height * width
    return found
