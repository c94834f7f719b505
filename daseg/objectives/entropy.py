"""Make the segmentor certain of its predictions on target images."""

from typing import Any

from torch import Tensor, nn

from daseg.losses.entropy import MaxSquareLoss
from daseg.objectives.base import Objective, Weights, head_weights, key_of, weighed
from daseg.objectives.views import View
from daseg.registry import LOSSES, OBJECTIVES


class ConfidenceObjective(Objective):
    """A measure of the target's logits, on each head that has a weight.

    Args:
        term: Key of the main head's loss in the log.
        loss: The measure: logits (N,K,H,W) -> scalar.
        defaults: Weight of each head where ``weights`` is None; one that is not there is unused.
        weights: Weight of each head, by name, or None.
        name: End of the keys in the log.

    Raises:
        ConfigError: ``weights`` names a head that is not there.
    """

    reads = ("target",)

    def __init__(
        self,
        term: str,
        loss: nn.Module,
        defaults: Weights,
        weights: Weights | None,
        name: str,
    ) -> None:
        super().__init__()
        self.term, self.loss, self.name = term, loss, name
        self.weights, self.heads = head_weights(weights, **defaults)

    def target_losses(self, target: View) -> dict[str, Tensor]:
        """The losses of the heads, weighted."""
        return {
            key_of(self.term, head, self.name): weight * self.loss(target.head(head))
            for head, weight in weighed(target, self.weights)
        }


@OBJECTIVES.register_module()
class EntropyMinimization(ConfidenceObjective):
    """Small entropy of the predictions on the target.

    Vu et al., "ADVENT: Adversarial Entropy Minimization for Domain Adaptation in Semantic
    Segmentation", CVPR 2019, eqs. (2) to (4) ("MinEnt"); the defaults are the paper's. FDA (Yang
    and Soatto, CVPR 2020) has ``weight=0.005, loss=dict(type='RobustEntropyLoss')``.

    Args:
        weight: Weight of the main head's mean normalised entropy, ``loss_entropy``.
        aux_weight: Weight of the auxiliary head's, ``loss_entropy_aux``; unused without the head.
        loss: The measure of entropy, a loss of logits alone or its config; default `EntropyLoss`.
        weights: Weight of each head, by name, in the place of ``weight`` and ``aux_weight``.
        name: Distinguishes two of these in the log: ``loss_entropy_<name>``.
    """

    def __init__(
        self,
        *,
        weight: float = 0.001,
        aux_weight: float = 0.0002,
        loss: nn.Module | dict[str, Any] | None = None,
        weights: Weights | None = None,
        name: str = "",
    ) -> None:
        measure = LOSSES.build(loss or dict(type="EntropyLoss"))
        super().__init__("loss_entropy", measure, dict(main=weight, aux=aux_weight), weights, name)


@OBJECTIVES.register_module()
class MaxSquare(ConfidenceObjective):
    """Large squares of the probabilities on the target.

    Chen et al., "Domain Adaptation for Semantic Segmentation with Maximum Squares Loss", ICCV
    2019: the maximum squares loss and its image-wise weighting factor; see `MaxSquareLoss`.

    Args:
        weight: Weight of the main head's loss, ``loss_max_square``; the paper's.
        aux_weight: Weight of the auxiliary head's, ``loss_max_square_aux``; unused without it. The
            default is as much less than ``weight`` as AdaptSegNet's auxiliary loss is.
        balance: How much rare classes of an image count more, 0..1; see `MaxSquareLoss`.
        weights: Weight of each head, by name, in the place of ``weight`` and ``aux_weight``.
        name: Distinguishes two of these in the log: ``loss_max_square_<name>``.
    """

    def __init__(
        self,
        *,
        weight: float = 0.1,
        aux_weight: float = 0.01,
        balance: float = 0.0,
        weights: Weights | None = None,
        name: str = "",
    ) -> None:
        loss = MaxSquareLoss(balance=balance)
        super().__init__("loss_max_square", loss, dict(main=weight, aux=aux_weight), weights, name)


@OBJECTIVES.register_module()
class InformationMaximization(ConfidenceObjective):
    """Certain predictions on the target, of many classes.

    Liang et al., "Do We Really Need to Access the Source Data? Source Hypothesis Transfer for
    Unsupervised Domain Adaptation" (SHOT), ICML 2020, eqs. (3) and (4); see `InformationLoss`. It
    is made for a training without a source, where entropy alone makes rare classes disappear. The
    paper classifies images and has weight 1; there is no published value for segmentation.

    Args:
        weight: Weight of the main head's loss, ``loss_information``.
        aux_weight: Weight of the auxiliary head's, ``loss_information_aux``; unused without it.
        diversity: Weight of the entropy of the mean prediction.
        weights: Weight of each head, by name, in the place of ``weight`` and ``aux_weight``.
        name: Distinguishes two of these in the log: ``loss_information_<name>``.
    """

    def __init__(
        self,
        *,
        weight: float = 0.01,
        aux_weight: float = 0.002,
        diversity: float = 1.0,
        weights: Weights | None = None,
        name: str = "",
    ) -> None:
        loss = LOSSES.build(dict(type="InformationLoss", diversity=diversity))
        defaults = dict(main=weight, aux=aux_weight)
        super().__init__("loss_information", loss, defaults, weights, name)
