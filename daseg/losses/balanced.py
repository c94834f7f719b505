"""Cross-entropy with class weights that follow the batches."""

import math

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce
from torch import Tensor

from daseg.losses.cross_entropy import CrossEntropyLoss
from daseg.losses.pixels import at_least_float32, check_target
from daseg.ops.micro_batch import whole_label
from daseg.registry import LOSSES
from daseg.utils.errors import ConfigError

MOMENTUM = 0.1  # how much a batch moves the running weights of absent classes


@LOSSES.register_module()
class BalancedCrossEntropyLoss(CrossEntropyLoss):
    """Cross-entropy that favours classes of few pixels, and the hard pixels of each batch.

    The supervised loss that Zheng and Yang, "Unsupervised Scene Adaptation with Memory
    Regularization in vivo", IJCAI 2020, train their published networks with; it is in their code
    (class balance, often balance, only hard labels) and not in the paper. For a batch of n images:

    - A class with less than ``rare_pixels * n`` pixels weighs ``max_weight``, else 1.
    - With ``often`` this is multiplied by a running weight, 1 at first:
      ``running = 0.9 * running + 0.1 * (max_weight where the class has no pixel, else 1)``.
    - Of the cross-entropies, so weighted, those below the ``hard_percent``-th percentile of all
      pixels are left out. Pixels without a label take part in the percentile, with 0.
    - The rest is averaged as in `CrossEntropyLoss`.

    The weights are the same for all losses of one batch (of the main and the auxiliary head), and
    the running ones move once for each, in training only. They are in the checkpoint.

    Several processes, and the parts of a batch that does not fit into memory, count pixels of
    classes together: their weights are those of the whole batch. The percentile is each one's
    own, and each part is averaged over its own hard pixels.

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

    running: Tensor

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
        super().__init__(ignore_index=ignore_index)
        if not 0 <= hard_percent <= 100:
            raise ConfigError(
                f"hard_percent of {type(self).__name__} must be in 0..100, got {hard_percent}"
            )
        if max_weight <= 0:
            raise ConfigError(
                f"max_weight of {type(self).__name__} must be positive, got {max_weight}"
            )
        self.max_weight, self.rare_pixels, self.often = max_weight, rare_pixels, often
        self.hard_percent = hard_percent
        self.register_buffer("running", torch.ones(num_classes))
        self._batch: Tensor | None = None  # the labels that the weights below are of
        self._weights = torch.ones(num_classes)

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the mean loss over the hard pixels; arguments as of `CrossEntropyLoss`."""
        self._see(logits, target)
        hard = self.hard_pixels(logits, target)
        return super().forward(logits, torch.where(hard, target, self.ignore_index), weight)

    def _see(self, logits: Tensor, target: Tensor) -> None:
        """Check the arguments; take the class weights of the batch, once for all its losses."""
        check_target(logits, target, self.ignore_index)
        if logits.shape[1] != len(self.running):
            raise ConfigError(
                f"num_classes of {type(self).__name__} is {len(self.running)}, "
                f"the model has {logits.shape[1]} classes"
            )
        batch, _ = whole_label(target)
        if batch is not self._batch:
            self._batch, self._weights = batch, self._weights_of(batch)

    @torch.no_grad()
    def hard_pixels(self, logits: Tensor, target: Tensor) -> Tensor:
        """Which pixels to learn from: (N,H,W) bool, False where there is no label."""
        labelled = target != self.ignore_index
        if self.hard_percent == 0:
            return labelled
        loss = F.cross_entropy(
            at_least_float32(logits),
            target.long(),
            self._class_weights(logits),
            ignore_index=self.ignore_index,
            reduction="none",
        )
        # The first value at or above the percentile; numbers alone decide how many there are.
        left_out = math.ceil(self.hard_percent * (loss.numel() - 1) / 100)
        hardest = loss.flatten().topk(loss.numel() - left_out, sorted=False).values
        return (loss >= hardest.min()) & labelled

    @torch.no_grad()
    def _weights_of(self, label: Tensor) -> Tensor:
        """Class weights (K,) for labels (N,H,W); in training the running ones move."""
        classes = range(len(self.running))
        counts = torch.stack([(label == k).sum() for k in classes]).float()
        images = counts.new_full((), len(label))
        if self.training:
            all_reduce(counts, op="sum")
            all_reduce(images, op="sum")
            if self.often:
                absent = torch.where(counts == 0, self.max_weight, 1.0)
                self.running.mul_(1 - MOMENTUM).add_(MOMENTUM * absent)
        rare = torch.where(counts < self.rare_pixels * images, self.max_weight, 1.0)
        return rare * self.running

    def _class_weights(self, logits: Tensor) -> Tensor:
        return self._weights.to(at_least_float32(logits))
