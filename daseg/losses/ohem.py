"""Cross-entropy on the hard pixels only."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from daseg.losses.cross_entropy import CrossEntropyLoss
from daseg.losses.pixels import check_target
from daseg.ops.logits import at_least_float32
from daseg.registry import LOSSES
from daseg.utils.errors import ConfigError


@LOSSES.register_module()
class OHEMCrossEntropyLoss(CrossEntropyLoss):
    """Cross-entropy averaged over the hard pixels: online hard example mining.

    Shrivastava et al., "Training Region-based Object Detectors with Online Hard Example Mining",
    CVPR 2016, Section 4, with pixels for regions. A labelled pixel is hard where the softmax gives
    its class at most ``threshold``. Where fewer than ``keep_fraction`` of all the batch's pixels
    are hard, the hardest ones up to that number are taken, so that late training still learns.
    Weights play no part in the choice; they weigh the chosen pixels as in `CrossEntropyLoss`.

    Args:
        threshold: Probability of the true class, 0..1, up to which a pixel is hard.
        keep_fraction: Smallest share of the batch's pixels to learn from, 0..1. A share and not a
            number, so that it means the same at every crop and batch size.
        class_weights: One weight for each class; None weighs all alike.
        ignore_index: Label of the pixels that count nowhere.

    Raises:
        ConfigError: ``threshold`` or ``keep_fraction`` is not in 0..1.
    """

    def __init__(
        self,
        *,
        threshold: float = 0.7,
        keep_fraction: float = 1 / 16,
        class_weights: Sequence[float] | None = None,
        ignore_index: int = 255,
    ) -> None:
        super().__init__(class_weights=class_weights, ignore_index=ignore_index)
        for name, value in {"threshold": threshold, "keep_fraction": keep_fraction}.items():
            if not 0 <= value <= 1:
                raise ConfigError(f"{name} of OHEMCrossEntropyLoss must be in 0..1, got {value}")
        self.threshold = threshold
        self.keep_fraction = keep_fraction

    def forward(
        self,
        logits: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        normalizer: Tensor | None = None,
    ) -> Tensor:
        """Return the mean loss over the hard pixels of ``target``.

        The arguments are those of `CrossEntropyLoss`; ``normalizer`` is not used, since the hard
        pixels of the whole batch are not known.
        """
        check_target(logits, target, self.ignore_index)
        hard = self.hard_pixels(logits, target)
        return super().forward(logits, torch.where(hard, target, self.ignore_index), weight)

    @torch.no_grad()
    def hard_pixels(self, logits: Tensor, target: Tensor) -> Tensor:
        """Which pixels to learn from: (N,H,W) bool, False where there is no label."""
        target = target.long()
        loss = F.cross_entropy(
            at_least_float32(logits), target, ignore_index=self.ignore_index, reduction="none"
        )
        # Pixels without a label are put last, by a value that no probability reaches.
        prob = torch.exp(-loss).masked_fill(target == self.ignore_index, 2.0)
        return (prob <= self._limit(prob)) & (target != self.ignore_index)

    def _limit(self, prob: Tensor) -> Tensor:
        """The larger of ``threshold`` and the probability that keeps ``keep_fraction``: a scalar.

        The number kept depends on shapes alone, so the host never waits for the device.
        """
        count = int(self.keep_fraction * prob.numel())
        if count == 0:
            return torch.full((), self.threshold, dtype=prob.dtype, device=prob.device)
        hardest = prob.flatten().topk(count, largest=False, sorted=False).values
        return hardest.max().clamp(min=self.threshold)
