"""Losses of a discriminator and of the network that it is trained against.

One convention everywhere: the source domain is *real* (1), the target *fake* (0). The
discriminator learns to tell them apart; the segmentor learns to make target maps look real.
AdaptSegNet swaps the two labels, which is equivalent: the discriminator learns the sign, or
1 - x for x. Where each domain has a discriminator, as in `CycleGAN`, original images of that
domain are real to it, translated ones fake.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from daseg.ops.logits import at_least_float32
from daseg.registry import LOSSES

Logits = Tensor | Sequence[Tensor]  # of a discriminator; several where it has several scales


def scales_of(logits: Logits) -> Sequence[Tensor]:
    """The logits of each scale, in a sequence also where there is one scale."""
    return (logits,) if isinstance(logits, Tensor) else logits


class GANLoss(nn.Module, ABC):
    """Base of the losses below; they are summed over the scales, in float32 at least.

    Attributes:
        decision: Logits above it are answers of "real".
    """

    decision = 0.0

    def forward(self, logits: Logits, real: bool) -> Tensor:
        """The discriminator's loss.

        Args:
            logits: (N,1,h,w), any float type, or several of them.
            real: Whether they are those of source maps.
        """
        scales = [self.measure(at_least_float32(scale), real) for scale in scales_of(logits)]
        return torch.stack(scales).sum()

    def generator(self, logits: Logits) -> Tensor:
        """The segmentor's loss on its target maps: those of real answers."""
        return self.forward(logits, real=True)

    @abstractmethod
    def measure(self, logits: Tensor, real: bool) -> Tensor:
        """The loss of one scale: (N,1,h,w) -> scalar."""

    @torch.no_grad()
    def accuracy(self, logits: Logits, real: bool) -> Tensor:
        """Share of correct answers, over all scales, 0..1."""
        answers = torch.cat([scale.flatten() for scale in scales_of(logits)]) > self.decision
        return (answers if real else ~answers).float().mean()


@LOSSES.register_module()
class BCEGANLoss(GANLoss):
    """Binary cross-entropy of the sigmoid of the logits.

    Goodfellow et al., "Generative Adversarial Nets", NIPS 2014, eq. (1); the segmentor minimises
    the non-saturating form of section 3, ``-log D``. "Vanilla" in AdaptSegNet.
    """

    def measure(self, logits: Tensor, real: bool) -> Tensor:
        """Mean of ``-log sigmoid(x)`` for real and of ``-log(1 - sigmoid(x))`` for fake."""
        return F.softplus(-logits if real else logits).mean()


@LOSSES.register_module()
class LSGANLoss(GANLoss):
    """Squared distance of the logits to 1 for real, to 0 for fake.

    Mao et al., "Least Squares Generative Adversarial Networks", ICCV 2017, eq. (9) with a=0, b=c=1,
    without its factor 1/2: AdaptSegNet and Seg-Uncertainty leave it out.
    """

    decision = 0.5

    def measure(self, logits: Tensor, real: bool) -> Tensor:
        """Mean of ``(x - 1)^2`` for real and of ``x^2`` for fake."""
        return (logits - float(real)).square().mean()


@LOSSES.register_module()
class HingeGANLoss(GANLoss):
    """Real logits are pushed above 1, fake ones below -1, and no further.

    Lim and Ye, "Geometric GAN", 2017, eq. (12); Miyato et al., "Spectral Normalization for
    Generative Adversarial Networks", ICLR 2018, eqs. (16) and (17).
    """

    def measure(self, logits: Tensor, real: bool) -> Tensor:
        """Mean of ``max(0, 1 - x)`` for real and of ``max(0, 1 + x)`` for fake."""
        return F.relu(1 - logits if real else 1 + logits).mean()

    def generator(self, logits: Logits) -> Tensor:
        """Minus the mean logit: with a hinge, confident answers would have no gradient."""
        scales = [-at_least_float32(scale).mean() for scale in scales_of(logits)]
        return torch.stack(scales).sum()


def gradient_penalty(logits: Logits, maps: Tensor) -> Tensor:
    """Squared norm of a discriminator's gradient at real maps.

    Mescheder et al., "Which Training Methods for GANs do actually Converge?", ICML 2018, eq. (9)
    ("R1") without its factor gamma/2: the mean over the batch of ``|d sum(D(x)) / dx|^2``, summed
    over the scales.

    Args:
        logits: The discriminator's logits for ``maps``, computed outside of autocast: half
            precision rounds most of such a gradient to 0.
        maps: (N,C,H,W), float32, with ``requires_grad``.

    Returns:
        A scalar whose gradient reaches the discriminator's parameters.
    """
    with torch.autocast(maps.device.type, enabled=False):
        penalties = []
        for scale in scales_of(logits):
            (gradient,) = torch.autograd.grad(scale.sum(), maps, create_graph=True)
            penalties.append(gradient.square().flatten(1).sum(dim=1).mean())
        return torch.stack(penalties).sum()
