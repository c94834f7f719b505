"""Make the two heads agree on target images."""

from torch import Tensor

from daseg.losses.consistency import MemoryRegularizationLoss
from daseg.objectives.base import Objective, View
from daseg.objectives.naming import check_level, suffix_of
from daseg.registry import OBJECTIVES
from daseg.segmentor import Segmentor


@OBJECTIVES.register_module()
class MemoryRegularization(Objective):
    """Little divergence of both heads from what they say together.

    Zheng and Yang, "Unsupervised Scene Adaptation with Memory Regularization in vivo", IJCAI 2020,
    section 3.4, as their code computes it (see `MemoryRegularizationLoss`), with the code's values.
    The paper has the term start at iteration 10,000, the code at 15,000.

    Args:
        weight: Weight of the divergence, ``loss_memory``.
        begin: Number of train steps made before the first one that has the term. Before it the
            objective does not ask for the target.
        aux_weight: Weight of the auxiliary head's logits in the common prediction.
        name: Distinguishes two of these in the log: ``loss_memory_<name>``.

    Raises:
        ConfigError: The segmentor has no auxiliary head.
    """

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

    def prepare(self, segmentor: Segmentor) -> None:
        """Check that there are two heads."""
        check_level(self, "aux", segmentor)

    def needs_target(self, iteration: int) -> bool:
        """Whether ``iteration`` steps were made and ``begin`` is reached."""
        return iteration >= self.begin

    def target_losses(self, target: View) -> dict[str, Tensor]:
        """``loss_memory``, weighted; nothing before ``begin``."""
        if not self.needs_target(target.iteration):
            return {}
        return {self.key: self.weight * self.loss(target.logits, target.level("aux"))}
