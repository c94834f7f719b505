"""Cross-entropies with class weights that follow the batches."""

import math

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce
from torch import Tensor, nn

from daseg.losses.cross_entropy import labelled_mean, mean_over_processes
from daseg.losses.pixels import check_target
from daseg.ops.logits import at_least_float32, class_pixels
from daseg.registry import LOSSES
from daseg.utils.errors import ConfigError

MOMENTUM = 0.1  # how much a batch moves the running weights of absent classes


class ClassBalance(nn.Module):
    """Class weights that are larger for classes of few pixels.

    In a batch of n images a class with less than ``rare_pixels * n`` pixels weighs ``max_weight``,
    else 1. With ``often`` this is multiplied by a running weight, 1 at first::

        running = 0.9 * running + 0.1 * (max_weight where the class has no pixel, else 1)

    It moves once a batch, by `begin_batch`, and is in the checkpoint.

    Args:
        num_classes: Number of classes K.
        max_weight: Weight of rare and of absent classes.
        rare_pixels: Pixels per image below which a class is rare.
        often: Whether to keep running weights.
        ignore_index: Label of the pixels that count nowhere.

    Raises:
        ConfigError: ``max_weight`` is not positive.
    """

    running: Tensor

    def __init__(
        self,
        num_classes: int,
        *,
        max_weight: float,
        rare_pixels: int,
        often: bool,
        ignore_index: int,
    ) -> None:
        super().__init__()
        if max_weight <= 0:
            raise ConfigError(
                f"max_weight of {type(self).__name__} must be positive, got {max_weight}"
            )
        self.max_weight, self.rare_pixels, self.often = max_weight, rare_pixels, often
        self.ignore_index = ignore_index
        self.register_buffer("running", torch.ones(num_classes))
        self._weights = torch.ones(num_classes)  # of the last batch

    @torch.no_grad()
    def begin_batch(self, target: Tensor) -> None:
        """Take the weights of a batch; in training the running ones move.

        To be called once a batch, before its losses.

        Args:
            target: The labels of the whole batch, (N,H,W).
        """
        pixels = class_pixels(target, len(self.running)).float()
        images = pixels.new_full((), len(target))
        if self.training:
            all_reduce(pixels, op="sum")
            all_reduce(images, op="sum")
            if self.often:
                absent = torch.where(pixels == 0, self.max_weight, 1.0)
                self.running.mul_(1 - MOMENTUM).add_(MOMENTUM * absent)
        rare = torch.where(pixels < self.rare_pixels * images, self.max_weight, 1.0)
        self._weights = rare * self.running

    def class_weights(
        self, logits: Tensor, target: Tensor, normalizer: Tensor | None = None
    ) -> Tensor:
        """Check the labels; return the class weights (K,) of their batch.

        Args:
            logits: (N,K,H,W).
            target: Labels (N,H,W).
            normalizer: None: ``target`` is a batch of its own; else one that `begin_batch` was
                told of.
        """
        check_target(logits, target, self.ignore_index)
        if logits.shape[1] != len(self.running):
            raise ConfigError(
                f"num_classes of {type(self).__name__} is {len(self.running)}, "
                f"the model has {logits.shape[1]} classes"
            )
        if normalizer is None:
            self.begin_batch(target)
        return self._weights.to(at_least_float32(logits))


@LOSSES.register_module()
class BalancedCrossEntropyLoss(ClassBalance):
    """Cross-entropy with larger weights for rare classes, on the hard pixels of each batch.

    The supervised loss that Zheng and Yang, "Unsupervised Scene Adaptation with Memory
    Regularization in vivo", IJCAI 2020, train their published networks with; it is in their code
    (class balance, often balance, only hard labels) and not in the paper:

    - Classes weigh as in `ClassBalance`.
    - Of the cross-entropies, so weighted, those below the ``hard_percent``-th percentile of all
      pixels are left out. Pixels without a label take part in the percentile, with 0.
    - The rest is averaged as in `CrossEntropyLoss`.

    The class weights are those of the whole batch, also where it goes through the network in parts
    or is spread over processes. The percentile is each part's own, and each part is averaged over
    its own hard pixels.

    Args:
        num_classes: Number of classes K.
        max_weight: Weight of rare and of absent classes.
        rare_pixels: Pixels per image below which a class is rare.
        often: Whether to keep running weights.
        hard_percent: Share of the pixels, in percent, that is left out; 0 keeps all.
        ignore_index: Label of the pixels that count nowhere.

    Raises:
        ConfigError: ``hard_percent`` is not in 0..100, or ``max_weight`` is not positive.
    """

    def __init__(
        self,
        *,
        num_classes: int = 19,
        max_weight: float = 7.0,
        rare_pixels: int = 64 * 64,
        often: bool = True,
        hard_percent: float = 80.0,
        ignore_index: int = 255,
    ) -> None:
        super().__init__(
            num_classes,
            max_weight=max_weight,
            rare_pixels=rare_pixels,
            often=often,
            ignore_index=ignore_index,
        )
        if not 0 <= hard_percent <= 100:
            raise ConfigError(
                f"hard_percent of {type(self).__name__} must be in 0..100, got {hard_percent}"
            )
        self.hard_percent = hard_percent

    def forward(
        self,
        logits: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        normalizer: Tensor | None = None,
    ) -> Tensor:
        """Return the mean loss over the hard pixels of ``target``, a scalar of at least float32.

        Args:
            logits: (N,K,H,W), any float type.
            target: Labels (N,H,W), 0..K-1 or ``ignore_index``.
            weight: (N,H,W), a factor for each pixel's loss.
            normalizer: None: ``target`` is a batch of its own. Any other value: it is of the batch
                that `begin_batch` was told of. It is not divided by, since the hard pixels of the
                whole batch are not known.

        Raises:
            ValueError, DataError, ConfigError: As `CrossEntropyLoss` and `ClassBalance` do.
        """
        class_weights = self.class_weights(logits, target, normalizer)
        hard = self.hard_pixels(logits, target, class_weights)
        target = torch.where(hard, target, self.ignore_index).long()
        losses = F.cross_entropy(
            at_least_float32(logits),
            target,
            class_weights,
            ignore_index=self.ignore_index,
            reduction="none",
        )
        if weight is not None:
            losses = losses * weight
        counted = class_weights[torch.where(hard, target, 0)] * hard
        return labelled_mean(losses, target, mean_over_processes(counted.sum()))

    @torch.no_grad()
    def hard_pixels(self, logits: Tensor, target: Tensor, class_weights: Tensor) -> Tensor:
        """Which pixels to learn from: (N,H,W) bool, False where there is no label."""
        labelled = target != self.ignore_index
        if self.hard_percent == 0:
            return labelled
        losses = F.cross_entropy(
            at_least_float32(logits),
            target.long(),
            class_weights,
            ignore_index=self.ignore_index,
            reduction="none",
        )
        # The first value at or above the percentile; numbers alone decide how many there are.
        left_out = math.ceil(self.hard_percent * (losses.numel() - 1) / 100)
        hardest = losses.flatten().topk(losses.numel() - left_out, sorted=False).values
        return (losses >= hardest.min()) & labelled


@LOSSES.register_module()
class RectifiedCrossEntropyLoss(ClassBalance):
    """Cross-entropy of one head, weighted by how much the other head agrees.

    Zheng and Yang, "Rectifying Pseudo Label Learning via Uncertainty Estimation for Domain Adaptive
    Semantic Segmentation", IJCV 2021, its rectified loss as the authors' code computes it: with the
    variance ``D = KL(other || this)`` of a pixel it is ``mean(exp(-D) * ce) + mean(D)``. Both heads
    get a gradient of D. Both means are over all pixels: one without a pseudo-label has a
    cross-entropy of 0, but takes part in both. The cross-entropy has the weights of `ClassBalance`.

    Several processes, and the parts of a batch that does not fit into memory, make the step of the
    whole batch, since all parts have as many pixels for each image.

    Args:
        num_classes: Number of classes K.
        max_weight: Weight of rare and of absent classes; 1 weighs all alike, the authors'
            training has 7.
        rare_pixels: Pixels per image below which a class is rare.
        often: Whether to keep running weights.
        ignore_index: Label of the pixels without a pseudo-label.

    Raises:
        ConfigError: ``max_weight`` is not positive.
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
            num_classes,
            max_weight=max_weight,
            rare_pixels=rare_pixels,
            often=often,
            ignore_index=ignore_index,
        )

    def forward(
        self, logits: Tensor, target: Tensor, other: Tensor, normalizer: Tensor | None = None
    ) -> Tensor:
        """Return the loss, a scalar >= 0 of at least float32.

        Args:
            logits: The head that is trained, (N,K,H,W), any float type.
            target: Pseudo-labels (N,H,W), 0..K-1 or ``ignore_index``.
            other: The other head's logits, of the shape of ``logits``.
            normalizer: As in `BalancedCrossEntropyLoss`.

        Raises:
            ValueError, DataError, ConfigError: As `CrossEntropyLoss` and `ClassBalance` do.
        """
        class_weights = self.class_weights(logits, target, normalizer)
        logits, other = at_least_float32(logits), at_least_float32(other)
        losses = F.cross_entropy(
            logits,
            target.long(),
            class_weights,
            ignore_index=self.ignore_index,
            reduction="none",
        )
        variance = F.kl_div(
            logits.log_softmax(1), other.log_softmax(1), reduction="none", log_target=True
        ).sum(1)
        return (torch.exp(-variance) * losses).mean() + variance.mean()
