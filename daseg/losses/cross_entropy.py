"""Pixel-wise cross-entropy, and the mean over labelled pixels."""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce
from torch import Tensor, nn

from daseg.losses.pixels import check_target
from daseg.ops.logits import at_least_float32
from daseg.registry import LOSSES
from daseg.utils.errors import ConfigError


@LOSSES.register_module()
class CrossEntropyLoss(nn.Module):
    """Cross-entropy of the softmax over classes, averaged over the labelled pixels, or over all.

    With y the target, c the class weights and w the pixel weights, over the labelled pixels i::

        loss = sum_i w_i * c[y_i] * ce_i / sum_i c[y_i]

    So class weights are normalised as in ``F.cross_entropy(weight=c)``, where their common scale
    cancels, while pixel weights are not: weights of 0.5 everywhere halve the loss, as confidences
    of pseudo-labels should. Where no pixel is labelled the loss is 0, with a gradient of 0.

    The denominator is that of the whole batch, where it is handed as ``normalizer``; see
    `labelled_mean`.

    With ``mean="all"`` it is the number of all pixels, ignored ones included, whatever their
    classes weigh. The public codes of DAFormer, HRDA and MIC do so, and that of DACS for mixed
    images: with a third of the pixels ignored, the loss is a third smaller.

    Args:
        class_weights: One weight for each class; None weighs all alike.
        ignore_index: Label of the pixels without a loss.
        mean: Over which pixels the mean is: "labelled" or "all".

    Raises:
        ConfigError: ``mean`` is neither.
    """

    class_weights: Tensor | None

    def __init__(
        self,
        *,
        class_weights: Sequence[float] | None = None,
        ignore_index: int = 255,
        mean: Literal["labelled", "all"] = "labelled",
    ) -> None:
        super().__init__()
        if mean not in ("labelled", "all"):
            raise ConfigError(f"CrossEntropyLoss: mean is 'labelled' or 'all', not {mean!r}")
        self.mean = mean
        weights = None if class_weights is None else torch.tensor(class_weights, dtype=torch.float)
        # The config states them: in the checkpoint they would only stand in the way.
        self.register_buffer("class_weights", weights, persistent=False)
        self.ignore_index = ignore_index

    def forward(
        self,
        logits: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        normalizer: Tensor | None = None,
    ) -> Tensor:
        """Return the mean loss, a scalar of at least float32.

        Args:
            logits: (N,K,H,W), at the label's size, any float type.
            target: (N,H,W), integers in 0..K-1 or ``ignore_index``.
            weight: (N,H,W), a factor for each pixel's loss.
            normalizer: What to divide by, a scalar; None: the `denominator` of ``target``.

        Raises:
            ValueError: Logits and target differ in size.
            DataError: A label is out of range (checked on the CPU, see `check_target`).
            ConfigError: There are not as many class weights as classes.
        """
        check_target(logits, target, self.ignore_index)
        logits, target = at_least_float32(logits), target.long()
        class_weights = None if self.class_weights is None else self.class_weights.to(logits)
        if class_weights is not None and len(class_weights) != logits.shape[1]:
            raise ConfigError(
                f"class_weights of the loss has {len(class_weights)} entries, "
                f"the model has {logits.shape[1]} classes"
            )
        losses = self.pixel_losses(logits, target, class_weights)
        if weight is not None:
            losses = losses * weight
        if normalizer is None:
            normalizer = mean_over_processes(self.denominator(target).to(losses.dtype))
        return labelled_mean(losses, target, normalizer)

    def pixel_losses(self, logits: Tensor, target: Tensor, class_weights: Tensor | None) -> Tensor:
        """The loss of each pixel (N,H,W), times its class's weight; 0 where it is ignored."""
        return F.cross_entropy(
            logits, target, class_weights, ignore_index=self.ignore_index, reduction="none"
        )

    def denominator(self, target: Tensor) -> Tensor:
        """What the mean over these labels (N,H,W) divides by, a scalar: sum_i c[y_i]."""
        if self.mean == "all":
            return torch.full((), target.numel(), device=target.device)
        if self.class_weights is None:
            return labelled_pixels(target, self.ignore_index)
        labelled = target != self.ignore_index
        return (self.class_weights[torch.where(labelled, target, 0).long()] * labelled).sum()


def labelled_pixels(target: Tensor, ignore_index: int = 255) -> Tensor:
    """Number of pixels that have a label, a scalar."""
    return (target != ignore_index).sum()


def labelled_mean(losses: Tensor, target: Tensor, normalizer: Tensor | None = None) -> Tensor:
    """The sum of the pixels' losses, divided by the labelled pixels of the whole batch.

    A batch may go through the network in parts, and be spread over several processes, which
    average their gradients. Divided by its own labelled pixels, a part with few of them would
    count too much; divided by those of the whole batch, all parts together make the mean over it.

    Args:
        losses: (N,H,W), 0 where there is no label.
        target: Labels (N,H,W), 255 for none.
        normalizer: What to divide by, a scalar: `View.normalizer`. None: the labelled pixels of
            ``target``, in training their mean over the processes.

    Returns:
        A scalar; 0, with a gradient of 0, where no pixel is labelled.
    """
    if normalizer is None:
        normalizer = mean_over_processes(labelled_pixels(target).to(losses.dtype))
    return losses.sum() / torch.where(normalizer > 0, normalizer, 1)


def mean_over_processes(number: Tensor) -> Tensor:
    """The mean over the processes in training, in place; elsewhere ``number`` as it is.

    Processes whose batches have more labelled pixels then count more: the gradients that they
    average are those of one process with all the images.
    """
    if torch.is_grad_enabled():
        all_reduce(number, op="mean")
    return number
