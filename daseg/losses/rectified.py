"""Cross-entropy that trusts a pseudo-label as far as the two heads agree."""

import torch
import torch.nn.functional as F
from torch import Tensor

from daseg.losses.balanced import BalancedCrossEntropyLoss
from daseg.losses.pixels import at_least_float32
from daseg.registry import LOSSES


@LOSSES.register_module()
class RectifiedCrossEntropyLoss(BalancedCrossEntropyLoss):
    """Cross-entropy of one head, the less of it the further the other head is from it.

    Zheng and Yang, "Rectifying Pseudo Label Learning via Uncertainty Estimation for Domain Adaptive
    Semantic Segmentation", IJCV 2021, its rectified loss as the authors' code computes it: with the
    variance ``D = KL(other || this)`` of a pixel it is ``mean(exp(-D) * ce) + mean(D)``. Both heads
    get a gradient of D. Both means are over all pixels: one without a pseudo-label has a
    cross-entropy of 0, but takes part in both.

    Several processes, and the parts of a batch that does not fit into memory, make the step of the
    whole batch, since all parts have as many pixels for each image.

    Args:
        num_classes: Number of classes K.
        max_weight: Factor of the cross-entropy of classes of few pixels, as in
            `BalancedCrossEntropyLoss`; 1 weighs all alike, the authors' training has 7.
        rare_pixels: Pixels per image below which a class is rare.
        often: Whether classes that are often absent from batches weigh more, likewise.
        ignore_index: Label of the pixels without a pseudo-label.
    """

    def __init__(
        self,
        *,
        num_classes: int = 19,
        max_weight: float = 1.0,
        rare_pixels: int = 64 * 64,
        often: bool = True,
        ignore_index: int = 255,
    ) -> None:
        super().__init__(
            num_classes=num_classes,
            max_weight=max_weight,
            rare_pixels=rare_pixels,
            often=often,
            hard_percent=0.0,
            ignore_index=ignore_index,
        )

    def forward(  # type: ignore[override]  # the other head in the place of pixel weights
        self, logits: Tensor, target: Tensor, other: Tensor
    ) -> Tensor:
        """Return the loss, a scalar >= 0 of at least float32.

        Args:
            logits: The head that is trained, (N,K,H,W), any float type.
            target: Pseudo-labels (N,H,W), 0..K-1 or ``ignore_index``.
            other: The other head's logits, of the shape of ``logits``.

        Raises:
            ValueError, DataError, ConfigError: As of `CrossEntropyLoss`.
        """
        self._see(logits, target)
        logits, other = at_least_float32(logits), at_least_float32(other)
        loss = self._pixel_losses(logits, target.long(), self._class_weights(logits))
        variance = F.kl_div(
            logits.log_softmax(1), other.log_softmax(1), reduction="none", log_target=True
        ).sum(1)
        return (torch.exp(-variance) * loss).mean() + variance.mean()
