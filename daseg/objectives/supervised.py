"""Fit the labels of the source domain."""

from typing import Any

from torch import Tensor, nn

from daseg.objectives.base import Objective, Weights, head_weights, label_loss, label_losses
from daseg.objectives.views import View
from daseg.registry import OBJECTIVES
from daseg.segmentor import Segmentor
from daseg.utils.errors import ConfigError


@OBJECTIVES.register_module()
class Supervised(Objective):
    """Segmentation loss of the main head, and of the other heads where there are any.

    ``loss_seg + aux_weight * loss_aux``, as in Tsai et al., "Learning to Adapt Structured Output
    Space for Semantic Segmentation", CVPR 2018, eq. (5) without its adversarial terms.

    Args:
        loss: The segmentation loss or its config; default cross-entropy over the valid pixels.
        aux_weight: Weight of the auxiliary head's loss; 0.1 in the paper. Unused without the head.
            At 0 the head gets gradients of zero, as distributed training needs.
        weights: Weight of each head's loss, by name, in the place of ``aux_weight``.

    Raises:
        ConfigError: ``weights`` names a head that is not there; or a head has no weight, which
            nobody would train.
    """

    reads = ("source",)

    def __init__(
        self,
        loss: nn.Module | dict[str, Any] | None = None,
        *,
        aux_weight: float = 0.1,
        weights: Weights | None = None,
    ) -> None:
        super().__init__()
        self.loss = label_loss(loss)
        self.weights, self.heads = head_weights(weights, main=1.0, aux=aux_weight)

    def prepare(self, segmentor: Segmentor) -> None:
        """Check that the heads of ``weights`` are there, and that each head has a weight."""
        super().prepare(segmentor)
        left = [name for name in segmentor.head_names if name not in self.weights]
        if left:
            raise ConfigError(
                f"the objective Supervised has no weight for the head {left[0]!r}, which would not "
                f"be trained: give weights=dict(main=1.0, {left[0]}=...)"
            )

    def source_losses(self, source: View) -> dict[str, Tensor]:
        """``loss_seg``, and ``loss_seg_aux``, weighted, where there is an auxiliary head."""
        if source.label is None:
            raise ConfigError(
                "the objective Supervised needs labels, but the training dataset has none: "
                "remove labels=False from train_dataloader.dataset"
            )
        return label_losses("loss_seg", self.loss, source, source.label, self.weights)
