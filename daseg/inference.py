"""Running a trained segmentor on an image: whole, in sliding windows, at several scales.

Each is a callable ``(segmentor, image, size) -> class probabilities``, where ``segmentor`` returns
logits at some resolution, ``image`` is (N,3,H,W) RGB 0..255 and ``size`` is the (height, width) of
the probability maps. Where the largest logit tells the class, an inference also has a method
``classes`` with the same arguments, which computes no probabilities.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from daseg.ops.class_map import largest_class
from daseg.ops.resize import Size, resize, size_of
from daseg.registry import INFERENCES
from daseg.utils.errors import ConfigError

if TYPE_CHECKING:
    from daseg.segmentor import Segmentor

Inference = Callable[["Segmentor", Tensor, Size], Tensor]


@INFERENCES.register_module()
class WholeInference:
    """Run the network once on the whole image.

    Args:
        aux_weight: Weight of the auxiliary head's logits, added to the main head's before the
            softmax; Seg-Uncertainty (Zheng & Yang, IJCV 2021, Table 10) predicts with 0.5.
        weights: Weight of each head's logits, by name, in the place of ``aux_weight``.
        pad_stride: Pad the image's sides with the mean colour, at the right and bottom, to a
            multiple of this stride plus one; the prediction is cropped. Corners of image and
            features then coincide, as ``align_corners`` assumes. SegmenTron tests 1024x2048 as
            1025x2049.
    """

    def __init__(
        self,
        *,
        aux_weight: float = 0.0,
        weights: Mapping[str, float] | None = None,
        pad_stride: int | None = None,
    ) -> None:
        self.weights = dict(main=1.0, aux=aux_weight) if weights is None else dict(weights)
        if not any(self.weights.values()):
            raise ConfigError("WholeInference: weights leaves out every head")
        self.pad_stride = pad_stride

    def __call__(self, segmentor: "Segmentor", image: Tensor, size: Size) -> Tensor:
        """Return probabilities (N,K,*size)."""
        return self.logits(segmentor, image, size).softmax(1)

    def classes(self, segmentor: "Segmentor", image: Tensor, size: Size) -> Tensor:
        """Return the classes (N,*size) of the largest logits, uint8."""
        return largest_class(self.unresized(segmentor, image), size, segmentor.align_corners)

    def logits(self, segmentor: "Segmentor", image: Tensor, size: Size) -> Tensor:
        """Return logits (N,K,*size), float32."""
        return resize(self.unresized(segmentor, image), size, segmentor.align_corners)

    def unresized(self, segmentor: "Segmentor", image: Tensor) -> Tensor:
        """The logits of the image without what was padded, at some resolution."""
        if self.pad_stride is None:
            return self._raw(segmentor, image)
        height, width = size_of(image)
        wanted = tuple(
            -(-(side - 1) // self.pad_stride) * self.pad_stride + 1 for side in size_of(image)
        )
        padded = pad(image, (wanted[0], wanted[1]), segmentor.mean)
        logits = resize(self._raw(segmentor, padded), size_of(padded), segmentor.align_corners)
        return logits[..., :height, :width]

    def _raw(self, segmentor: "Segmentor", image: Tensor) -> Tensor:
        """The heads' weighted logits, at the resolution of the first one, float32."""
        predictions = segmentor(image).predictions
        total: Tensor | None = None
        for head, weight in self.weights.items():
            if weight == 0:
                continue
            if head not in predictions:
                option = f"{head}_weight={weight}" if head == "aux" else f"weights[{head!r}]"
                raise ConfigError(
                    f"{option} needs a segmentor with an {head}_head; this one has none: "
                    f"leave it out, or give the segmentor an {head}_head"
                )
            if predictions[head].box is not None:
                raise ConfigError(
                    f"weights[{head!r}]: this head covers a part of the image, and cannot be added "
                    "to the others: leave it out"
                )
            logits = predictions[head].logits
            if total is None:
                total = logits if weight == 1 else weight * logits
            else:
                total = total + weight * resize(logits, size_of(total), segmentor.align_corners)
        assert total is not None
        return total.float().contiguous()  # a map for each class, whatever the network's layout


def pad(image: Tensor, size: Size, colour: Tensor) -> Tensor:
    """Pad an image (N,3,H,W) at its right and bottom to at least ``size`` with a colour."""
    height, width = size_of(image)
    shape = (len(image), 3, max(height, size[0]), max(width, size[1]))
    padded = colour.expand(shape).clone()
    padded[..., :height, :width] = image
    return padded


def add_resized(total: Tensor, maps: Tensor, align_corners: bool) -> None:
    """Add maps (N,K,h,w), resized, to others (N,K,H,W) in place.

    On the CPU two classes at a time: to get the memory for all takes as long as to fill it.
    """
    number = maps.shape[1]
    step = 2 if maps.device.type == "cpu" else number
    for begin in range(0, number, step):
        some = slice(begin, begin + step)
        total[:, some] += resize(maps[:, some], size_of(total), align_corners)


@INFERENCES.register_module()
class SlideInference:
    """Average the logits of overlapping windows, for images larger than the training crop.

    The last window of a row or column is moved back so that it ends at the image's edge; an image
    smaller than the window is one window of its own size.

    Args:
        crop_size: (height, width) of the window in pixels.
        stride: (height, width) between windows; at most ``crop_size``.
        batch_size: Windows of an image that the network sees at a time: several are faster on a
            GPU, and take more memory. Another number may round differently.
        aux_weight: As in `WholeInference`.
        weights: As in `WholeInference`.
    """

    def __init__(
        self,
        *,
        crop_size: Size,
        stride: Size,
        batch_size: int = 1,
        aux_weight: float = 0.0,
        weights: Mapping[str, float] | None = None,
    ) -> None:
        if any(not 0 < s <= c for s, c in zip(stride, crop_size, strict=True)):
            raise ConfigError(
                f"SlideInference: stride {tuple(stride)} must be positive and at most "
                f"crop_size {tuple(crop_size)}, or parts of the image are never seen"
            )
        if batch_size < 1:
            raise ConfigError(f"SlideInference: batch_size is at least 1, not {batch_size}")
        self.crop_size = crop_size
        self.stride = stride
        self.batch_size = batch_size
        self.window = WholeInference(aux_weight=aux_weight, weights=weights)

    def __call__(self, segmentor: "Segmentor", image: Tensor, size: Size) -> Tensor:
        """Return probabilities (N,K,*size)."""
        logits = self._mean(segmentor, image)
        return resize(logits, size, segmentor.align_corners).softmax(1)

    def classes(self, segmentor: "Segmentor", image: Tensor, size: Size) -> Tensor:
        """Return the classes (N,*size) of the largest mean logits, uint8."""
        return largest_class(self._mean(segmentor, image), size, segmentor.align_corners)

    def _mean(self, segmentor: "Segmentor", image: Tensor) -> Tensor:
        """The mean logits of the windows (N,K,H,W) at the image's size."""
        total, count = None, image.new_zeros((1, 1, *image.shape[-2:]), dtype=torch.float32)
        windows = self.windows(size_of(image))
        for begin in range(0, len(windows), self.batch_size):
            places = windows[begin : begin + self.batch_size]
            crops = [image[..., rows, cols] for rows, cols in places]
            batch = torch.cat(crops) if len(crops) > 1 else crops[0]
            logits = self.window.unresized(segmentor, batch)
            if total is None:
                total = logits.new_zeros((len(image), logits.shape[1], *size_of(image)))
            for (rows, cols), own in zip(places, logits.split(len(image)), strict=True):
                add_resized(total[..., rows, cols], own, segmentor.align_corners)
                count[..., rows, cols] += 1
        assert total is not None
        return total.div_(count)

    def windows(self, size: Size) -> list[tuple[slice, slice]]:
        """Row and column slices of every window over an image of ``size`` (height, width)."""
        ends = [max(side - window, 0) for side, window in zip(size, self.crop_size, strict=True)]
        rows, cols = (
            [*range(0, end, stride), end] for end, stride in zip(ends, self.stride, strict=True)
        )
        height, width = self.crop_size
        return [(slice(y, y + height), slice(x, x + width)) for y in rows for x in cols]


@INFERENCES.register_module()
class MultiScaleFlip:
    """Test-time augmentation: average the probabilities over scales, with and without a flip.

    Args:
        scales: Factors by which the input is resized.
        flip: Whether each scale is also run mirrored left to right.
        inference: How each view is run: a built inference or its config.
    """

    def __init__(
        self,
        *,
        scales: Sequence[float] = (1.0,),
        flip: bool = True,
        inference: Inference | dict[str, Any] | None = None,
    ) -> None:
        if not scales or min(scales) <= 0:
            raise ConfigError(f"MultiScaleFlip: scales must be positive, got {list(scales)}")
        self.scales = tuple(scales)
        self.flip = flip
        self.inference: Inference = INFERENCES.build(inference or WholeInference())

    def __call__(self, segmentor: "Segmentor", image: Tensor, size: Size) -> Tensor:
        """Return probabilities (N,K,*size)."""
        views = 0
        total: Tensor | None = None
        for scale in self.scales:
            height, width = (round(side * scale) for side in image.shape[-2:])
            view = resize(image.float(), (height, width), align_corners=False)
            for flipped in (False, True) if self.flip else (False,):
                prob = self.inference(segmentor, view.flip(-1) if flipped else view, size)
                prob = prob.flip(-1) if flipped else prob
                total = prob if total is None else total.add_(prob)
                views += 1
        assert total is not None
        return total.div_(views)


class NetworkMean:
    """Average the probabilities of several networks, run one after the other.

    Yang and Soatto, "FDA: Fourier Domain Adaptation for Semantic Segmentation", CVPR 2020
    ("multi-band transfer"): their networks differ in the band of frequencies of the translation.

    Args:
        others: The other networks, in eval mode.
        inference: How each is run.
    """

    def __init__(self, others: Sequence["Segmentor"], inference: Inference) -> None:
        self.others = tuple(others)
        self.inference = inference

    def __call__(self, segmentor: "Segmentor", image: Tensor, size: Size) -> Tensor:
        """Return probabilities (N,K,*size)."""
        total = self.inference(segmentor, image, size)
        for network in self.others:
            prob = self.inference(network, image.to(network.device), size)
            total = total + prob.to(total.device)
        return total / (1 + len(self.others))
