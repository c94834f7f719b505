"""Divergence of two predictions of one image."""

from torch import Tensor, nn
from torch.nn import functional as F

from daseg.ops.logits import at_least_float32
from daseg.registry import LOSSES


def mean_prediction(logits: Tensor, aux_logits: Tensor, aux_weight: float) -> Tensor:
    """Logits of both heads together, ``logits + aux_weight * aux_logits``, at least float32."""
    return at_least_float32(logits) + aux_weight * at_least_float32(aux_logits)


@LOSSES.register_module()
class MemoryRegularizationLoss(nn.Module):
    """Divergence of both heads from their common prediction.

    With ``m = softmax(main + aux_weight * aux)``, which gets no gradient, the mean over the pixels
    of ``KL(m || main) + KL(m || aux)``. It is what the published training of Zheng and Yang,
    "Unsupervised Scene Adaptation with Memory Regularization in vivo", IJCAI 2020, computes; the
    paper's eq. (5) is a symmetric divergence of the two heads instead.

    Args:
        aux_weight: Weight of the auxiliary head's logits in the common prediction.
    """

    def __init__(self, *, aux_weight: float = 0.5) -> None:
        super().__init__()
        self.aux_weight = aux_weight

    def forward(self, logits: Tensor, aux_logits: Tensor) -> Tensor:
        """Return the loss, a scalar >= 0 of at least float32.

        Args:
            logits: Main head's logits (N,K,H,W), any float type.
            aux_logits: Auxiliary head's, of the same shape.
        """
        mean = mean_prediction(logits, aux_logits, self.aux_weight)
        log_mean = mean.detach().log_softmax(dim=1)
        pixels = mean.numel() // mean.shape[1]
        divergence = [
            F.kl_div(
                at_least_float32(head).log_softmax(dim=1),
                log_mean,
                reduction="sum",
                log_target=True,
            )
            for head in (logits, aux_logits)
        ]
        return (divergence[0] + divergence[1]) / pixels
