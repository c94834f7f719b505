"""The model of a test: a segmentor alone."""

from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor

from daseg.registry import MODELS
from daseg.segmentor import Segmentor, SegOutput


@MODELS.register_module()
class TestedSegmentor(BaseModel):
    """What the runner tests. Objectives, discriminators and a teacher are not built for it.

    Args:
        segmentor: The segmentor or its config.
        channels_last: The adapter's argument: the numbers are those of its validation.
    """

    __test__ = False  # pytest takes a class of this name for a group of tests

    def __init__(
        self, segmentor: Segmentor | dict[str, Any], *, channels_last: bool = True
    ) -> None:
        super().__init__()
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        network: Segmentor = MODELS.build(segmentor)
        self.segmentor = network.to(memory_format=self.memory_format)

    def test_step(self, data: dict[str, Any]) -> list[dict[str, Any]]:
        """Predict a batch; see `Segmentor.predict_samples`."""
        batch = self.data_preprocessor(data, training=False)
        return self.segmentor.predict_samples(batch, self.memory_format)

    def forward(self, image: Tensor) -> SegOutput:
        """Run the segmentor on an image (N,3,H,W)."""
        return self.segmentor(image)
