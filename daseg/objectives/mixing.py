"""Train on images that are mixed from both domains."""

from typing import Any, Literal

import torch
from torch import Tensor, nn

from daseg.objectives.base import (
    Objective,
    Weights,
    head_weights,
    label_loss,
    label_losses,
    suffix_of,
)
from daseg.objectives.views import View
from daseg.ops.mixing import augment_colors, box_mask, class_mask
from daseg.ops.resize import size_of
from daseg.registry import OBJECTIVES
from daseg.segmentor import Segmentor
from daseg.utils.errors import ConfigError


@OBJECTIVES.register_module()
class ClassMix(Objective):
    """Paste half of a source image's classes onto a target image; learn the mixture.

    Tranheden et al., "DACS: Domain Adaptation via Cross-domain Mixed Sampling", WACV 2021, section
    3, with the mixing of Olsson et al., "ClassMix", WACV 2021. The pasted pixels bring their
    labels, the others those that the teacher predicts for the target image (``teacher_momentum`` of
    `DomainAdapter`). Each of the latter counts as much as the share of target pixels of which the
    teacher is confident, of all images that are in the network at a time. The defaults are the
    public code's; its source loss is `Supervised`.

    Where this differs from the public code: "ignore" is not among the classes that are drawn; the
    teacher predicts with running statistics, not with the batch's; colours and blur are drawn for
    each image, and colours are changed in RGB, in a fixed order.

    Args:
        loss: A loss on labels or its config; default cross-entropy.
        weight: Weight of the main head's loss, ``loss_mix``.
        aux_weight: Weight of the auxiliary head's, ``loss_mix_aux``, on the same labels; unused
            without the head.
        mask: Which pixels of the source are pasted: "classmix", or "cutmix", a box of random size
            (Yun et al., ICCV 2019) whatever is in it.
        confidence: Probability from which on the teacher counts as confident, 0..1.
        jitter: Strength of the change of the mixture's colours, 0..0.5; see `augment_colors`.
        jitter_prob: Probability of it, for each image.
        blur_prob: Probability of a Gaussian blur of the mixture, for each image.
        weights: Weight of each head, by name, in the place of ``weight`` and ``aux_weight``.
        name: Distinguishes two of these in the log: ``loss_mix_<name>``.

    Raises:
        ConfigError: An argument is none of the above.
    """

    reads = ("derived",)
    derives_from = ("source", "target")

    def __init__(
        self,
        loss: nn.Module | dict[str, Any] | None = None,
        *,
        weight: float = 1.0,
        aux_weight: float = 0.1,
        mask: Literal["classmix", "cutmix"] = "classmix",
        confidence: float = 0.968,
        jitter: float = 0.25,
        jitter_prob: float = 0.8,
        blur_prob: float = 0.5,
        weights: Weights | None = None,
        name: str = "",
    ) -> None:
        super().__init__()
        if mask not in ("classmix", "cutmix"):
            raise ConfigError(f"ClassMix: mask is 'classmix' or 'cutmix', not {mask!r}")
        limits = dict(confidence=1.0, jitter=0.5, jitter_prob=1.0, blur_prob=1.0)
        given = dict(
            confidence=confidence, jitter=jitter, jitter_prob=jitter_prob, blur_prob=blur_prob
        )
        for key, value in given.items():
            if not 0 <= value <= limits[key]:
                raise ConfigError(f"ClassMix: {key} is in 0..{limits[key]:g}, not {value}")
        self.loss = label_loss(loss)
        self.weights, self.heads = head_weights(weights, main=weight, aux=aux_weight)
        self.mask, self.confidence = mask, confidence
        self.augmentation = dict(jitter=jitter, jitter_prob=jitter_prob, blur_prob=blur_prob)
        self.name = name
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
        confidence, pseudo = target.teacher_logits.softmax(1).max(1)
        if self.mask == "classmix":
            pasted = class_mask(label, self.num_classes)
        else:
            pasted = box_mask(len(label), size_of(label), label.device)
        image = torch.where(pasted[:, None], source.image, target.image)
        image = augment_colors(image, **self.augmentation)
        is_last = target.image.is_contiguous(memory_format=torch.channels_last)
        layout = torch.channels_last if is_last else torch.contiguous_format
        image = image.contiguous(memory_format=layout)
        self.confident = (confidence >= self.confidence).float().mean()
        weight = torch.where(pasted, 1.0, self.confident)
        return target.derived(image, torch.where(pasted, label, pseudo), weight)

    def derived_losses(self, derived: View) -> dict[str, Tensor]:
        """``loss_mix``, and ``loss_mix_aux`` where there is an auxiliary head, weighted.

        Beside them ``mix_sure``, the share of target pixels of which the teacher is confident.
        """
        label = derived.label
        assert label is not None
        losses = label_losses("loss_mix", self.loss, derived, label, self.weights, name=self.name)
        return losses | {"mix_sure" + suffix_of(self.name): self.confident}


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
