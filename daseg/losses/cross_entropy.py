"""Pixel-wise cross-entropy."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce
from torch import Tensor, nn

from daseg.losses.pixels import at_least_float32, check_target
from daseg.ops.micro_batch import whole_label
from daseg.registry import LOSSES
from daseg.utils.errors import ConfigError


@LOSSES.register_module()
class CrossEntropyLoss(nn.Module):
    """Cross-entropy of the softmax over classes, averaged over the labelled pixels.

    With y the target, c the class weights and w the pixel weights, over the labelled pixels i::

        loss = sum_i w_i * c[y_i] * ce_i / sum_i c[y_i]

    So class weights are normalised as in ``F.cross_entropy(weight=c)``, where their common scale
    cancels, while pixel weights are not: weights of 0.5 everywhere halve the loss, as confidences
    of pseudo-labels should. Where no pixel is labelled the loss is 0, with a gradient of 0.

    In training with several processes the denominator is the mean over the processes, so that the
    averaged gradient is that of one process with all the images, however the labels are spread.
    Where a batch goes through the network in parts, it is that of the whole batch.

    Args:
        class_weights: One weight for each class; None weighs all alike.
        ignore_index: Label of the pixels that count nowhere.
    """

    class_weights: Tensor | None

    def __init__(
        self, *, class_weights: Sequence[float] | None = None, ignore_index: int = 255
    ) -> None:
        super().__init__()
        weights = None if class_weights is None else torch.tensor(class_weights, dtype=torch.float)
        # The config states them: in the checkpoint they would only stand in the way.
        self.register_buffer("class_weights", weights, persistent=False)
        self.ignore_index = ignore_index

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the mean loss, a scalar of at least float32.

        Args:
            logits: (N,K,H,W), at the label's size, any float type.
            target: (N,H,W), integers in 0..K-1 or ``ignore_index``.
            weight: (N,H,W), a factor for each pixel's loss.

        Raises:
            ValueError: Logits and target differ in size.
            DataError: A label is out of range (checked on the CPU, see `check_target`).
            ConfigError: There are not as many class weights as classes.
        """
        check_target(logits, target, self.ignore_index)
        counted, share = whole_label(target)
        logits, target = at_least_float32(logits), target.long()
        class_weights = self._class_weights(logits)
        loss = self._pixel_losses(logits, target, class_weights)
        if weight is not None:
            loss = loss * weight
        total = self._total_weight(counted.long(), class_weights, loss.dtype)
        if torch.is_grad_enabled():
            # Processes whose batches have more labelled pixels count more. DDP then averages the
            # gradients to those of one process with all the images.
            all_reduce(total, op="mean")
        return loss.sum() / (torch.where(total > 0, total, 1) * share)

    def _pixel_losses(self, logits: Tensor, target: Tensor, class_weights: Tensor | None) -> Tensor:
        """The loss of each pixel (N,H,W), times its class's weight; 0 where it is ignored."""
        return F.cross_entropy(
            logits, target, class_weights, ignore_index=self.ignore_index, reduction="none"
        )

    def _class_weights(self, logits: Tensor) -> Tensor | None:
        if self.class_weights is None:
            return None
        if len(self.class_weights) != logits.shape[1]:
            raise ConfigError(
                f"class_weights of the loss has {len(self.class_weights)} entries, "
                f"the model has {logits.shape[1]} classes"
            )
        return self.class_weights.to(logits)

    def _total_weight(
        self, target: Tensor, class_weights: Tensor | None, dtype: torch.dtype
    ) -> Tensor:
        """Sum of the class weights over the labelled pixels; their number where all are 1."""
        valid = target != self.ignore_index
        if class_weights is None:
            return valid.sum().to(dtype)
        return (class_weights[torch.where(valid, target, 0)] * valid).sum()
