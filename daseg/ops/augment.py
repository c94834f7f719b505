"""Changes of colour and sharpness of images in a train step.

All random numbers come from torch's global generator on the CPU, which the training loop seeds from
(seed, iteration, process): they are the same on every device, and nothing waits for it.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as V

from daseg.utils.errors import ConfigError

BLUR_SIGMA = (0.15, 1.15)  # pixels
BLUR_WIDTH = 9  # of the window: four pixels to each side, more than three of the largest sigma
ColorRule = Literal["rgb", "hsv"]


class ColorAugmentation:
    """Change the colours of images and blur them, each with a probability.

    With the rule "rgb", torchvision's, brightness, contrast and saturation are multiplied by
    factors of 1 - jitter .. 1 + jitter, the hue is turned by up to ``jitter`` of a circle, in this
    order. "hsv" is what kornia 0.5 does, and with it the public codes of DACS, DAFormer, HRDA and
    MIC: brightness adds -jitter .. jitter, contrast multiplies the image without regard to its
    mean, the saturation of HSV is multiplied, the hue is turned, in an order that is drawn. The
    blur is Gaussian with a sigma of 0.15..1.15 pixels. (Its window of 9 pixels, where those codes
    have a tenth of the image, changes an image by less than 1e-4 of its contrast.)

    Args:
        who: Named in errors.
        jitter: Strength of the change of colours, 0..0.5.
        jitter_prob: Probability of it.
        blur_prob: Probability of the blur.
        rule: "rgb" or "hsv".
        joint: Whether all images of a batch are changed or none, and blurred or none, as in those
            codes; the strengths are each image's own.

    Raises:
        ConfigError: An argument is none of the above.
    """

    def __init__(
        self,
        who: str,
        *,
        jitter: float,
        jitter_prob: float,
        blur_prob: float,
        rule: ColorRule = "rgb",
        joint: bool = False,
    ) -> None:
        limits = dict(jitter=(jitter, 0.5), jitter_prob=(jitter_prob, 1), blur_prob=(blur_prob, 1))
        for key, (value, limit) in limits.items():
            if not 0 <= value <= limit:
                raise ConfigError(f"{who}: {key} is in 0..{limit:g}, not {value}")
        if rule not in ("rgb", "hsv"):
            raise ConfigError(f"{who}: colors is 'rgb' or 'hsv', not {rule!r}")
        self.jitter, self.jitter_prob, self.blur_prob = jitter, jitter_prob, blur_prob
        self.rule, self.joint = rule, joint
        self._decisions = [0.0, 0.0]

    def __call__(self, image: Tensor, *, first: bool = True) -> Tensor:
        """Change images (N,3,H,W), RGB 0..255, uint8 or float; changed colours are in 0..255.

        Args:
            image: The images.
            first: Whether they are the first part of a batch; else what is decided for all of its
                images holds for these, too.
        """
        if self.joint and first:
            self._decisions = torch.rand(2).tolist()
        image = image if image.is_floating_point() else image.float()
        # Without autocast: a blur in 16 bits has few grey levels.
        with torch.autocast(image.device.type, enabled=False):
            return torch.stack([self._augment(one) for one in image])

    def _augment(self, image: Tensor) -> Tensor:
        # All are drawn in any case: the next image's do not depend on what was done to this one.
        jitters, blurs, sigma, *drawn = torch.rand(7).tolist()
        if self.joint:
            jitters, blurs = self._decisions
        changes = [self.jitter * (2 * change - 1) for change in drawn]
        order = torch.randperm(4).tolist() if self.rule == "hsv" else [0, 1, 2, 3]
        if jitters < self.jitter_prob:
            change = change_rgb if self.rule == "rgb" else change_hsv
            image = 255 * change((image / 255).clamp(0, 1), changes, order)
        if blurs < self.blur_prob:
            low, high = BLUR_SIGMA
            image = V.gaussian_blur(image, [BLUR_WIDTH] * 2, [low + sigma * (high - low)] * 2)
        return image


def change_rgb(image: Tensor, changes: Sequence[float], order: Sequence[int]) -> Tensor:
    """Change an image (3,H,W), 0..1, by torchvision's rules; arguments as in `change_hsv`."""
    brightness, contrast, saturation, hue = changes
    steps = (
        lambda x: V.adjust_brightness(x, 1 + brightness),
        lambda x: V.adjust_contrast(x, 1 + contrast),
        lambda x: V.adjust_saturation(x, 1 + saturation),
        lambda x: V.adjust_hue(x, hue),
    )
    for step in order:
        image = steps[step](image)
    return image


def change_hsv(image: Tensor, changes: Sequence[float], order: Sequence[int]) -> Tensor:
    """Change an image (3,H,W), 0..1, by kornia's rules.

    Args:
        image: RGB.
        changes: What is added to the brightness; to the factors of contrast and of saturation; and
            to the hue, in circles.
        order: Of the four.
    """
    brightness, contrast, saturation, hue = changes
    for step in order:
        if step == 0:
            image = (image + brightness).clamp(0, 1)
        elif step == 1:
            image = (image * (1 + contrast)).clamp(0, 1)
        else:
            turned, strength, value = rgb_to_hsv(image)
            if step == 2:
                strength = (strength * (1 + saturation)).clamp(0, 1)
            else:
                turned = turned + hue
            image = hsv_to_rgb(turned, strength, value)
    return image


def rgb_to_hsv(image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hue (in circles, 0..1), saturation and value (H,W) of an RGB image (3,H,W), 0..1."""
    value, largest = image.max(0)
    chroma = value - image.min(0).values
    red, green, blue = image / torch.where(chroma > 0, chroma, 1)
    sixths = torch.stack([(green - blue) % 6, blue - red + 2, red - green + 4])
    hue = torch.where(chroma > 0, sixths.gather(0, largest[None])[0] / 6, 0)
    return hue, chroma / torch.where(value > 0, value, 1), value


def hsv_to_rgb(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """The RGB image (3,H,W), 0..1, of hue (in circles, any number), saturation and value (H,W)."""
    sixths = (torch.tensor([5.0, 3.0, 1.0]).view(3, 1, 1).to(hue) + 6 * hue) % 6
    return value - value * saturation * torch.minimum(sixths, 4 - sixths).clamp(0, 1)
