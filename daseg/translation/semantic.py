"""Whether a translated image means what it meant before."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from daseg.ops.logits import at_least_float32
from daseg.registry import MODELS
from daseg.segmentor import Segmentor
from daseg.weights.strict import load_segmentor


class SemanticConsistency(nn.Module):
    """Cross-entropy of a trained segmentor's answers before and after a translation.

    Hoffman et al., "CyCADA: Cycle-Consistent Adversarial Domain Adaptation", ICML 2018, eq. (4):
    its most probable classes of the untranslated image are the labels of the translated one. At
    the resolution of its logits, on every pixel. The segmentor stays as it is, in eval mode.

    Args:
        segmentor: The segmentor or its config.
        weights: Checkpoint of its weights. None: those that it has.
    """

    segmentor: Any  # Segmentor

    def __init__(self, segmentor: Segmentor | dict[str, Any], weights: str | None = None) -> None:
        super().__init__()
        self.segmentor = MODELS.build(segmentor)
        if weights is not None:
            load_segmentor(self.segmentor, weights)
        self.segmentor.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> "SemanticConsistency":
        """Stay in eval mode, whatever is asked for."""
        return super().train(False)

    def forward(self, image: Tensor, translated: Tensor) -> Tensor:
        """Compare images (N,3,H,W) and their translations, RGB 0..255; a scalar."""
        with torch.no_grad():
            label = self.segmentor(image).logits.argmax(1)
        return cross_entropy(at_least_float32(self.segmentor(translated).logits), label)
