"""Train on images that are put together from both domains."""

from typing import Any, Literal

import torch
from torch import Tensor, nn

from daseg.objectives.base import Objective, View
from daseg.objectives.naming import suffix_of
from daseg.ops.mixing import box_mask, class_mask, vary_look
from daseg.ops.resize import size_of
from daseg.registry import LOSSES, OBJECTIVES
from daseg.segmentor import Segmentor
from daseg.utils.errors import ConfigError


@OBJECTIVES.register_module()
class ClassMix(Objective):
    """Paste half of a source image's classes onto a target image; learn the mixture.

    Tranheden et al., "DACS: Domain Adaptation via Cross-domain Mixed Sampling", WACV 2021, section
    3, with the mixing of Olsson et al., "ClassMix", WACV 2021. The pasted pixels bring their
    labels, the others have what the teacher says of the target image (``teacher_momentum`` of
    `DomainAdapter`). Each of the latter counts as much as the share of target pixels of which the
    teacher is sure, of all images that are in the network at a time. The defaults are the public
    code's; its source loss is `Supervised`.

    Where this differs from the public code: "ignore" is not among the classes that are drawn; the
    teacher predicts with running statistics, not with the batch's; colours and blur are drawn for
    each image, and colours are changed in RGB, in a fixed order.

    Args:
        loss: The loss or its config, ``(logits, label, weight)``; default cross-entropy.
        weight: Weight of the main head's loss, ``loss_mix``.
        aux_weight: Weight of the auxiliary head's, ``loss_mix_aux``, on the same labels; unused
            without the head.
        mask: Which pixels of the source are pasted: "classmix", or "cutmix", a box of random size
            (Yun et al., ICCV 2019) whatever is in it.
        confidence: Probability from which on the teacher counts as sure, 0..1.
        jitter: Strength of the change of the mixture's colours, 0..0.5; see `vary_look`.
        jitter_prob: Probability of it, for each image.
        blur_prob: Probability of a Gaussian blur of the mixture, for each image.
        name: Distinguishes two of these in the log: ``loss_mix_<name>``.

    Raises:
        ConfigError: An argument is none of the above.
    """

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
        self.loss = LOSSES.build(loss or dict(type="CrossEntropyLoss"))
        self.weight, self.aux_weight = weight, aux_weight
        self.mask, self.confidence = mask, confidence
        self.look = dict(jitter=jitter, jitter_prob=jitter_prob, blur_prob=blur_prob)
        self.name = name
        self.num_classes = 0
        self.sure = torch.tensor(0.0)  # the share of the mixture that was made last

    def prepare(self, segmentor: Segmentor) -> None:
        """Take over the number of classes."""
        self.num_classes = segmentor.num_classes

    @torch.no_grad()
    def mix(self, source: View, target: View) -> View:
        """The mixture, with its labels and the weights of its pixels.

        Raises:
            ConfigError: There is no teacher, the source has no labels, or the images of the two
                domains differ in size.
        """
        label = _check(source, target)
        sure, pseudo = target.teacher_logits.softmax(1).max(1)
        pasted = self._pasted(label)
        image = torch.where(pasted[:, None], source.image, target.image)
        image = vary_look(image, **self.look).contiguous(memory_format=_layout(target.image))
        self.sure = (sure >= self.confidence).float().mean()
        weight = torch.where(pasted, 1.0, self.sure)
        return target.mixed(image, torch.where(pasted, label, pseudo), weight)

    def _pasted(self, label: Tensor) -> Tensor:
        if self.mask == "classmix":
            return class_mask(label, self.num_classes)
        return box_mask(len(label), size_of(label), label.device)

    def mixed_losses(self, mixed: View) -> dict[str, Tensor]:
        """``loss_mix``, and ``loss_mix_aux`` where there is an auxiliary head, weighted.

        Beside them ``mix_sure``, the share of target pixels of which the teacher is sure.
        """
        end = suffix_of(self.name)
        losses = {"loss_mix" + end: self.weight * self._loss(mixed.logits, mixed)}
        if mixed.aux_logits is not None:
            losses["loss_mix_aux" + end] = self.aux_weight * self._loss(mixed.aux_logits, mixed)
        return losses | {"mix_sure" + end: self.sure}

    def _loss(self, logits: Tensor, mixed: View) -> Tensor:
        return self.loss(logits, mixed.label, mixed.weight)


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


def _layout(image: Tensor) -> torch.memory_format:
    channels_last = image.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if channels_last else torch.contiguous_format
