"""Stay near the features of a frozen network."""

import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
from mmengine.logging import print_log
from torch import Tensor, nn
from torch.nn import functional as F

from daseg.objectives.base import Objective, suffix_of
from daseg.objectives.views import View
from daseg.ops.labels import IGNORE
from daseg.ops.logits import at_least_float32
from daseg.ops.norm import LayerNorm2d
from daseg.ops.resize import Size, resize, size_of
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
    """Small distance of features from those of a frozen network, mostly of ImageNet's.

    Hoyer et al., "DAFormer: Improving Network Architectures and Training Strategies for
    Domain-Adaptive Semantic Segmentation", CVPR 2022, eqs. (9) to (11), with the values of its
    public code: the Euclidean distance of the last maps, averaged over the places where at least
    three quarters of the pixels have the same "thing" class. Without such a place it is 0 (the
    public code logs NaN and has a gradient of 0, which is the same training).

    The frozen network is this objective's own, with its own weights, whatever the segmentor was
    loaded from; it is always in eval mode, and in no checkpoint. It sees the images normalised as
    the segmentor's are.

    VFM-UDA++ (Englert et al., 2025) compares with a foundation model of another kind and size, on
    both domains and at all places: ``projector=True, distance='cosine', classes=None, weight=0.1,
    domains=('source', 'target')``, where the frozen DINOv2 sees images of 1024 pixels at 406
    (``resize=0.4`` of `ViTBackbone`). Its public code runs the student once more for it, on images
    of slightly changed colours; here the features are those of the domain's own pass.

    Args:
        backbone: The frozen network or its config, with ``weights``: mostly that of the segmentor.
        weight: Weight of the distance, ``loss_feature``.
        classes: Names of the classes that count, in upper or lower case, or their indices. Of the
            names, those that the data do not have are left out; None: all places count.
        min_share: Share of a place's pixels that have to be of one class, above 0.5 and at most 1;
            "no label" counts as a class.
        index: Which of the feature maps is compared.
        domains: On which domains: "source", "target" or both. The target has no labels, so there
            all places count: ``classes=None``.
        distance: "euclidean", over the channels of a place; or "cosine": ``0.9 * (1 - cosine) + 0.1
            * smooth L1``, the latter averaged over the channels.
        projector: Whether the segmentor's map goes through a projector, which is trained with it: a
            1x1 convolution to four times as many channels, layer norm, GELU, a 1x1 convolution to
            the frozen map's channels; then it is resized to that map, bilinearly. Without it both
            maps need the same channels and size.
        name: Distinguishes two of these in the log: ``loss_feature_<name>``. The target's distance
            is ``loss_feature_target``.

    Raises:
        ConfigError: An argument is none of the above, the backbone has no weights, the maps differ
            in channels; in training, the maps differ in size, or none of the classes is known.
    """

    frozen: Any  # a backbone

    def __init__(
        self,
        backbone: nn.Module | dict[str, Any],
        *,
        weight: float = 0.005,
        classes: Sequence[str | int] | None = THINGS,
        min_share: float = 0.75,
        index: int = -1,
        domains: Sequence[Literal["source", "target"]] = ("source",),
        distance: Literal["euclidean", "cosine"] = "euclidean",
        projector: bool = False,
        name: str = "",
    ) -> None:
        super().__init__()
        if not domains or not set(domains) <= {"source", "target"}:
            raise ConfigError(
                f"FeatureDistance: domains are 'source', 'target' or both, not {domains!r}"
            )
        if "target" in domains and classes is not None:
            raise ConfigError(
                "FeatureDistance: the target has no labels to find classes by: with 'target' in "
                "domains give classes=None"
            )
        if distance not in ("euclidean", "cosine"):
            raise ConfigError(
                f"FeatureDistance: distance is 'euclidean' or 'cosine', not {distance!r}"
            )
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
        self.reads = tuple(domains)
        self.weight, self.min_share, self.index = weight, min_share, index
        self.distance, self.projects = distance, projector
        self.classes = None if classes is None else tuple(classes)
        self.name = name

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        """Move the frozen network, too."""
        nn.Module._apply(self, fn, recurse)
        self.frozen._apply(fn, recurse)
        return self

    def prepare(self, segmentor: Segmentor) -> None:
        """Build the projector, or compare the channels of the two maps."""
        super().prepare(segmentor)
        own, theirs = (b.out_channels[self.index] for b in (segmentor.backbone, self.frozen))
        if self.projects:
            self.projector = nn.Sequential(
                nn.Conv2d(own, 4 * own, 1),
                LayerNorm2d(4 * own),
                nn.GELU(),
                nn.Conv2d(4 * own, theirs, 1),
            )
        elif own != theirs:
            raise ConfigError(
                f"FeatureDistance: the segmentor's map {self.index} has {own} channels, that of "
                f"the frozen backbone {theirs}: give it the same backbone, or projector=True"
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
        return {"loss_feature" + suffix_of(self.name): self.weight * self._mean_distance(source)}

    def target_losses(self, target: View) -> dict[str, Tensor]:
        """``loss_feature_target``, weighted."""
        key = "loss_feature" + suffix_of("target", self.name)
        return {key: self.weight * self._mean_distance(target)}

    def _mean_distance(self, view: View) -> Tensor:
        own = view.output.features[self.index]
        with torch.no_grad():
            frozen = self.frozen(unwrap(view.segmentor).backbone_input(view.image))[self.index]
        if self.projector is not None:
            own = resize(self.projector(own), size_of(frozen), align_corners=False)
        if own.shape != frozen.shape:
            raise ConfigError(
                f"FeatureDistance: the segmentor's features are {tuple(own.shape)}, those of the "
                f"frozen network {tuple(frozen.shape)}: give it a backbone of the same strides, or "
                "projector=True"
            )
        distance = self._distance(at_least_float32(own), at_least_float32(frozen))
        if self.classes is None:
            return distance.mean()
        counted = self._counted(view, size_of(own))
        total = view.normalizer(counted, torch.sum)
        return (distance * counted[view.rows]).sum() / torch.where(total > 0, total, 1)

    def _distance(self, own: Tensor, frozen: Tensor) -> Tensor:
        """Maps (N,C,h,w) to their distance at each place (N,h,w)."""
        if self.distance == "euclidean":
            norm: Tensor = torch.linalg.vector_norm(own - frozen, dim=1)
            return norm
        cosine = F.cosine_similarity(own, frozen, dim=1)
        return 0.9 * (1 - cosine) + 0.1 * F.smooth_l1_loss(own, frozen, reduction="none").mean(1)

    @torch.no_grad()
    def _counted(self, source: View, size: Size) -> Tensor:
        """Which places of the whole batch count (M,h,w), float32."""
        if source.labels is None:
            raise ConfigError(
                "the objective FeatureDistance looks for classes in the source's labels, which "
                "the training dataset does not have: give classes=None"
            )
        return pure_places(source.labels, size, self._indices(), self.min_share)

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
