"""What an objective is given, and what it gives."""

from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor, nn

from daseg.losses.pixels import at_least_float32
from daseg.ops.resize import resize, size_of
from daseg.segmentor import Segmentor, SegOutput
from daseg.utils.errors import ConfigError, LabelFirewallError
from daseg.utils.wrapping import unwrap

Domain = Literal["source", "target", "mixed"]
Level = Literal["main", "aux"]


class View:
    """One domain's batch, with the segmentor's output on it.

    The network runs when `output` is first read, at most once; not at all where nobody reads it.

    Args:
        segmentor: The segmentor, possibly wrapped for distributed training.
        image: (N,3,H,W), RGB 0..255.
        label: Class indices (N,H',W'), or None in a domain without labels.
        align_corners: How logits are resized.
        domain: Which domain the batch is of; "mixed": of both, as an objective has mixed it.
        iteration: Number of train steps made before this one.
        teacher: The network that `teacher_logits` are of, in eval mode.
        weight: In a mixed view, a factor (N,H',W') for each pixel's loss.
        pseudo_label: In a target view, class indices (N,H,W) and 255 that are no labels, but what
            a network has said before the training; None without any. See `DomainPair`.
    """

    def __init__(
        self,
        segmentor: nn.Module,
        image: Tensor,
        label: Tensor | None = None,
        *,
        align_corners: bool,
        domain: Domain = "source",
        iteration: int = 0,
        teacher: nn.Module | None = None,
        weight: Tensor | None = None,
        pseudo_label: Tensor | None = None,
    ) -> None:
        self.segmentor = segmentor
        self.image = image
        self._label = label
        self.align_corners = align_corners
        self.domain = domain
        self.iteration = iteration
        self.teacher = teacher
        self.weight = weight
        self.pseudo_label = pseudo_label
        self.detached = False

    @property
    def label(self) -> Tensor | None:
        """Class indices (N,H',W'); None where the source is trained on without labels.

        Raises:
            LabelFirewallError: The batch is of the target domain.
        """
        if self.domain == "target":
            raise LabelFirewallError
        return self._label

    @cached_property
    def output(self) -> SegOutput:
        """What the segmentor returns for the image; without a graph in a detached view."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.detached):
            return self.segmentor(self.image)

    @property
    def has_run(self) -> bool:
        """Whether the segmentor has run on the image."""
        return "output" in self.__dict__

    @cached_property
    def logits(self) -> Tensor:
        """The main head's logits (N,K,H',W') at the label's size, else the image's.

        They are float32, or float64 where the segmentor is.
        """
        return self._full_size(self.output.logits)

    @cached_property
    def aux_logits(self) -> Tensor | None:
        """The auxiliary head's logits, as `logits`; None without such a head."""
        aux = self.output.aux_logits
        return None if aux is None else self._full_size(aux)

    def level(self, level: Level) -> Tensor:
        """The logits of the main or the auxiliary head, as `logits`.

        Raises:
            ConfigError: There is no auxiliary head.
        """
        logits = self.logits if level == "main" else self.aux_logits
        if logits is None:
            raise ConfigError(
                "an objective has level='aux', but the segmentor has no auxiliary head: "
                "give model.segmentor.aux_head, or leave the objective out"
            )
        return logits

    @cached_property
    def _teacher_output(self) -> Tensor:
        if self.teacher is None:
            raise ConfigError(
                "an objective asks the teacher, but there is none: give model.teacher_momentum, "
                "for example 0.01"
            )
        with torch.no_grad():
            return self.teacher(self.image).logits

    @cached_property
    def teacher_logits(self) -> Tensor:
        """The teacher's logits for the same image, as `logits`, without a graph.

        The teacher is the moving average of the segmentor after the step before; it runs when this
        is first read, at most once, with running statistics and without dropout.

        Raises:
            ConfigError: There is no teacher.
        """
        return self._full_size(self._teacher_output)

    def mixed(self, image: Tensor, label: Tensor, weight: Tensor | None = None) -> "View":
        """A view of domain "mixed" in the same step: for what `Objective.mix` returns.

        Args:
            image: (N,3,H,W), RGB 0..255.
            label: Class indices (N,H',W') and 255.
            weight: A factor (N,H',W') for each pixel's loss, or None.
        """
        return View(
            self.segmentor,
            image,
            label,
            align_corners=self.align_corners,
            domain="mixed",
            iteration=self.iteration,
            teacher=self.teacher,
            weight=weight,
        )

    def detach(self, *, keep_features: bool = False) -> None:
        """Free the graph: keep the output, cut off from the network that made it.

        The full-size logits are computed again where they are asked for, so that between the
        passes only the small ones stay in memory.

        Args:
            keep_features: Whether somebody still needs the feature maps.
        """
        self.detached = True
        if self.has_run:
            logits, aux, features = self.output
            self.__dict__["output"] = SegOutput(
                logits.detach(),
                None if aux is None else aux.detach(),
                tuple(feature.detach() for feature in features) if keep_features else (),
            )
        for name in ("logits", "aux_logits", "teacher_logits"):
            self.__dict__.pop(name, None)

    def _full_size(self, logits: Tensor) -> Tensor:
        size = size_of(self.image if self._label is None else self._label)
        return resize(at_least_float32(logits), size, self.align_corners)


class Objective(nn.Module):
    """One thing that the segmentor is trained for; a paper is a list of them.

    A subclass overrides `source_losses`, `target_losses` or both; one that trains on a mixture of
    the two domains overrides `mix` and `mixed_losses`. The keys are the names in the log; the
    values are scalars, weighted already, and the sum over all objectives is what is minimised.
    One that plays against a discriminator sets `discriminator` in `prepare` and overrides
    `discriminator_losses`.

    Attributes:
        discriminator: The network that the objective plays against, or None.
        discriminates_features: Whether that network looks at feature maps of the backbone.
    """

    discriminator: Any  # nn.Module | None
    discriminates_features = False

    def __init__(self) -> None:
        super().__init__()
        self.register_module("discriminator", None)

    def prepare(self, segmentor: Segmentor) -> None:
        """Build what depends on the segmentor: its classes, its channels. Called once."""

    def source_losses(self, source: View) -> dict[str, Tensor]:
        """Losses on the labelled domain."""
        return {}

    def target_losses(self, target: View) -> dict[str, Tensor]:
        """Losses on the unlabelled domain."""
        return {}

    def needs_target(self, iteration: int) -> bool:
        """Whether `target_losses` has something to say in this iteration.

        Where no objective has, the segmentor does not run on the target at all.
        """
        return type(self).target_losses is not Objective.target_losses

    def mix(self, source: View, target: View) -> View:
        """Make a further batch of both domains, with ``View.mixed``; called after both had a pass.

        The segmentor runs on it in a pass of its own.
        """
        raise ConfigError(f"{type(self).__name__} has mixed_losses, but no method mix")

    def mixed_losses(self, mixed: View) -> dict[str, Tensor]:
        """Losses on what `mix` has made."""
        return {}

    def needs_mixed(self, iteration: int) -> bool:
        """Whether `mix` and `mixed_losses` are to be called in this iteration."""
        return type(self).mixed_losses is not Objective.mixed_losses

    def discriminator_losses(self, source: View, target: View) -> dict[str, Tensor]:
        """Losses of the discriminator on both domains, whose views are detached.

        Keys without ``loss`` in them are logged only.
        """
        return {}

    def bare_discriminator(self, maps: Tensor) -> Any:
        """Run the discriminator in the segmentor's step, where its own gradient is not wanted.

        Without its distributed wrapper, which would wait for a gradient that does not come.
        """
        return unwrap(self.discriminator)(maps)
