"""Make the two heads agree on target images."""

from torch import Tensor

from daseg.losses.consistency import MemoryRegularizationLoss
from daseg.objectives.base import Objective, suffix_of
from daseg.objectives.views import View
from daseg.registry import OBJECTIVES


@OBJECTIVES.register_module()
class MemoryRegularization(Objective):
    """Little divergence of both heads from their common prediction.

    Zheng and Yang, "Unsupervised Scene Adaptation with Memory Regularization in vivo", IJCAI 2020,
    section 3.4, as their code computes it (see `MemoryRegularizationLoss`), with the code's values.
    The paper has the term start at iteration 10,000, the code at 15,000.

    Args:
        weight: Weight of the divergence, ``loss_memory``.
        begin: Number of train steps made before the first one that has the term.
        aux_weight: Weight of the auxiliary head's logits in the common prediction.
        name: Distinguishes two of these in the log: ``loss_memory_<name>``.

    Raises:
        ConfigError: The segmentor has no auxiliary head.
    """

    reads = ("target",)
    heads = ("aux",)

    def __init__(
        self,
        *,
        weight: float = 0.1,
        begin: int = 15_000,
        aux_weight: float = 0.5,
        name: str = "",
    ) -> None:
        super().__init__()
        self.loss = MemoryRegularizationLoss(aux_weight=aux_weight)
        self.weight, self.begin = weight, begin
        self.key = "loss_memory" + suffix_of(name)

    def is_active(self, iteration: int) -> bool:
        """Whether ``begin`` is reached after ``iteration`` steps."""
        return iteration >= self.begin

    def target_losses(self, target: View) -> dict[str, Tensor]:
        """``loss_memory``, weighted."""
        return {self.key: self.weight * self.loss(target.logits, target.head("aux"))}
