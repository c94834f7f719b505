"""Make the segmentor sure of what it says of target images."""

from typing import Any

from torch import Tensor, nn

from daseg.losses.entropy import MaxSquareLoss
from daseg.objectives.base import Objective, View
from daseg.objectives.naming import suffix_of
from daseg.registry import LOSSES, OBJECTIVES


class Decidedness(Objective):
    """A measure of the target's logits, of both heads where there are two.

    Args:
        key: Its key in the log, without the suffix of the auxiliary head.
        loss: The measure: logits (N,K,H,W) -> scalar.
        weight: Its weight on the main head.
        aux_weight: Its weight on the auxiliary head; unused without one.
        name: End of the keys in the log.
    """

    def __init__(
        self, key: str, loss: nn.Module, *, weight: float, aux_weight: float, name: str
    ) -> None:
        super().__init__()
        self.key, self.loss = key, loss
        self.weight, self.aux_weight, self.name = weight, aux_weight, name

    def target_losses(self, target: View) -> dict[str, Tensor]:
        """The losses of the main head and, where there is one, of the auxiliary head, weighted."""
        losses = {self.key + suffix_of(self.name): self.weight * self.loss(target.logits)}
        if target.aux_logits is not None:
            aux = self.aux_weight * self.loss(target.aux_logits)
            losses[self.key + suffix_of("aux", self.name)] = aux
        return losses


@OBJECTIVES.register_module()
class EntropyMinimization(Decidedness):
    """Small entropy of the predictions on the target.

    Vu et al., "ADVENT: Adversarial Entropy Minimization for Domain Adaptation in Semantic
    Segmentation", CVPR 2019, eqs. (2) to (4) ("MinEnt"); the defaults are the paper's. FDA (Yang
    and Soatto, CVPR 2020) has ``weight=0.005, loss=dict(type='RobustEntropyLoss')``.

    Args:
        weight: Weight of the main head's mean normalised entropy, ``loss_entropy``.
        aux_weight: Weight of the auxiliary head's, ``loss_entropy_aux``; unused without the head.
        loss: The measure of entropy, a loss of logits alone or its config; default `EntropyLoss`.
        name: Distinguishes two of these in the log: ``loss_entropy_<name>``.
    """

    def __init__(
        self,
        *,
        weight: float = 0.001,
        aux_weight: float = 0.0002,
        loss: nn.Module | dict[str, Any] | None = None,
        name: str = "",
    ) -> None:
        measure = LOSSES.build(loss or dict(type="EntropyLoss"))
        super().__init__("loss_entropy", measure, weight=weight, aux_weight=aux_weight, name=name)


@OBJECTIVES.register_module()
class MaxSquare(Decidedness):
    """Large squares of the probabilities on the target.

    Chen et al., "Domain Adaptation for Semantic Segmentation with Maximum Squares Loss", ICCV
    2019: the maximum squares loss and its image-wise weighting factor; see `MaxSquareLoss`.

    Args:
        weight: Weight of the main head's loss, ``loss_max_square``; the paper's.
        aux_weight: Weight of the auxiliary head's, ``loss_max_square_aux``; unused without it. The
            default is as much less than ``weight`` as AdaptSegNet's auxiliary loss is.
        balance: How much rare classes of an image count more, 0..1; see `MaxSquareLoss`.
        name: Distinguishes two of these in the log: ``loss_max_square_<name>``.
    """

    def __init__(
        self,
        *,
        weight: float = 0.1,
        aux_weight: float = 0.01,
        balance: float = 0.0,
        name: str = "",
    ) -> None:
        loss = MaxSquareLoss(balance=balance)
        super().__init__("loss_max_square", loss, weight=weight, aux_weight=aux_weight, name=name)
