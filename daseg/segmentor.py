"""The segmentor: from an image to class logits."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine import Config
from torch import Tensor, nn

from daseg.datasets.collate import common_size
from daseg.inference import Inference, WholeInference
from daseg.ops.class_map import largest_class
from daseg.ops.resize import Size, size_of
from daseg.registry import BACKBONES, HEADS, INFERENCES, MODELS
from daseg.utils.errors import ConfigError

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)
Box = tuple[int, int, int, int]  # top, left, bottom, right in pixels of the image


class Prediction(NamedTuple):
    """What one head says.

    Attributes:
        logits: Class logits (N,K,h,w) at the head's resolution.
        box: The part of the image that they cover; None: all of it.
    """

    logits: Tensor
    box: Box | None = None

    def region(self, image_size: Size, size: Size) -> tuple[slice, slice]:
        """Rows and columns that the prediction covers of maps of ``size``, which show the image."""
        (height, width), (rows, columns) = image_size, size
        top, left, bottom, right = self.box or (0, 0, height, width)
        return (
            slice(round(top * rows / height), round(bottom * rows / height)),
            slice(round(left * columns / width), round(right * columns / width)),
        )

    def crop(self, maps: Tensor, image_size: Size) -> Tensor:
        """The part of maps (N,...,H',W'), which show the image, that the prediction covers."""
        rows, columns = self.region(image_size, size_of(maps))
        return maps[..., rows, columns]


class SegOutput(NamedTuple):
    """What a segmentor returns.

    Attributes:
        predictions: One for each head, by name: "main", perhaps "aux", and others.
        features: The backbone's feature maps, fine to coarse.
    """

    predictions: dict[str, Prediction]
    features: tuple[Tensor, ...]

    @property
    def logits(self) -> Tensor:
        """The main head's logits (N,K,h,w)."""
        return self.predictions["main"].logits

    def head(self, name: str) -> Prediction:
        """The prediction of a head.

        Raises:
            ConfigError: There is no such head.
        """
        if name not in self.predictions:
            raise ConfigError(
                f"an objective asks for the head {name!r}, but the segmentor has no such head "
                f"({', '.join(self.predictions)}): add it to model.segmentor (aux_head is 'aux'), "
                "or leave the objective out"
            )
        return self.predictions[name]

    def detach(self, *, keep_features: bool) -> "SegOutput":
        """The same without a graph; with no features where they are not kept."""
        features = tuple(feature.detach() for feature in self.features) if keep_features else ()
        own = {k: Prediction(p.logits.detach(), p.box) for k, p in self.predictions.items()}
        return SegOutput(own, features)


@MODELS.register_module()
class Segmentor(nn.Module):
    """Normalise the image, extract features, classify them; optionally with an auxiliary head.

    The normalisation is part of the network, so that a checkpoint takes raw pixels and cannot be
    used with another mean.

    Args:
        backbone: A backbone or its config.
        head: The main head or its config; a config is given the backbone's ``out_channels`` as
            ``in_channels`` and ``num_classes`` where it states none.
        aux_head: A second head, as ``head``.
        num_classes: Number of classes K, at least 2: the softmax of one is 1 everywhere.
        mean: Mean of the red, green and blue channel, 0..255.
        std: Standard deviation of the same.
        to_bgr: Whether the backbone wants blue, green, red (weights converted from Caffe).
            ``mean`` and ``std`` stay in red, green, blue order.
        align_corners: How logits are resized to labels and predictions; True in AdaptSegNet, whose
            published model loses 1.5 points with False.
        inference: How `predict` runs the network; default `WholeInference`.

    Attributes:
        classes: Names of the classes, set by `daseg.init_segmentor`: of the checkpoint's data set,
            else of the config's, else "class 0", "class 1", ...; empty before.
        palette: Their colours, RGB 0..255, likewise.
        preprocess: The config's test pipeline, up to the network, for an image (H,W,3); set by
            `daseg.init_segmentor`, None: nothing is done.
        max_value: Largest value of 16-bit image files, as in the config's test pipeline.
    """

    mean: Tensor
    std: Tensor
    classes: tuple[str, ...] = ()
    palette: Sequence[Sequence[int]] = ()
    preprocess: Callable[[np.ndarray], np.ndarray] | None = None
    max_value: int | None = None

    def __init__(
        self,
        backbone: nn.Module | dict[str, Any],
        head: nn.Module | dict[str, Any],
        aux_head: nn.Module | dict[str, Any] | None = None,
        *,
        num_classes: int = 19,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        to_bgr: bool = False,
        align_corners: bool = False,
        inference: Inference | dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(num_classes, int) or num_classes < 2:
            raise ConfigError(
                f"Segmentor: num_classes={num_classes!r}, but at least 2 are needed: with a single "
                "class every pixel has probability 1. To find one thing, add a class for "
                "everything else: classes=['other', 'water'], num_classes=2"
            )
        self.backbone = BACKBONES.build(backbone)
        wiring = dict(in_channels=self.backbone.out_channels, num_classes=num_classes)
        self.head = HEADS.build(head, **wiring)
        self.aux_head = None if aux_head is None else HEADS.build(aux_head, **wiring)
        self.num_classes = num_classes
        self.to_bgr = to_bgr
        self.align_corners = align_corners
        self.inference: Inference = INFERENCES.build(inference or WholeInference())
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(1, 3, 1, 1))

    @property
    def device(self) -> torch.device:
        """The device the network is on."""
        return self.mean.device

    @property
    def head_names(self) -> tuple[str, ...]:
        """Names of the predictions in its output."""
        return ("main",) if self.aux_head is None else ("main", "aux")

    def normalize(self, image: Tensor) -> Tensor:
        """Turn an image (N,3,H,W), RGB 0..255, uint8 or float, into what the backbone takes."""
        if image.ndim != 4 or image.shape[1] != 3:
            raise ValueError(f"expected an image of shape (N,3,H,W), got {tuple(image.shape)}")
        image = (image.to(self.mean.dtype) - self.mean) / self.std
        return image.flip(1) if self.to_bgr else image

    def backbone_input(self, image: Tensor) -> Tensor:
        """What the features in the output are of: the image (N,3,H,W), RGB 0..255, normalised."""
        return self.normalize(image)

    def forward(self, image: Tensor) -> SegOutput:
        """Segment an image (N,3,H,W), RGB 0..255, uint8 or float."""
        features = self.backbone(self.backbone_input(image))
        # The auxiliary head runs first: with dropout its draws come before the main head's.
        aux = {} if self.aux_head is None else {"aux": Prediction(self.aux_head(features))}
        return SegOutput({"main": Prediction(self.head(features))} | aux, tuple(features))

    def predict_samples(
        self, batch: dict[str, Any], memory_format: torch.memory_format
    ) -> list[dict[str, Any]]:
        """Predict a batch: for each sample ``dict(pred (H,W) uint8, label, meta)``.

        The prediction has the size of the label, or of the image file where there is no label.

        Args:
            batch: ``image`` (N,3,H,W), ``meta``, and ``label`` (N,H',W') where there is one.
            memory_format: How the network's weights are laid out in memory.
        """
        labels = batch.get("label", [None] * len(batch["meta"]))
        image = batch["image"].contiguous(memory_format=memory_format)
        pred = self.predict_classes(image, common_size(batch))
        rows = zip(pred, labels, batch["meta"], strict=True)
        return [dict(pred=p, label=label, meta=meta) for p, label, meta in rows]

    @torch.no_grad()
    def predict(self, image: Tensor, size: Size | None = None) -> Tensor:
        """Return class probabilities (N,K,*size) of an image (N,3,H,W), RGB 0..255.

        Args:
            image: uint8 or float, on any device.
            size: (height, width) of the result; default the image's.
        """
        return self.inference(self, image.to(self.device), size or size_of(image))

    @torch.no_grad()
    def predict_classes(self, image: Tensor, size: Size | None = None) -> Tensor:
        """Return the class of each pixel (N,*size), uint8. The arguments are those of `predict`.

        They are those of the largest logits, where the inference adds up logits; else those of the
        largest probabilities. Probabilities themselves are rounded, so of two that are equal, the
        logits may still tell which is larger.
        """
        image, size = image.to(self.device), size or size_of(image)
        classes = getattr(self.inference, "classes", None)
        if classes is not None:
            found: Tensor = classes(self, image, size)
            return found
        return largest_class(self.inference(self, image, size), size, self.align_corners)


def segmentor_config(cfg: Config) -> dict[str, Any]:
    """The segmentor's part of a config, inside of a domain adapter or alone."""
    model = cfg.get("model")
    if not isinstance(model, dict):
        raise ConfigError(f"{cfg.filename}: a config needs the key 'model'")
    if "source_to_target" in model:
        raise ConfigError(
            f"{cfg.filename}: its model, {model.get('type')}, translates images and segments none: "
            "give the config of a segmentor"
        )
    own: dict[str, Any] = model.get("segmentor", model)
    return own


def without_initial_weights(model: dict[str, Any]) -> None:
    """Remove the initial weights from a model's config: a checkpoint is loaded afterwards.

    One with low-rank adapters does not hold the frozen weights beside them, so they stay.
    """
    backbone = model.get("segmentor", model).get("backbone")
    while isinstance(backbone, dict):
        if backbone.get("weights") is not None and not backbone.get("lora_rank"):
            backbone["weights"] = None
        backbone = backbone.get("backbone")  # of one that is built around another


def build_segmentor(cfg: Config) -> Segmentor:
    """Build the segmentor of a config, with the initial weights that the config asks for."""
    segmentor: Segmentor = MODELS.build(segmentor_config(cfg))
    return segmentor
