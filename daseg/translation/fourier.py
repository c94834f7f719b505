"""FDA: the target's amplitude at low frequencies under the source's phase."""

import logging
import math

import torch
from mmengine.logging import print_log
from torch import Tensor

from daseg.ops.resize import resize, size_of
from daseg.registry import TRANSLATORS
from daseg.translation.base import Translator
from daseg.utils.errors import ConfigError


@TRANSLATORS.register_module()
class FourierTranslator(Translator):
    """Swap the amplitudes of the lowest frequencies, channel by channel; keep all phases.

    Yang and Soatto, "FDA: Fourier Domain Adaptation for Semantic Segmentation", CVPR 2020, eqs.
    (2) to (4). The window is symmetric about the zero frequency: vertical and horizontal
    frequencies of ``-b..b`` cycles per image with ``b = floor(beta * min(H, W))``, so that a
    real image comes out. (The torch version of the authors' code swaps ``-b..b-1``, which gives a
    complex one, whose imaginary part is dropped.) Where b is 0 nothing is swapped, not the mean
    either, and the image comes back as it is; the log says so once.

    The result is not clipped: it may leave 0..255 a little.

    Args:
        beta: Half the window's side, as a share of the image's shorter side: 0..0.5. The paper
            has 0.01, 0.05 and 0.09.

    Raises:
        ConfigError: ``beta`` is not in 0..0.5.
    """

    def __init__(self, *, beta: float = 0.01) -> None:
        super().__init__()
        if not 0 <= beta <= 0.5:
            raise ConfigError(f"beta of FourierTranslator must be in 0..0.5, got {beta}")
        self.beta = beta
        self.warned = False

    def translate(self, source: Tensor, target: Tensor) -> Tensor:
        """Translate source (N,3,H,W) by target (N,3,h,w), which is resized to (H,W) first."""
        size = size_of(source)
        b = int(self.beta * min(size))
        if b == 0:
            if self.beta and not self.warned:
                self.warned = True
                enough = math.ceil(1000 / min(size)) / 1000
                print_log(
                    f"FourierTranslator: beta={self.beta:g} of images of {size[0]}x{size[1]} is "
                    "less than one frequency, so they are not translated: for some change they are "
                    f"to be larger, or beta={enough} or more",
                    logger="current",
                    level=logging.WARNING,
                )
            return source
        # Of a real image's spectrum the half with frequencies of 0 and more across says it all.
        spectrum = torch.fft.rfft2(source)
        other = torch.fft.rfft2(resize(target, size, align_corners=False))
        columns = slice(0, b + 1)
        for rows in (slice(0, b + 1), slice(max(size[0] - b, b + 1), size[0])):
            amplitude, phase = other[..., rows, columns].abs(), spectrum[..., rows, columns].angle()
            spectrum[..., rows, columns] = torch.polar(amplitude, phase)
        return torch.fft.irfft2(spectrum, s=size)

    def extra_repr(self) -> str:
        """What `repr` shows between the parentheses."""
        return f"beta={self.beta}"
