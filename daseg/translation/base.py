"""What all translators share: the types and shapes of the images that they are given."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from daseg.utils.errors import DataError


class Translator(nn.Module, ABC):
    """Gives a source image the look of a target image, and leaves what it shows in place.

    A subclass overrides `translate`. A translator has no random choice of its own: the same two
    images give the same result, on which an exact resume rests.
    """

    def train(self, mode: bool = True) -> "Translator":
        """Stay in eval mode, whatever the mode of the model around it."""
        return super().train(False)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Translate a batch, image i into the look of image i; or one image.

        It computes in float32 at least, in mixed precision too.

        Args:
            source: (N,3,H,W) or (3,H,W), RGB 0..255, uint8 or float.
            target: (N,3,h,w) or (3,h,w), the same; it may be of another size.

        Returns:
            (N,3,H,W) or (3,H,W), float, RGB.

        Raises:
            DataError: The shapes are not these.
        """
        single = source.dim() == 3
        images = [_batch(image) for image in (source, target)]
        if len({len(image) for image in images}) > 1:
            raise DataError(
                f"{type(self).__name__} needs a target image for each source image, got "
                f"{tuple(source.shape)} and {tuple(target.shape)}"
            )
        with torch.autocast(source.device.type, enabled=False):
            result = self.translate(*images)
        return result[0] if single else result

    @abstractmethod
    def translate(self, source: Tensor, target: Tensor) -> Tensor:
        """Translate source (N,3,H,W) by target (N,3,h,w), RGB 0..255, both float32 or float64."""


def _batch(image: Tensor) -> Tensor:
    if image.dim() not in (3, 4) or image.shape[-3] != 3 or 0 in image.shape:
        raise DataError(
            f"a translator takes RGB images (N,3,H,W) or (3,H,W), got {tuple(image.shape)}"
        )
    image = image if image.dtype == torch.float64 else image.float()
    return image[None] if image.dim() == 3 else image
