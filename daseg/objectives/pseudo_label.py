"""Fit pseudo-labels of target images: the predictions of another network, or of an earlier one."""

from typing import Any

from torch import Tensor, nn

from daseg.losses.balanced import RectifiedCrossEntropyLoss
from daseg.objectives.base import (
    Objective,
    Weights,
    head_weights,
    label_loss,
    label_losses,
    suffix_of,
)
from daseg.objectives.views import View
from daseg.ops.labels import IGNORE
from daseg.registry import OBJECTIVES
from daseg.segmentor import Segmentor
from daseg.utils.errors import ConfigError


class PseudoLabelObjective(Objective):
    """What objectives on pseudo-labels share: where they come from, and the border left out.

    Args:
        ignore_border: Pixels within so many of the border of the image, as the network sees it,
            are not learnt: there the teacher had little to look at.
        name: Distinguishes two of one class in the log: ``loss_pseudo_<name>``.

    Raises:
        ConfigError: ``ignore_border`` is negative.

    Attributes:
        begin: The iteration from which on there are pseudo-labels; before it the objective is not
            active. `PseudoLabelHook` sets it where it makes the first ones.
    """

    reads = ("target",)
    begin = 0

    def __init__(self, *, ignore_border: int, name: str) -> None:
        super().__init__()
        if ignore_border < 0:
            raise ConfigError(
                f"{type(self).__name__}: ignore_border is at least 0, not {ignore_border}"
            )
        self.ignore_border, self.name = ignore_border, name

    def is_active(self, iteration: int) -> bool:
        """Whether ``begin`` is reached after ``iteration`` steps."""
        return iteration >= self.begin

    def pseudo_labels(self, target: View) -> tuple[Tensor, Tensor]:
        """The pseudo-labels (N,H,W) to learn from, and those of the whole batch.

        Raises:
            ConfigError: The training data has none.
        """
        label, batch = target.pseudo_label, target.labels
        if label is None or batch is None:
            raise ConfigError(
                f"the objective {type(self).__name__} needs pseudo-labels, but the training data "
                "has none: make them with daseg pseudo-label, and give their folder as "
                "train_dataloader.dataset.pseudo_labels of the DomainPair; or have them made in "
                "training, by dict(type='PseudoLabelHook', interval=...) in custom_hooks"
            )
        if not self.ignore_border:
            return label, batch
        return self._without_border(label), self._without_border(batch)

    def _without_border(self, label: Tensor) -> Tensor:
        width, inner = self.ignore_border, label.clone()
        inner[:, :width] = inner[:, -width:] = IGNORE
        inner[..., :width] = inner[..., -width:] = IGNORE
        return inner


@OBJECTIVES.register_module()
class PseudoLabel(PseudoLabelObjective):
    """Segmentation loss of both heads on hard pseudo-labels of the target.

    Lee, "Pseudo-Label: The Simple and Efficient Semi-Supervised Learning Method for Deep Neural
    Networks", ICML workshop 2013. The pseudo-labels are those of `DomainPair`, which
    ``daseg pseudo-label`` writes: made once, before the training (Li et al., "Bidirectional
    Learning", CVPR 2019); or `PseudoLabelHook`: made anew in rounds (Zou et al., "CBST", ECCV
    2018).

    Args:
        loss: The segmentation loss or its config, for instance `SymmetricCrossEntropyLoss`;
            default cross-entropy over the pixels that have a pseudo-label.
        weight: Weight of the main head's loss, ``loss_pseudo``.
        aux_weight: Weight of the auxiliary head's, ``loss_pseudo_aux``; unused without the head.
        ignore_border: Pixels within so many of the image's border are not learnt.
        weights: Weight of each head, by name, in the place of ``weight`` and ``aux_weight``.
        name: Distinguishes two of these in the log: ``loss_pseudo_<name>``.

    Raises:
        ConfigError: ``ignore_border`` is negative; ``weights`` names a head that is not there; in
            training, the data has no pseudo-labels.
    """

    def __init__(
        self,
        *,
        loss: nn.Module | dict[str, Any] | None = None,
        weight: float = 1.0,
        aux_weight: float = 0.1,
        ignore_border: int = 0,
        weights: Weights | None = None,
        name: str = "",
    ) -> None:
        super().__init__(ignore_border=ignore_border, name=name)
        self.loss = label_loss(loss)
        self.weights, self.heads = head_weights(weights, main=weight, aux=aux_weight)

    def target_losses(self, target: View) -> dict[str, Tensor]:
        """``loss_pseudo`` and, where there is an auxiliary head, ``loss_pseudo_aux``, weighted."""
        label, batch = self.pseudo_labels(target)
        return label_losses(
            "loss_pseudo", self.loss, target, label, self.weights, name=self.name, batch=batch
        )


@OBJECTIVES.register_module()
class RectifiedPseudoLabel(PseudoLabelObjective):
    """Cross-entropy of both heads on pseudo-labels, where the heads agree; and that they agree.

    Zheng and Yang, "Rectifying Pseudo Label Learning via Uncertainty Estimation for Domain Adaptive
    Semantic Segmentation", IJCV 2021, as their code computes it; see `RectifiedCrossEntropyLoss`.
    Their second training has ``aux_weight=0.5, max_weight=7``.

    Args:
        weight: Weight of the main head's loss, ``loss_rectified``.
        aux_weight: Weight of the auxiliary head's, ``loss_rectified_aux``.
        max_weight: Factor of the cross-entropy of classes of few pixels; 1 weighs all alike.
        rare_pixels: Pixels per image below which a class is rare.
        often: Whether classes that are often absent from batches weigh more.
        ignore_border: Pixels within so many of the image's border are not learnt.
        name: Distinguishes two of these in the log: ``loss_rectified_<name>``.

    Raises:
        ConfigError: The segmentor has no auxiliary head, ``ignore_border`` is negative or
            ``max_weight`` not positive; in training, the data has no pseudo-labels.
    """

    heads = ("aux",)
    loss: RectifiedCrossEntropyLoss

    def __init__(
        self,
        *,
        weight: float = 1.0,
        aux_weight: float = 0.5,
        max_weight: float = 1.0,
        rare_pixels: int = 64 * 64,
        often: bool = True,
        ignore_border: int = 0,
        name: str = "",
    ) -> None:
        super().__init__(ignore_border=ignore_border, name=name)
        self.weight, self.aux_weight = weight, aux_weight
        self.balance: dict[str, Any] = dict(max_weight=max_weight, rare_pixels=rare_pixels)
        self.balance["often"] = often

    def prepare(self, segmentor: Segmentor) -> None:
        """Check that there are two heads; build the loss for their classes."""
        super().prepare(segmentor)
        self.loss = RectifiedCrossEntropyLoss(num_classes=segmentor.num_classes, **self.balance)

    def target_losses(self, target: View) -> dict[str, Tensor]:
        """``loss_rectified`` and ``loss_rectified_aux``, weighted."""
        label, batch = self.pseudo_labels(target)
        normalizer = target.normalizer(batch)
        if not target.rows.start:
            self.loss.begin_batch(batch)
        main, aux = target.logits, target.head("aux")
        end = suffix_of(self.name)
        return {
            f"loss_rectified{end}": self.weight * self.loss(main, label, aux, normalizer),
            f"loss_rectified_aux{end}": self.aux_weight * self.loss(aux, label, main, normalizer),
        }
