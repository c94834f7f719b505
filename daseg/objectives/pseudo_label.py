"""Fit pseudo-labels of target images: what another network, or an earlier one, said of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from daseg.losses.rectified import RectifiedCrossEntropyLoss
from daseg.objectives.base import Objective, View
from daseg.objectives.naming import check_level, suffix_of
from daseg.ops.labels import IGNORE
from daseg.ops.micro_batch import part_of, whole_label
from daseg.registry import LOSSES, OBJECTIVES
from daseg.segmentor import Segmentor
from daseg.utils.errors import ConfigError


class FromPseudoLabels(Objective):
    """What objectives on pseudo-labels share: where they come from, and the border left out.

    Args:
        ignore_border: Pixels within so many of the border of the image, as the network sees it,
            are not learnt: there the teacher had little to look at.
        name: Distinguishes two of one class in the log: ``loss_pseudo_<name>``.

    Raises:
        ConfigError: ``ignore_border`` is negative.

    Attributes:
        begin: The iteration from which on there are pseudo-labels; before it the objective has
            nothing to say. `PseudoLabelHook` sets it where it makes the first ones.
    """

    begin = 0

    def __init__(self, *, ignore_border: int, name: str) -> None:
        super().__init__()
        if ignore_border < 0:
            raise ConfigError(
                f"{type(self).__name__}: ignore_border is at least 0, not {ignore_border}"
            )
        self.ignore_border, self.name = ignore_border, name
        self._whole: Tensor | None = None  # labels of the last batch, and without their border
        self._inner: Tensor | None = None

    def needs_target(self, iteration: int) -> bool:
        """Whether ``begin`` is reached."""
        return iteration >= self.begin

    @contextmanager
    def pseudo_label(self, target: View) -> Iterator[Tensor]:
        """The pseudo-labels (N,H,W) to learn from; inside, a loss knows the whole batch's.

        Raises:
            ConfigError: The training data has none.
        """
        label = target.pseudo_label
        if label is None:
            raise ConfigError(
                f"the objective {type(self).__name__} needs pseudo-labels, but the training data "
                "has none: make them with tools/pseudo_label.py, and give their folder as "
                "train_dataloader.dataset.pseudo_labels of the DomainPair; or have them made in "
                "training, by dict(type='PseudoLabelHook', interval=...) in custom_hooks"
            )
        if not self.ignore_border:
            yield label
            return
        whole, share = whole_label(label)
        if whole is not self._whole:  # once a batch: losses may know it again
            self._whole, self._inner = whole, self._without_border(whole)
        inner = self._inner if whole is label else self._without_border(label)
        assert inner is not None
        with part_of(inner, self._inner, share):
            yield inner

    def _without_border(self, label: Tensor) -> Tensor:
        width, inner = self.ignore_border, label.clone()
        inner[:, :width] = inner[:, -width:] = IGNORE
        inner[..., :width] = inner[..., -width:] = IGNORE
        return inner


@OBJECTIVES.register_module()
class PseudoLabel(FromPseudoLabels):
    """Segmentation loss of both heads on hard pseudo-labels of the target.

    Lee, "Pseudo-Label: The Simple and Efficient Semi-Supervised Learning Method for Deep Neural
    Networks", ICML workshop 2013. The pseudo-labels are those of `DomainPair`, which
    ``tools/pseudo_label.py`` writes: made once, before the training (Li et al., "Bidirectional
    Learning", CVPR 2019); or `PseudoLabelHook`: made anew in rounds (Zou et al., "CBST", ECCV
    2018).

    Args:
        loss: The segmentation loss or its config, for instance `SymmetricCrossEntropyLoss`;
            default cross-entropy over the pixels that have a pseudo-label.
        weight: Weight of the main head's loss, ``loss_pseudo``.
        aux_weight: Weight of the auxiliary head's, ``loss_pseudo_aux``; unused without the head.
        ignore_border: Pixels within so many of the image's border are not learnt.
        name: Distinguishes two of these in the log: ``loss_pseudo_<name>``.

    Raises:
        ConfigError: ``ignore_border`` is negative; in training, the data has no pseudo-labels.
    """

    def __init__(
        self,
        *,
        loss: nn.Module | dict[str, Any] | None = None,
        weight: float = 1.0,
        aux_weight: float = 0.1,
        ignore_border: int = 0,
        name: str = "",
    ) -> None:
        super().__init__(ignore_border=ignore_border, name=name)
        self.loss = LOSSES.build(loss or dict(type="CrossEntropyLoss"))
        self.weight, self.aux_weight = weight, aux_weight

    def target_losses(self, target: View) -> dict[str, Tensor]:
        """``loss_pseudo`` and, where there is an auxiliary head, ``loss_pseudo_aux``, weighted."""
        with self.pseudo_label(target) as label:
            loss = self.loss(target.logits, label)
            losses = {"loss_pseudo" + suffix_of(self.name): self.weight * loss}
            if target.aux_logits is not None:
                aux = self.aux_weight * self.loss(target.aux_logits, label)
                losses["loss_pseudo" + suffix_of("aux", self.name)] = aux
        return losses


@OBJECTIVES.register_module()
class RectifiedPseudoLabel(FromPseudoLabels):
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
        check_level(self, "aux", segmentor)
        self.loss = RectifiedCrossEntropyLoss(num_classes=segmentor.num_classes, **self.balance)

    def target_losses(self, target: View) -> dict[str, Tensor]:
        """``loss_rectified`` and ``loss_rectified_aux``, weighted."""
        main, aux = target.logits, target.level("aux")
        with self.pseudo_label(target) as label:
            losses = self.loss(main, label, aux), self.loss(aux, label, main)
        keys = suffix_of(self.name), suffix_of("aux", self.name)
        weights = self.weight, self.aux_weight
        return {
            f"loss_rectified{key}": weight * loss
            for key, weight, loss in zip(keys, weights, losses, strict=True)
        }
