"""Train on target images of which most is hidden."""

from typing import Any, Literal

import torch
from torch import Tensor, nn

from daseg.objectives.base import Weights, head_weights
from daseg.objectives.teacher_labels import LearnsFromTeacher, TeacherLabels, Weighting
from daseg.objectives.views import View
from daseg.ops.augment import ColorAugmentation, ColorRule
from daseg.ops.mixing import block_mask
from daseg.ops.resize import size_of
from daseg.registry import OBJECTIVES
from daseg.utils.errors import ConfigError
from daseg.utils.wrapping import unwrap


@OBJECTIVES.register_module()
class MaskedConsistency(LearnsFromTeacher):
    """Predict from the visible blocks of a target image what the teacher says of the whole one.

    Hoyer et al., "MIC: Masked Image Consistency for Context-Enhanced Domain Adaptation", CVPR 2023,
    eqs. (3) to (6), with the values of its public code for crops of 1024: blocks of 64 pixels, of
    which 70 % are hidden by the mean colour. The loss is on all pixels, hidden ones too. The image
    is changed in colour by itself, before blocks are hidden. DAFormer with crops of 512 has
    ``block=32``.

    The public code differs from the defaults as that of DAFormer does, see `ClassMix`. It also
    draws the blur's strength once for all images of a batch.

    Args:
        loss: A loss on labels or its config; None: cross-entropy; "supervised": as that of
            `Supervised`, its class weights included.
        weight: Weight of the main head's loss, ``loss_masked``.
        aux_weight: Weight of the auxiliary head's, ``loss_masked_aux``; unused without the head.
        images: What is masked: the "target"'s images; or "both": of every two places in the batch
            the first has the source's image with its label, the second the target's. The published
            trainings from Cityscapes to ACDC and Dark Zurich have "both", and no change of colours
            (``jitter_prob=0, blur_prob=0``).
        block: Side of a block, pixels.
        hidden: Share of the blocks that are hidden, 0..1.
        confidence: Probability from which on the teacher counts as confident, 0..1.
        weighting: What a pixel with a label of the teacher counts; see `TeacherLabels`.
        flip: Average the teacher's answer with that for the mirrored image.
        ignore_top: So many rows of the target image's top teach nothing.
        ignore_bottom: The same at the bottom.
        ignore_left: So many columns at its left teach nothing.
        ignore_right: The same at its right.
        jitter: Strength of the change of colours, 0..0.5; see `ColorAugmentation`.
        jitter_prob: Probability of it.
        blur_prob: Probability of a Gaussian blur.
        colors: How colours are changed: "rgb" or "hsv".
        joint: Whether the images of a batch are changed all or none.
        weights: Weight of each head, by name, in the place of ``weight`` and ``aux_weight``.
        name: Distinguishes two of these in the log: ``loss_masked_<name>``.

    Raises:
        ConfigError: An argument is none of the above; in training, there is no teacher, or for
            "both" a batch has a single image, or images of the domains differ in size.
    """

    def __init__(
        self,
        loss: nn.Module | dict[str, Any] | Literal["supervised"] | None = None,
        *,
        weight: float = 1.0,
        aux_weight: float = 0.1,
        images: Literal["target", "both"] = "target",
        block: int = 64,
        hidden: float = 0.7,
        confidence: float = 0.968,
        weighting: Weighting = "share",
        flip: bool = False,
        ignore_top: int = 0,
        ignore_bottom: int = 0,
        ignore_left: int = 0,
        ignore_right: int = 0,
        jitter: float = 0.2,
        jitter_prob: float = 0.8,
        blur_prob: float = 0.5,
        colors: ColorRule = "rgb",
        joint: bool = False,
        weights: Weights | None = None,
        name: str = "",
    ) -> None:
        if images not in ("target", "both"):
            raise ConfigError(f"MaskedConsistency: images is 'target' or 'both', not {images!r}")
        if block < 1 or not 0 <= hidden <= 1:
            raise ConfigError(
                f"MaskedConsistency: block is at least 1 and hidden is in 0..1, not {block} and "
                f"{hidden}"
            )
        by_name, heads = head_weights(weights, main=weight, aux=aux_weight)
        super().__init__(
            "loss_masked",
            loss,
            TeacherLabels(
                "MaskedConsistency",
                confidence=confidence,
                weighting=weighting,
                flip=flip,
                ignore_top=ignore_top,
                ignore_bottom=ignore_bottom,
                ignore_left=ignore_left,
                ignore_right=ignore_right,
            ),
            ColorAugmentation(
                "MaskedConsistency",
                jitter=jitter,
                jitter_prob=jitter_prob,
                blur_prob=blur_prob,
                rule=colors,
                joint=joint,
            ),
            weights=by_name,
            heads=heads,
            name=name,
        )
        self.images, self.block, self.hidden = images, block, hidden
        self.derives_from = ("target",) if images == "target" else ("source", "target")

    @torch.no_grad()
    def derive(self, source: View | None, target: View) -> View:
        """The images with hidden blocks, their labels, and the weights of their pixels."""
        label, weight, _ = self.labels(target)
        image = target.image
        if source is not None and self.images == "both":
            own, true = _of_source(source, target)
            image = torch.where(own[:, None, None, None], source.image, image)
            label = torch.where(own[:, None, None], true, label)
            weight = torch.where(own[:, None, None], 1.0, weight)
        image = self.augmentation(image, first=not target.rows.start)
        keep = block_mask(len(image), size_of(image), self.block, self.hidden, image.device)
        image = torch.where(keep, image, unwrap(target.segmentor).mean)
        return target.derived(image, label, weight)


def _of_source(source: View, target: View) -> tuple[Tensor, Tensor]:
    """The places that are the source's (N,), every other of the batch; and the source's labels.

    Raises:
        ConfigError: The source has no labels, the batch one image, or sizes differ.
    """
    labels = source.labels
    if labels is None:
        raise ConfigError(
            "the objective MaskedConsistency with images='both' needs the source's labels: remove "
            "labels=False from train_dataloader.dataset.source"
        )
    if len(labels) < 2:
        raise ConfigError(
            "the objective MaskedConsistency with images='both' takes every other image from the "
            "source, and a batch of one has none of the target: give train_dataloader.batch_size=2"
        )
    if source.image.shape != target.image.shape or size_of(labels) != size_of(target.image):
        raise ConfigError(
            "the objective MaskedConsistency with images='both' needs images and labels of one "
            f"size, but the source's images are {tuple(source.image.shape)}, its labels "
            f"{tuple(labels.shape)}, and the target's images {tuple(target.image.shape)}: end both "
            "pipelines with the same crop"
        )
    first = target.rows.start or 0
    places = torch.arange(first, first + len(target.image), device=target.image.device)
    return places % 2 == 0, labels[source.rows]
