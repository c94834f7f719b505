"""Train on images that are mixed from both domains."""

from typing import Any, Literal

import torch
from torch import Tensor, nn

from daseg.objectives.base import Weights, head_weights, suffix_of
from daseg.objectives.teacher_labels import LearnsFromTeacher, TeacherLabels, Weighting
from daseg.objectives.views import View
from daseg.ops.augment import ColorAugmentation, ColorRule
from daseg.ops.mixing import box_mask, class_mask
from daseg.ops.resize import size_of
from daseg.registry import OBJECTIVES
from daseg.segmentor import Segmentor
from daseg.utils.errors import ConfigError


@OBJECTIVES.register_module()
class ClassMix(LearnsFromTeacher):
    """Paste half of a source image's classes onto a target image; learn the mixture.

    Tranheden et al., "DACS: Domain Adaptation via Cross-domain Mixed Sampling", WACV 2021, section
    3, with the mixing of Olsson et al., "ClassMix", WACV 2021. The pasted pixels bring their
    labels, the others those that the teacher predicts for the target image (``teacher_momentum`` of
    `DomainAdapter`), with the weights of `TeacherLabels`. The defaults are the values of DACS.

    Its public code differs from the defaults by ``paste_ignored=True, colors='hsv', joint=True,
    loss=dict(type='CrossEntropyLoss', mean='all')`` and ``teacher_statistics='batch'`` of the
    adapter. DAFormer's (Hoyer et al., CVPR 2022) has these too, and ``classes_of='batch',
    jitter=0.2, ignore_top=15, ignore_bottom=120`` at crops of 512 of images of 1024x512.

    Args:
        loss: A loss on labels or its config; None: cross-entropy; "supervised": as that of
            `Supervised`, its class weights included.
        weight: Weight of the main head's loss, ``loss_mix``.
        aux_weight: Weight of the auxiliary head's, ``loss_mix_aux``, on the same labels; unused
            without the head.
        mask: Which pixels of the source are pasted: "classmix", or "cutmix", a box of random size
            (Yun et al., ICCV 2019) whatever is in it.
        classes_of: Whether half of the classes of each "image" is drawn, or half of those of the
            whole "batch", some of which the image may not have.
        paste_ignored: Whether "no label" is one of the classes that are drawn.
        confidence: Probability from which on the teacher counts as confident, 0..1.
        weighting: What a pixel with a label of the teacher counts; see `TeacherLabels`.
        flip: Average the teacher's answer with that for the mirrored image.
        ignore_top: So many rows of the target image's top teach nothing.
        ignore_bottom: The same at the bottom.
        ignore_left: So many columns at its left teach nothing.
        ignore_right: The same at its right.
        jitter: Strength of the change of the mixture's colours, 0..0.5; see `ColorAugmentation`.
        jitter_prob: Probability of it.
        blur_prob: Probability of a Gaussian blur of the mixture.
        colors: How colours are changed: "rgb" or "hsv".
        joint: Whether the images of a batch are changed all or none.
        weights: Weight of each head, by name, in the place of ``weight`` and ``aux_weight``.
        name: Distinguishes two of these in the log: ``loss_mix_<name>``.

    Raises:
        ConfigError: An argument is none of the above.
    """

    derives_from = ("source", "target")

    def __init__(
        self,
        loss: nn.Module | dict[str, Any] | Literal["supervised"] | None = None,
        *,
        weight: float = 1.0,
        aux_weight: float = 0.1,
        mask: Literal["classmix", "cutmix"] = "classmix",
        classes_of: Literal["image", "batch"] = "image",
        paste_ignored: bool = False,
        confidence: float = 0.968,
        weighting: Weighting = "share",
        flip: bool = False,
        ignore_top: int = 0,
        ignore_bottom: int = 0,
        ignore_left: int = 0,
        ignore_right: int = 0,
        jitter: float = 0.25,
        jitter_prob: float = 0.8,
        blur_prob: float = 0.5,
        colors: ColorRule = "rgb",
        joint: bool = False,
        weights: Weights | None = None,
        name: str = "",
    ) -> None:
        if mask not in ("classmix", "cutmix"):
            raise ConfigError(f"ClassMix: mask is 'classmix' or 'cutmix', not {mask!r}")
        if classes_of not in ("image", "batch"):
            raise ConfigError(f"ClassMix: classes_of is 'image' or 'batch', not {classes_of!r}")
        by_name, heads = head_weights(weights, main=weight, aux=aux_weight)
        super().__init__(
            "loss_mix",
            loss,
            TeacherLabels(
                "ClassMix",
                confidence=confidence,
                weighting=weighting,
                flip=flip,
                ignore_top=ignore_top,
                ignore_bottom=ignore_bottom,
                ignore_left=ignore_left,
                ignore_right=ignore_right,
            ),
            ColorAugmentation(
                "ClassMix",
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
        self.mask, self.classes_of, self.paste_ignored = mask, classes_of, paste_ignored
        self.num_classes = 0
        self.confident = torch.tensor(0.0)  # the share of pixels in the last mixture

    def prepare(self, segmentor: Segmentor) -> None:
        """Check that the heads are there; take over the number of classes."""
        super().prepare(segmentor)
        self.num_classes = segmentor.num_classes

    @torch.no_grad()
    def derive(self, source: View, target: View) -> View:
        """The mixture, with its labels and the weights of its pixels.

        Raises:
            ConfigError: There is no teacher, the source has no labels, or the images of the two
                domains differ in size.
        """
        label = _check(source, target)
        pseudo, weight, self.confident = self.labels(target)
        if self.mask == "classmix":
            pool = source.labels if self.classes_of == "batch" else None
            pasted = class_mask(label, self.num_classes, pool=pool, ignored=self.paste_ignored)
        else:
            pasted = box_mask(len(label), size_of(label), label.device)
        image = torch.where(pasted[:, None], source.image, target.image)
        image = self.augmentation(image, first=not target.rows.start)
        label, weight = torch.where(pasted, label, pseudo), torch.where(pasted, 1.0, weight)
        return target.derived(image, label, weight)

    def derived_losses(self, derived: View) -> dict[str, Tensor]:
        """``loss_mix``, and ``loss_mix_aux`` where there is an auxiliary head, weighted.

        Beside them ``mix_sure``, the share of target pixels of which the teacher is confident.
        """
        return super().derived_losses(derived) | {"mix_sure" + suffix_of(self.name): self.confident}


def _check(source: View, target: View) -> Tensor:
    """The source's labels, if they and both images fit together."""
    if source.label is None:
        raise ConfigError(
            "the objective ClassMix pastes source pixels with their labels, but the source has "
            "none: remove labels=False from train_dataloader.dataset.source"
        )
    sizes = [size_of(maps) for maps in (source.image, source.label, target.image)]
    if len(set(sizes)) > 1 or len(source.image) != len(target.image):
        shown = [f"{height}x{width}" for height, width in sizes]
        raise ConfigError(
            "the objective ClassMix pastes source pixels onto target images of the same size, but "
            f"(height x width) the source's images are {shown[0]}, its labels {shown[1]}, and the "
            f"target's images {shown[2]}: end both pipelines with the same crop, "
            "dict(type='RandomCrop', crop_size=...)"
        )
    return source.label
