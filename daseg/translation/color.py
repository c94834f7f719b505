"""Translation by the statistics of colour alone, wherever in the image a colour stands."""

import torch
from torch import Tensor

from daseg.registry import TRANSLATORS
from daseg.translation.base import Translator

LEVELS = 256  # grey levels of an 8-bit channel

# sRGB (IEC 61966-2-1), linear, to CIE XYZ divided by the white point D65, so that white is (1,1,1).
_XYZ = torch.tensor(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ],
    dtype=torch.float64,
)
RGB_TO_XYZ = _XYZ / _XYZ.sum(1, keepdim=True)
# CIE 1976 L*a*b* of the cube roots of X, Y and Z; the constant -16 of L* is left out of both ways.
ROOTS_TO_LAB = torch.tensor([[0, 116, 0], [500, -500, 0], [0, 200, -200]], dtype=torch.float64)
DELTA = 6 / 29  # below its cube the cube root is replaced by a straight line


@TRANSLATORS.register_module()
class ReinhardTranslator(Translator):
    """Give each channel of CIE L*a*b* the target's mean and standard deviation.

    Reinhard et al., "Color Transfer between Images", IEEE CG&A 2001, eqs. (10) and (11); in CIE
    L*a*b* (D65) in the place of their l-alpha-beta, whose logarithm is not defined for black.
    Colours that a screen does not have are clipped, so that the result is in 0..255. A channel
    of the source that is constant takes the target's mean.
    """

    def translate(self, source: Tensor, target: Tensor) -> Tensor:
        """Translate source (N,3,H,W) by target (N,3,h,w)."""
        lab, other = rgb_to_lab(source), rgb_to_lab(target)
        mean, std = _statistics(lab)
        other_mean, other_std = _statistics(other)
        # A constant channel has rounding errors of 1e-5; one grey level changes L*, a*, b* by 0.1.
        scale = other_std / std.clamp(min=1e-3)
        return lab_to_rgb((lab - mean) * scale + other_mean)


@TRANSLATORS.register_module()
class HistogramTranslator(Translator):
    """Give each of R, G and B the target's histogram.

    Histogram specification (Gonzalez and Woods, "Digital Image Processing", section 3.3): a grey
    level becomes the level that stands at the same place among the target's sorted pixels, with
    straight lines between the target's levels. The place of a level is the middle of its pixels
    (the pixels below, and half of those at the level, as a share of all), so that a constant
    image becomes the target's median and not its brightest level. Values are rounded to whole
    grey levels first; the result is not.
    """

    def translate(self, source: Tensor, target: Tensor) -> Tensor:
        """Translate source (N,3,H,W) by target (N,3,h,w)."""
        levels, other = _levels(source), _levels(target)
        table = _table(_counts(levels), _counts(other), source.dtype)
        return table.gather(-1, levels).view_as(source)


def rgb_to_lab(image: Tensor) -> Tensor:
    """RGB (N,3,H,W) 0..255, sRGB, to CIE L*a*b* (D65), but L* + 16 in the place of L*."""
    image = image / 255
    linear = torch.where(image > 0.04045, ((image + 0.055) / 1.055) ** 2.4, image / 12.92)
    xyz = _mix(linear, RGB_TO_XYZ)
    roots = torch.where(
        xyz > DELTA**3, xyz.clamp(min=DELTA**3) ** (1 / 3), xyz / (3 * DELTA**2) + 4 / 29
    )
    return _mix(roots, ROOTS_TO_LAB)


def lab_to_rgb(lab: Tensor) -> Tensor:
    """Undo `rgb_to_lab`; colours outside of sRGB are clipped to 0..255."""
    roots = _mix(lab, torch.linalg.inv(ROOTS_TO_LAB))
    xyz = torch.where(roots > DELTA, roots**3, (roots - 4 / 29) * 3 * DELTA**2)
    linear = _mix(xyz, torch.linalg.inv(RGB_TO_XYZ)).clamp(0, 1)
    curved = 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return 255 * torch.where(linear > 0.0031308, curved, 12.92 * linear)


def _mix(image: Tensor, matrix: Tensor) -> Tensor:
    """Apply a matrix (3,3) to the channels of (N,3,H,W)."""
    # Not a convolution or a product of matrices, which a GPU may round to ten bits (TF32).
    weights = matrix.to(image.device, image.dtype, non_blocking=True)[..., None, None]
    return (weights * image[:, None]).sum(2)


def _statistics(image: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel: (N,3,1,1)."""
    var, mean = torch.var_mean(image, dim=(2, 3), correction=0, keepdim=True)
    return mean, var.sqrt()


def _levels(image: Tensor) -> Tensor:
    """The grey levels of the pixels of (N,3,H,W): (N,3,H*W), 0..255, int64."""
    return image.flatten(2).round().clamp(0, LEVELS - 1).long()


def _counts(levels: Tensor) -> Tensor:
    """How many pixels have each level: (N,3,256), int64."""
    counts = levels.new_zeros(*levels.shape[:2], LEVELS)
    return counts.scatter_add_(-1, levels, torch.ones_like(levels))


def _table(source: Tensor, target: Tensor, dtype: torch.dtype) -> Tensor:
    """What each source level becomes, from the counts (N,3,256) of both images: (N,3,256)."""
    # Whole numbers: each place times twice the pixels of both images.
    place = _places(source) * target.sum(-1, keepdim=True)
    other = _places(target) * source.sum(-1, keepdim=True)
    low, high = _neighbours(target, torch.searchsorted(other, place))
    start, end = other.gather(-1, low), other.gather(-1, high)
    share = (place - start).to(dtype) / (end - start).clamp(min=1)
    return low + share * (high - low)


def _places(counts: Tensor) -> Tensor:
    """Twice the pixels below each level, plus those at it; between its neighbours' if absent."""
    return 2 * counts.cumsum(-1) - counts


def _neighbours(counts: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
    """The last level below ``at``, and the first from there on, that have pixels.

    Beyond the darkest and the brightest level of the image both are that level.
    """
    index = torch.arange(LEVELS, device=counts.device)
    pad = torch.nn.functional.pad
    below = pad(torch.where(counts > 0, index, -1).cummax(-1).values, (1, 0), value=-1)
    above = torch.where(counts > 0, index, LEVELS).flip(-1).cummin(-1).values.flip(-1)
    low, high = below.gather(-1, at), pad(above, (0, 1), value=LEVELS).gather(-1, at)
    return torch.where(low < 0, high, low), torch.where(high == LEVELS, low, high)
