"""Fit the labels of the source domain."""

from typing import Any

from torch import Tensor, nn

from daseg.objectives.base import Objective, View
from daseg.registry import LOSSES, OBJECTIVES
from daseg.utils.errors import ConfigError


@OBJECTIVES.register_module()
class Supervised(Objective):
    """Segmentation loss of the main head, and of the auxiliary head where there is one.

    ``loss_seg + aux_weight * loss_aux``, as in Tsai et al., "Learning to Adapt Structured Output
    Space for Semantic Segmentation", CVPR 2018, eq. (5) without its adversarial terms.

    Args:
        loss: The segmentation loss or its config; default cross-entropy over the valid pixels.
        aux_weight: Weight of the auxiliary head's loss; 0.1 in the paper. Unused without the head.
            At 0 the head gets gradients of zero, as distributed training needs.
    """

    def __init__(
        self, loss: nn.Module | dict[str, Any] | None = None, *, aux_weight: float = 0.1
    ) -> None:
        super().__init__()
        self.loss = LOSSES.build(loss or dict(type="CrossEntropyLoss"))
        self.aux_weight = aux_weight

    def source_losses(self, source: View) -> dict[str, Tensor]:
        """``loss_seg``, and ``loss_seg_aux``, weighted, where there is an auxiliary head."""
        if source.label is None:
            raise ConfigError(
                "the objective Supervised needs labels, but the training dataset has none: "
                "remove labels=False from train_dataloader.dataset"
            )
        losses = {"loss_seg": self.loss(source.logits, source.label)}
        if source.aux_logits is not None:
            losses["loss_seg_aux"] = self.aux_weight * self.loss(source.aux_logits, source.label)
        return losses
