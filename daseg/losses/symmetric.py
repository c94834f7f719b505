"""Cross-entropy that is robust to wrong labels."""

from collections.abc import Sequence

import torch
from torch import Tensor

from daseg.losses.cross_entropy import CrossEntropyLoss
from daseg.registry import LOSSES
from daseg.utils.errors import ConfigError


@LOSSES.register_module()
class SymmetricCrossEntropyLoss(CrossEntropyLoss):
    """Cross-entropy in both directions: of the label and of the prediction.

    Wang et al., "Symmetric Cross Entropy for Robust Learning with Noisy Labels", ICCV 2019, eqs.
    (7) and (8): ``alpha * ce + beta * rce``. The reverse cross-entropy of a pixel of label y is
    ``-sum_k p_k log(q_k)`` with q the one-hot label and log(0) put at a constant A < 0, which is
    ``-A * (1 - p_y)``: it is bounded, and so is the effect of a wrong label.

    Means, class weights and ``normalizer`` are those of `CrossEntropyLoss`.

    Args:
        alpha: Weight of the cross-entropy.
        beta: Weight of the reverse cross-entropy.
        log_zero: A. Only ``beta * A`` matters.
        class_weights: One weight for each class; None weighs all alike.
        ignore_index: Label of the pixels that count nowhere.

    Raises:
        ConfigError: A weight is negative, both are 0, or ``log_zero`` is not below 0.
    """

    def __init__(
        self,
        *,
        alpha: float = 0.1,
        beta: float = 1.0,
        log_zero: float = -4.0,
        class_weights: Sequence[float] | None = None,
        ignore_index: int = 255,
    ) -> None:
        super().__init__(class_weights=class_weights, ignore_index=ignore_index)
        if min(alpha, beta) < 0 or alpha + beta == 0 or log_zero >= 0:
            raise ConfigError(
                "SymmetricCrossEntropyLoss needs alpha and beta of at least 0, not both 0, and "
                f"log_zero below 0; got alpha={alpha}, beta={beta}, log_zero={log_zero}"
            )
        self.alpha, self.beta, self.log_zero = alpha, beta, log_zero

    def pixel_losses(self, logits: Tensor, target: Tensor, class_weights: Tensor | None) -> Tensor:
        """The loss of each pixel (N,H,W), as in `CrossEntropyLoss`."""
        forward = super().pixel_losses(logits, target, class_weights)
        labelled = target != self.ignore_index
        label = torch.where(labelled, target, 0)
        prob = logits.softmax(1).gather(1, label[:, None])[:, 0]
        reverse = -self.log_zero * (1 - prob) * labelled
        if class_weights is not None:
            reverse = reverse * class_weights[label]
        return self.alpha * forward + self.beta * reverse
