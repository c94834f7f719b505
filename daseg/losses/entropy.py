"""Uncertainty of predictions: measures that need no label."""

import torch
from torch import Tensor, nn

from daseg.losses.cross_entropy import mean_over_processes
from daseg.ops.logits import at_least_float32, entropy
from daseg.registry import LOSSES
from daseg.utils.errors import ConfigError


@LOSSES.register_module()
class EntropyLoss(nn.Module):
    """Mean entropy of the pixels' predictions, divided by the largest one, log K.

    Vu et al., "ADVENT", CVPR 2019, eqs. (2) and (3) ("MinEnt"), as a mean over the pixels.
    """

    def forward(self, logits: Tensor) -> Tensor:
        """Return the loss, 0 (certain) .. 1 (uniform), of logits (N,K,H,W)."""
        return entropy(logits).mean()


@LOSSES.register_module()
class RobustEntropyLoss(nn.Module):
    """Mean penalty of the pixels' entropy that emphasises uncertain pixels.

    Yang and Soatto, "FDA: Fourier Domain Adaptation for Semantic Segmentation", CVPR 2020, eqs.
    (5) and (6): the Charbonnier penalty ``rho(x) = (x^2 + 0.001^2)^eta`` of an entropy x that is
    divided by the largest one, log K, as in the authors' code. Their code adds 0.0001^2, and
    measures at the resolution of the head.

    Args:
        eta: 0.5 is nearly the plain entropy; the larger, the less certain pixels count. Their
            code has 2.

    Raises:
        ConfigError: ``eta`` is not above 0.
    """

    def __init__(self, *, eta: float = 2.0) -> None:
        super().__init__()
        if not eta > 0:
            raise ConfigError(f"eta of RobustEntropyLoss must be above 0, got {eta}")
        self.eta = eta

    def forward(self, logits: Tensor) -> Tensor:
        """Return the loss, about 0 (certain) .. 1 (uniform), of logits (N,K,H,W)."""
        return (entropy(logits).square() + 0.001**2).pow(self.eta).mean()


@LOSSES.register_module()
class MaxSquareLoss(nn.Module):
    """Minus half the mean sum of squared probabilities: like entropy, with a bounded gradient.

    Chen et al., "Domain Adaptation for Semantic Segmentation with Maximum Squares Loss", ICCV
    2019: the maximum squares loss, ``-1/(2N) sum_n sum_k p_nk^2`` over the N pixels. The gradient
    grows linearly with the probability, so that pixels that are certain already do not dominate
    the training.

    With ``balance`` rare classes count more, as with the paper's image-wise weighting factor: the
    1/N of a pixel becomes ``1 / (N_k^balance * N^(1 - balance))``, where N is the number of pixels
    of its image and N_k that of those predicted as its class k.

    The authors' code divides by the number of classes K too, and with the weighting factor leaves
    out the 1/2: there their weight of 0.1 is one of 0.1/K, or 0.2/K with the factor, here.

    Args:
        balance: 0 counts all pixels alike; the paper's factor has 0.2; 1 counts classes alike.

    Raises:
        ConfigError: ``balance`` is not in 0..1.
    """

    def __init__(self, *, balance: float = 0.0) -> None:
        super().__init__()
        if not 0 <= balance <= 1:
            raise ConfigError(f"balance of MaxSquareLoss must be in 0..1, got {balance}")
        self.balance = balance

    def forward(self, logits: Tensor) -> Tensor:
        """Return the loss, a scalar of at least float32, of logits (N,K,H,W).

        It is -0.5 (certain) .. -0.5/K (uniform) without ``balance``.
        """
        prob = at_least_float32(logits).softmax(dim=1)
        squares = prob.square().sum(dim=1).flatten(1)
        if self.balance == 0:
            return -0.5 * squares.mean()
        return -0.5 * (self._weights(prob) * squares).mean()

    @torch.no_grad()
    def _weights(self, prob: Tensor) -> Tensor:
        """``(N / N_k)^balance`` of each pixel (N,H*W), from probabilities (N,K,H,W)."""
        pred = prob.argmax(dim=1).flatten(1)
        counts = torch.zeros(prob.shape[:2], dtype=prob.dtype, device=prob.device)
        counts.scatter_add_(1, pred, torch.ones_like(pred, dtype=prob.dtype))
        return (pred.shape[1] / counts.gather(1, pred)).pow(self.balance)


@LOSSES.register_module()
class InformationLoss(nn.Module):
    """Mean entropy of the pixels' predictions, less ``diversity`` times that of their mean.

    Liang et al., "Do We Really Need to Access the Source Data? Source Hypothesis Transfer for
    Unsupervised Domain Adaptation" (SHOT), ICML 2020, eqs. (3) and (4), over pixels: minus the
    mutual information of input and class, divided by log K. The second term is what keeps the first
    from giving all pixels to one class. The mean is over the pixels that are in the network at a
    time, in all processes: with ``micro_batch`` the step is not that of the whole batch.

    Args:
        diversity: Weight of the second term; 1 in the paper, 0 is `EntropyLoss`.

    Raises:
        ConfigError: ``diversity`` is negative.
    """

    def __init__(self, *, diversity: float = 1.0) -> None:
        super().__init__()
        if diversity < 0:
            raise ConfigError(f"diversity of InformationLoss is at least 0, not {diversity}")
        self.diversity = diversity

    def forward(self, logits: Tensor) -> Tensor:
        """Return the loss, -diversity .. 1, of logits (N,K,H,W)."""
        mean = at_least_float32(logits).softmax(1).mean((0, 2, 3), keepdim=True)
        # The value is that of all processes; its gradient the own one, for they are averaged.
        own = mean.detach()
        mean = mean + (mean_over_processes(own.clone()) - own)
        # Logarithms of probabilities are logits of them.
        of_mean = entropy(mean.clamp(min=torch.finfo(mean.dtype).tiny).log()).mean()
        return entropy(logits).mean() - self.diversity * of_mean
