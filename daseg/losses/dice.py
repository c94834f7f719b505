"""Overlap of the soft prediction with the label."""

import torch
from torch import Tensor, nn

from daseg.losses.pixels import check_target
from daseg.ops.logits import at_least_float32
from daseg.registry import LOSSES


@LOSSES.register_module()
class DiceLoss(nn.Module):
    """One minus the soft Dice coefficient, averaged over the classes in the labels.

    Milletari et al., "V-Net: Fully Convolutional Neural Networks for Volumetric Medical Image
    Segmentation", 3DV 2016, Section 3. For a class with probabilities p and indicator g, over the
    labelled pixels i of the batch, each weighed by w_i::

        dice = (2 * sum_i w_i p_i g_i + smooth) / (sum_i w_i p_i^2 + sum_i w_i g_i^2 + smooth)

    A class without a labelled pixel in the batch is left out of the mean: its coefficient would
    depend on ``smooth`` alone. Where no pixel is labelled the loss is 0, with
    a gradient of 0.

    Args:
        smooth: Added to numerator and denominator, in pixels; steadies classes of few pixels.
        ignore_index: Label of the pixels that count nowhere.
    """

    def __init__(self, *, smooth: float = 1.0, ignore_index: int = 255) -> None:
        super().__init__()
        self.smooth = smooth
        self.ignore_index = ignore_index

    def forward(
        self,
        logits: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        normalizer: Tensor | None = None,
    ) -> Tensor:
        """Return the loss, a scalar in 0..1 of at least float32.

        Args:
            logits: (N,K,H,W), at the label's size, any float type.
            target: (N,H,W), integers in 0..K-1 or ``ignore_index``.
            weight: (N,H,W), how much each pixel counts, 0 or more.
            normalizer: Not used: the coefficient is no mean over pixels.

        Raises:
            ValueError: Logits and target differ in size.
            DataError: A label is out of range (checked on the CPU, see `check_target`).
        """
        check_target(logits, target, self.ignore_index)
        prob = at_least_float32(logits).softmax(dim=1)
        counts = (target != self.ignore_index).to(prob.dtype)
        if weight is not None:
            counts = counts * weight
        classes = torch.arange(prob.shape[1], device=target.device).view(1, -1, 1, 1)
        # False everywhere on pixels without a label.
        true = (target[:, None] == classes) & (target[:, None] != self.ignore_index)
        dice = self._coefficient(prob, true.to(prob.dtype), counts[:, None])
        present = true.flatten(2).any(dim=2).any(dim=0)
        return ((1 - dice) * present).sum() / present.sum().clamp(min=1)

    def _coefficient(self, prob: Tensor, true: Tensor, counts: Tensor) -> Tensor:
        """Dice of each class (K,) from (N,K,H,W), (N,K,H,W) and the pixels' weight (N,1,H,W)."""
        over = (0, 2, 3)
        overlap = (counts * prob * true).sum(over)
        size = (counts * prob.square()).sum(over) + (counts * true).sum(over)
        # smooth=0 and a class that is neither there nor predicted would be 0/0.
        size = (size + self.smooth).clamp(min=torch.finfo(prob.dtype).eps)
        return (2 * overlap + self.smooth) / size
