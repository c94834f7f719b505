"""The teacher's answers as labels: which class, how much each pixel counts, and who learns them."""

from collections.abc import Iterable
from copy import deepcopy
from typing import Any, Literal, NamedTuple

import torch
from mmengine.dist import all_reduce
from torch import Tensor, nn

from daseg.objectives.base import Objective, Weights, label_loss, label_losses
from daseg.objectives.supervised import Supervised
from daseg.objectives.views import View
from daseg.ops.augment import ColorAugmentation
from daseg.ops.resize import size_of
from daseg.utils.errors import ConfigError

Weighting = Literal["share", "pixel", "none"]


class Taught(NamedTuple):
    """What the teacher says of images.

    Attributes:
        label: Its most probable classes (N,H,W), int64.
        weight: A factor for each pixel's loss (N,H,W), float32.
        confident: The share of pixels that it is confident of, a scalar.
    """

    label: Tensor
    weight: Tensor
    confident: Tensor


class TeacherLabels:
    """Hard pseudo-labels of the teacher in each step, and a weight for each pixel.

    Where the batch has margins of the whole images (`IgnoreMargins`), the weight is 0, too.

    Args:
        who: Named in errors.
        confidence: Probability from which on the teacher counts as confident, 0..1.
        weighting: A pixel's weight is the "share" of pixels that the teacher is confident of, among
            all images that are in the networks of all processes at a time (DACS, DAFormer, HRDA,
            MIC: its "threshold_uniform"); "pixel": 1 where it is confident and 0 elsewhere; "none":
            1.
        ignore_top: So many rows at the top of the image have weight 0, for example where rectified
            images have no picture. The share counts them all the same.
        ignore_bottom: The same at the bottom, for example the own car's bonnet.
        ignore_left: So many columns at its left have weight 0.
        ignore_right: The same at its right.
        flip: Average the probabilities with those of the mirrored image (VFM-UDA).

    Raises:
        ConfigError: An argument is none of the above.
    """

    def __init__(
        self,
        who: str,
        *,
        confidence: float,
        weighting: Weighting,
        ignore_top: int,
        ignore_bottom: int,
        ignore_left: int,
        ignore_right: int,
        flip: bool,
    ) -> None:
        if not 0 <= confidence <= 1:
            raise ConfigError(f"{who}: confidence is in 0..1, not {confidence}")
        if weighting not in ("share", "pixel", "none"):
            raise ConfigError(f"{who}: weighting is 'share', 'pixel' or 'none', not {weighting!r}")
        self.margins = dict(
            ignore_top=ignore_top,
            ignore_bottom=ignore_bottom,
            ignore_left=ignore_left,
            ignore_right=ignore_right,
        )
        for name, pixels in self.margins.items():
            if pixels < 0:
                raise ConfigError(f"{who}: {name} is at least 0, not {pixels}")
        self.who, self.confidence, self.weighting, self.flip = who, confidence, weighting, flip

    @torch.no_grad()
    def __call__(self, target: View) -> Taught:
        """The teacher's labels of a view's images.

        Raises:
            ConfigError: There is no teacher, or no pixel of the images has a weight.
        """
        probability, label = target.teacher_probabilities(flip=self.flip).max(1)
        sure = (probability >= self.confidence).float()
        share = sure.mean()
        all_reduce(share, op="mean")
        weight = sure if self.weighting == "pixel" else torch.ones_like(sure)
        if self.weighting == "share":
            weight = weight * share
        height, width = size_of(label)
        top, bottom, left, right = self.margins.values()
        if top + bottom >= height or left + right >= width:
            stated = ", ".join(f"{name}={pixels}" for name, pixels in self.margins.items())
            raise ConfigError(
                f"{self.who}: {stated} leave nothing of images of {height}x{width} (height x width)"
            )
        inside = torch.zeros_like(weight[0])
        inside[top : height - bottom, left : width - right] = 1
        weight = weight * inside
        if target.trusted is not None:
            weight = weight * target.trusted
        return Taught(label, weight, share)


class LearnsFromTeacher(Objective):
    """An objective that makes images and learns labels of the teacher on them.

    Args:
        term: Key of the main head's loss in the log.
        loss: A loss on labels or its config; None: cross-entropy; "supervised": as that of the
            objective `Supervised`, its class weights and its mean included.
        labels: The teacher's labels.
        augmentation: How the look of the images varies.
        weights: Weight of each head, by name.
        heads: Those that have to be there.
        name: End of the keys in the log.
    """

    reads = ("derived",)
    loss: nn.Module

    def __init__(
        self,
        term: str,
        loss: nn.Module | dict[str, Any] | Literal["supervised"] | None,
        labels: TeacherLabels,
        augmentation: ColorAugmentation,
        *,
        weights: Weights,
        heads: tuple[str, ...],
        name: str,
    ) -> None:
        super().__init__()
        if isinstance(loss, str) and loss != "supervised":
            raise ConfigError(f"{labels.who}: loss is 'supervised', a loss or None, not {loss!r}")
        self.follows = isinstance(loss, str)
        if not isinstance(loss, str):
            self.loss = label_loss(loss)
        self.term, self.name, self.weights, self.heads = term, name, weights, heads
        self.labels, self.augmentation = labels, augmentation

    def meet(self, objectives: Iterable[Objective]) -> None:
        """Copy the loss of `Supervised` where this one follows it.

        Raises:
            ConfigError: There is no such objective.
        """
        losses = [o.loss for o in objectives if isinstance(o, Supervised)]
        if self.follows and not losses:
            raise ConfigError(
                f"the objective {type(self).__name__} has loss='supervised', but there is no "
                "objective Supervised that it could follow: give a loss of its own"
            )
        if self.follows:
            self.loss = deepcopy(losses[0])

    def derived_losses(self, derived: View) -> dict[str, Tensor]:
        """The losses of the heads on the derived view's labels, weighted."""
        label = derived.label
        assert label is not None
        return label_losses(self.term, self.loss, derived, label, self.weights, name=self.name)
