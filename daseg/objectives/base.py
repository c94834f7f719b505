"""What an objective is given, and what it gives."""

from functools import cached_property

from torch import Tensor, nn

from daseg.segmentor import SegOutput
from daseg.utils.resize import resize, size_of


class View:
    """One domain's batch, with the segmentor's output on it.

    The network runs when `output` is first read, at most once; not at all where nobody reads it.

    Args:
        segmentor: The segmentor, possibly wrapped for distributed training.
        image: (N,3,H,W), RGB 0..255.
        label: Class indices (N,H',W'), or None in a domain without labels.
        align_corners: How logits are resized.
    """

    def __init__(
        self, segmentor: nn.Module, image: Tensor, label: Tensor | None, *, align_corners: bool
    ) -> None:
        self.segmentor = segmentor
        self.image = image
        self.label = label
        self.align_corners = align_corners

    @cached_property
    def output(self) -> SegOutput:
        """What the segmentor returns for the image."""
        return self.segmentor(self.image)

    @cached_property
    def logits(self) -> Tensor:
        """The main head's logits (N,K,H',W'), float32, at the label's size (else the image's)."""
        return self._full_size(self.output.logits)

    @cached_property
    def aux_logits(self) -> Tensor | None:
        """The auxiliary head's logits, as `logits`; None without such a head."""
        aux = self.output.aux_logits
        return None if aux is None else self._full_size(aux)

    def _full_size(self, logits: Tensor) -> Tensor:
        size = size_of(self.image if self.label is None else self.label)
        return resize(logits.float(), size, self.align_corners)


class Objective(nn.Module):
    """One thing that the segmentor is trained for; a paper is a list of them.

    A subclass overrides `source_losses`. The keys are the names in the log; the values are scalars,
    weighted already, and the sum over all objectives is what is minimised.
    """

    def source_losses(self, source: View) -> dict[str, Tensor]:
        """Losses on the labelled domain."""
        return {}
