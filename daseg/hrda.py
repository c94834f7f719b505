"""The segmentor of HRDA: context at low resolution, details at high resolution."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from daseg.inference import Inference, SlideInference
from daseg.ops.logits import at_least_float32
from daseg.ops.resize import Size, resize, size_of
from daseg.registry import HEADS, MODELS
from daseg.segmentor import IMAGENET_MEAN, IMAGENET_STD, Box, Prediction, Segmentor, SegOutput
from daseg.utils.errors import ConfigError


@MODELS.register_module()
class HRDASegmentor(Segmentor):
    """Segment the whole image at low resolution, parts of it at full resolution, and fuse the two.

    Hoyer et al., "HRDA: Context-Aware High-Resolution Domain-Adaptive Semantic Segmentation", ECCV
    2022, section 3. Backbone and head are the same for both. A second head, the scale attention,
    says from the context's features alone where the details count: ``fused = up(a) * detail +
    up((1 - a) * context)``.

    In training the details are one box, drawn for the whole batch in each pass; outside it the
    context counts alone, and the attention is set to 0 there. The box's own logits are the
    prediction "detail", to be trained with a small weight: ``weights=dict(main=0.9, detail=0.1)``.
    Otherwise windows of the box's size slide over the image, and their logits are averaged; there
    is no prediction "detail" then. The features are those of the context.

    Where the public code differs: it never draws a box at the last place of a side.

    Args:
        backbone: As in `Segmentor`.
        head: As in `Segmentor`.
        attention: The head of the scale attention, as ``head``; ``dict(type='DAFormerHead',
            fusion='conv')`` in the paper. An attention of another resolution is resized.
        aux_head: As in `Segmentor`, on the context's features, for objectives that look at two
            heads. The paper has none.
        detail_size: (height, width) of the box and of the windows, in pixels of the image.
        detail_stride: (height, width) between windows; default half of ``detail_size``.
        context_scale: How much smaller the context image is, below 1.
        box_multiple: Boxes begin at multiples of this, which should be the stride of the head's
            logits divided by ``context_scale``, so that they end between two places of them.
        classwise: An attention for each class; else one for all.
        context_prediction: Have the prediction "context", ``(1 - a) * context``, too. The public
            code trains it where the box is as large as the image.
        windows_per_pass: Number of windows that go through the network at a time; default all.
        num_classes: As in `Segmentor`, as the following.

    Raises:
        ConfigError: A size, stride or scale is out of range.
    """

    def __init__(
        self,
        backbone: nn.Module | dict[str, Any],
        head: nn.Module | dict[str, Any],
        attention: nn.Module | dict[str, Any],
        *,
        aux_head: nn.Module | dict[str, Any] | None = None,
        detail_size: Size = (512, 512),
        detail_stride: Size | None = None,
        context_scale: float = 0.5,
        box_multiple: int = 8,
        classwise: bool = True,
        context_prediction: bool = False,
        windows_per_pass: int | None = None,
        num_classes: int = 19,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        to_bgr: bool = False,
        align_corners: bool = False,
        inference: Inference | dict[str, Any] | None = None,
    ) -> None:
        super().__init__(
            backbone,
            head,
            aux_head,
            num_classes=num_classes,
            mean=mean,
            std=std,
            to_bgr=to_bgr,
            align_corners=align_corners,
            inference=inference,
        )
        if not 0 < context_scale < 1:
            raise ConfigError(f"HRDASegmentor: context_scale is between 0 and 1: {context_scale}")
        if min(*detail_size, box_multiple, windows_per_pass or 1) < 1:
            raise ConfigError(
                f"HRDASegmentor: detail_size={tuple(detail_size)}, box_multiple={box_multiple} and "
                f"windows_per_pass={windows_per_pass} are at least 1"
            )
        self.use_details(detail_size, detail_stride)
        self.context_scale = context_scale
        self.box_multiple, self.windows_per_pass = box_multiple, windows_per_pass
        self.context_prediction = context_prediction
        self.attention = HEADS.build(
            attention,
            in_channels=self.backbone.out_channels,
            num_classes=num_classes if classwise else 1,
        )

    def use_details(self, size: Size, stride: Size | None = None) -> None:
        """Set the (height, width) of the box and of the windows, and their stride; default half."""
        self.detail_size = size
        self.detail_stride = stride or (max(1, size[0] // 2), max(1, size[1] // 2))
        self.windows = SlideInference(crop_size=size, stride=self.detail_stride).windows

    @property
    def head_names(self) -> tuple[str, ...]:
        """Names of the predictions in its output in training."""
        further = ("context",) if self.context_prediction else ()
        return (*super().head_names, "detail", *further)

    def backbone_input(self, image: Tensor) -> Tensor:
        """The context image, normalised and shrunk, which the features are of."""
        image = self.normalize(image)
        height, width = (max(1, round(self.context_scale * side)) for side in size_of(image))
        return resize(image, (height, width), align_corners=False)

    def draw_box(self, size: Size) -> Box:
        """Draw the detail crop of an image of ``size``, from torch's CPU generator.

        A training seeds that generator by its seed, the iteration and the process, so that a
        resumed run draws the same boxes.
        """
        box = []
        for side, detail in zip(size, self.detail_size, strict=True):
            places = max(0, side - detail) // self.box_multiple + 1
            begin = self.box_multiple * int(torch.randint(places, (), device="cpu"))
            box.append((begin, min(begin + detail, side)))
        (top, bottom), (left, right) = box
        return top, left, bottom, right

    def forward(self, image: Tensor, box: Box | None = None) -> SegOutput:
        """Segment an image (N,3,H,W), RGB 0..255, uint8 or float.

        Args:
            image: The image at full resolution.
            box: The detail crop; default one that is drawn in training, else sliding windows.
        """
        size = size_of(image)
        if box is None and self.training:
            box = self.draw_box(size)
        features = self.backbone(self.backbone_input(image))
        # The auxiliary head runs first, as in `Segmentor`.
        aux = {} if self.aux_head is None else {"aux": Prediction(self.aux_head(features))}
        context = at_least_float32(self.head(features))
        attention = at_least_float32(self.attention(features))
        attention = resize(attention, size_of(context), self.align_corners).sigmoid()
        details = self.details(self.normalize(image), [box] if box else self.boxes(size))
        if box is not None:
            rows, columns = details[0].region(size, size_of(attention))
            inside = torch.zeros_like(attention)
            inside[..., rows, columns] = 1
            attention = attention * inside
        context = (1 - attention) * context
        fine = self.joined(details, size)
        fused = resize(attention, size_of(fine), self.align_corners) * fine
        fused = fused + resize(context, size_of(fine), self.align_corners)
        predictions = {"main": Prediction(fused)} | aux
        if box is not None:
            predictions["detail"] = details[0]
            if self.context_prediction:
                predictions["context"] = Prediction(context)
        return SegOutput(predictions, tuple(features))

    def boxes(self, size: Size) -> list[Box]:
        """The windows that slide over an image of ``size``, all equally large."""
        height, width = size
        return [
            (rows.start, columns.start, min(rows.stop, height), min(columns.stop, width))
            for rows, columns in self.windows(size)
        ]

    def details(self, image: Tensor, boxes: Sequence[Box]) -> list[Prediction]:
        """The logits of equally large boxes of a normalised image (N,3,H,W), at full resolution."""
        crops = torch.cat([image[..., t:b, left:right] for t, left, b, right in boxes])
        parts = crops.split(len(image) * (self.windows_per_pass or len(boxes)))
        logits = torch.cat([at_least_float32(self.head(self.backbone(part))) for part in parts])
        own = logits.split(len(image))
        return [Prediction(*pair) for pair in zip(own, boxes, strict=True)]

    def joined(self, details: Sequence[Prediction], size: Size) -> Tensor:
        """Logits of boxes of an image of ``size`` on one map: their mean, 0 where there are none.

        The map has as many places a pixel as the boxes' logits have.
        """
        logits, box = details[0]
        assert box is not None
        top, left, bottom, right = box
        height = round(size[0] * logits.shape[2] / (bottom - top))
        width = round(size[1] * logits.shape[3] / (right - left))
        total = logits.new_zeros(*logits.shape[:2], height, width)
        count = logits.new_zeros(1, 1, height, width)
        for detail in details:
            rows, columns = detail.region(size, (height, width))
            own = (rows.stop - rows.start, columns.stop - columns.start)
            total[..., rows, columns] += resize(detail.logits, own, self.align_corners)
            count[..., rows, columns] += 1
        return total if len(details) == 1 else total / count.clamp(min=1)
