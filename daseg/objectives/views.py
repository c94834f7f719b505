"""What objectives are given: images of a domain, labels, and what the networks make of them."""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor, nn

from daseg.losses.cross_entropy import labelled_pixels, mean_over_processes
from daseg.ops.logits import at_least_float32
from daseg.ops.resize import resize, size_of
from daseg.segmentor import SegOutput
from daseg.utils.errors import ConfigError, LabelFirewallError

Domain = Literal["source", "target", "derived"]
LABELS: dict[Domain, str] = {"source": "label", "target": "pseudo_label"}  # keys of batches


@dataclass(eq=False)
class View:
    """Images of one domain, with the segmentor's output on them.

    The network runs when `output` is first read, at most once; not at all where nobody reads it.

    Attributes:
        segmentor: The segmentor, possibly wrapped for distributed training.
        image: (N,3,H,W), RGB 0..255.
        labels: Class indices (M,H',W') and 255 of the whole batch that the images are a part of:
            labels, in a target view pseudo-labels, or None.
        align_corners: How logits are resized.
        domain: Which domain the images are of; "derived": an objective made them.
        iteration: Number of train steps made before this one.
        teacher: The network that `teacher_logits` come from, in eval mode, or None.
        weight: In a derived view, a factor (N,H',W') for each pixel's loss, or None.
        rows: Which of the batch's images they are.
        trusted: In a target view, where the teacher's labels count (N,H,W), bool; None: everywhere.
    """

    segmentor: nn.Module
    image: Tensor
    labels: Tensor | None = None
    _: KW_ONLY
    align_corners: bool
    domain: Domain = "source"
    iteration: int = 0
    teacher: nn.Module | None = None
    weight: Tensor | None = None
    rows: slice = field(default_factory=lambda: slice(None))
    trusted: Tensor | None = None
    detached: bool = field(default=False, init=False)
    _resized: dict[str, Tensor] = field(default_factory=dict, init=False)

    @property
    def label(self) -> Tensor | None:
        """Class indices (N,H',W'); None where the source is trained on without labels.

        Raises:
            LabelFirewallError: The images are of the target domain.
        """
        if self.domain == "target":
            raise LabelFirewallError
        return None if self.labels is None else self.labels[self.rows]

    @property
    def pseudo_label(self) -> Tensor | None:
        """A target view's pseudo-labels (N,H,W), 255 for none; None where there are not any."""
        return None if self.domain != "target" or self.labels is None else self.labels[self.rows]

    @cached_property
    def output(self) -> SegOutput:
        """What the segmentor returns for the images; without a graph in a detached view."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.detached):
            output: SegOutput = self.segmentor(self.image)
            return output

    @property
    def has_run(self) -> bool:
        """Whether the segmentor has run on the images."""
        return "output" in self.__dict__

    @property
    def logits(self) -> Tensor:
        """The main head's logits; see `head`."""
        return self.head("main")

    def head(self, name: str) -> Tensor:
        """A head's logits (N,K,H',W') at the size of the label, in the target of the image.

        Those of a head that covers a box of the image have the size of what `crop` returns. They
        are float32, or float64 where the segmentor is.
        """
        if name not in self._resized:
            prediction = self.output.head(name)
            shown = self.image if self.domain == "target" or self.labels is None else self.labels
            rows, columns = prediction.region(size_of(self.image), size_of(shown))
            size = rows.stop - rows.start, columns.stop - columns.start
            logits = at_least_float32(prediction.logits)
            self._resized[name] = resize(logits, size, self.align_corners)
        return self._resized[name]

    def crop(self, maps: Tensor, head: str) -> Tensor:
        """The part of maps (N,...,H',W'), of the label's size, that a head covers."""
        return self.output.head(head).crop(maps, size_of(self.image))

    @cached_property
    def taught(self) -> "View":
        """The same images with the teacher's output, without a graph.

        The teacher is the moving average of the segmentor after the step before; it runs when its
        output is first read, at most once, with running statistics and without dropout.
        """
        if self.teacher is None:
            raise ConfigError(
                "an objective asks the teacher, but there is none: give model.teacher_momentum, "
                "for example 0.01"
            )
        view = replace(self, segmentor=self.teacher)
        view.detached = True
        return view

    @cached_property
    def taught_mirrored(self) -> "View":
        """As `taught`, of the images' mirror images."""
        view = replace(self.taught, image=self.image.flip(-1))
        view.detached = True
        return view

    def teacher_probabilities(self, *, flip: bool = False) -> Tensor:
        """The teacher's class probabilities (N,K,H',W'), of the size of `logits`, float32.

        Args:
            flip: Whether they are the mean with those of the mirrored image, mirrored back.
        """
        probabilities = self.teacher_logits.softmax(1)
        if flip:
            mirrored = self.taught_mirrored.logits.softmax(1).flip(-1)
            probabilities = (probabilities + mirrored) / 2
        return probabilities

    @property
    def teacher_logits(self) -> Tensor:
        """The teacher's main logits, as `logits`."""
        return self.taught.logits

    def normalizer(
        self,
        labels: Tensor | None = None,
        count: Callable[[Tensor], Tensor] = labelled_pixels,
    ) -> Tensor:
        """The labelled pixels that a mean over them divides by, a scalar.

        They are counted in the whole batch, over its parts and all processes, and scaled to the
        images of this view: the means of all parts, weighted by their images, are that of the
        batch.

        Args:
            labels: Those of the whole batch; default the view's.
            count: How they are counted: labels to a scalar.
        """
        labels = self.labels if labels is None else labels
        assert labels is not None, f"the {self.domain} view has no labels"
        total = count(labels).to(at_least_float32(self.output.logits).dtype)
        return mean_over_processes(total) * (len(self.image) / len(labels))

    def derived(
        self, image: Tensor, label: Tensor | None = None, weight: Tensor | None = None
    ) -> "View":
        """A view of domain "derived" in the same step: what `Objective.derive` returns.

        The image is laid out in memory as this view's is.
        """
        is_last = self.image.is_contiguous(memory_format=torch.channels_last)
        layout = torch.channels_last if is_last else torch.contiguous_format
        image = image.contiguous(memory_format=layout)
        return replace(
            self,
            image=image,
            labels=label,
            weight=weight,
            domain="derived",
            rows=slice(None),
            trusted=None,
        )

    def detach(self, *, keep_features: bool = False) -> None:
        """Free the graph: keep the output, cut off from the network that made it.

        The full-size logits are computed again where they are asked for, so that between the
        passes only the small ones stay in memory. The features stay where somebody needs them.
        """
        self.detached = True
        self._resized.clear()
        for name in ("taught", "taught_mirrored"):
            if name in self.__dict__:
                self.__dict__[name].detach()
        if self.has_run:
            self.__dict__["output"] = self.output.detach(keep_features=keep_features)
