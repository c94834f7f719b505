"""What an objective is, and what objectives share: weights of heads, sums of losses."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn

from daseg.datasets.domain_pair import no_domain
from daseg.losses.balanced import ClassBalance
from daseg.losses.cross_entropy import labelled_pixels, mean_over_processes
from daseg.objectives.views import Domain, View
from daseg.registry import LOSSES
from daseg.segmentor import Segmentor
from daseg.utils.errors import ConfigError
from daseg.utils.wrapping import unwrap

Losses = dict[str, Tensor]  # named scalars; those with "loss" in their name are minimised
CALL = ("logits", "target", "weight")  # how a loss on labels is called
Weights = Mapping[str, float]  # by the name of the head


class Objective(nn.Module):
    """One thing that the segmentor is trained for; a paper is a list of them.

    A subclass says in ``reads`` on which views it has losses, and gives them by `source_losses`,
    `target_losses` or `derived_losses`. Keys are the names in the log; values are scalars, weighted
    already, and the sum over all objectives is what is minimised. One that trains on images that
    it makes itself says in ``derives_from`` what of, and makes them by `derive`. One that plays
    against a discriminator sets `discriminator` in `prepare` and overrides `discriminator_losses`.

    Attributes:
        reads: The domains of the views that it has losses on.
        derives_from: The domains of the views that `derive` looks at.
        heads: Names of the heads that the segmentor has to have, beside the main one.
        discriminator: The network that the objective plays against, or None.
        projector: A network of the objective's own that is trained with the segmentor, by the same
            optimizer, or None; set in `prepare`.
        discriminates_features: Whether that network looks at feature maps of the backbone.
    """

    reads: tuple[Domain, ...] = ()
    derives_from: tuple[Domain, ...] = ()
    heads: tuple[str, ...] = ()
    discriminator: Any  # nn.Module | None
    projector: Any  # nn.Module | None
    discriminates_features = False

    def __init__(self) -> None:
        super().__init__()
        self.register_module("discriminator", None)
        self.register_module("projector", None)

    @property
    def domains(self) -> Set[Domain]:
        """The domains that the training data has to have; a discriminator looks at both."""
        of_game: tuple[Domain, ...] = () if self.discriminator is None else ("source", "target")
        return {*self.reads, *self.derives_from, *of_game} - {"derived"}

    def prepare(self, segmentor: Segmentor) -> None:
        """Build what depends on the segmentor: its classes, its channels. Called once.

        Raises:
            ConfigError: A head of ``heads`` is not there.
        """
        missing = [name for name in self.heads if name not in segmentor.head_names]
        if missing:
            what = "an auxiliary head" if missing[0] == "aux" else f"the head {missing[0]!r}"
            raise ConfigError(
                f"the objective {type(self).__name__} needs {what}, but the segmentor has none: "
                f"give model.segmentor{'.aux_head' if missing[0] == 'aux' else ' such a head'}, or "
                "leave the objective out"
            )

    def meet(self, objectives: Iterable["Objective"]) -> None:
        """Take over what the other objectives of the list decide. Called once, after `prepare`."""

    def use_classes(self, names: Sequence[str]) -> None:
        """Find classes by the names that the training data have. Called before training."""

    def is_active(self, iteration: int) -> bool:
        """Whether it has something to say after ``iteration`` steps.

        Where no objective that reads a domain has, the segmentor does not run on it.
        """
        return True

    def source_losses(self, source: View) -> dict[str, Tensor]:
        """Losses on the labelled domain."""
        raise _missing(self, "source")

    def target_losses(self, target: View) -> dict[str, Tensor]:
        """Losses on the unlabelled domain."""
        raise _missing(self, "target")

    def derive(self, source: Any, target: Any) -> View:
        """Make images with ``View.derived``, on which the segmentor then has a pass of its own.

        Called after both domains had their passes.

        Args:
            source: The source's view; None where there is no source.
            target: The target's view; None where there is no target.
        """
        raise ConfigError(f"{type(self).__name__} reads 'derived', but has no method derive")

    def derived_losses(self, derived: View) -> dict[str, Tensor]:
        """Losses on what `derive` has made."""
        raise _missing(self, "derived")

    def discriminator_losses(self, source: View, target: View) -> dict[str, Tensor]:
        """Losses of the discriminator on both domains, whose views are detached.

        Keys without ``loss`` in them are logged only.
        """
        raise ConfigError(
            f"{type(self).__name__} has a discriminator, but no method discriminator_losses"
        )

    def bare_discriminator(self, maps: Tensor) -> Any:
        """Run the discriminator in the segmentor's step, where its own gradient is not wanted.

        Without its distributed wrapper, which would wait for a gradient that does not come.
        """
        return unwrap(self.discriminator)(maps)


def _missing(objective: Objective, domain: Domain) -> ConfigError:
    return ConfigError(
        f"{type(objective).__name__} reads {domain!r}, but has no method {domain}_losses"
    )


def check_reads(objective: Objective) -> None:
    """Refuse an objective that does not say what it reads, which would train nothing.

    Raises:
        ConfigError: ``reads`` is empty or wrong, or does not go together with ``derives_from``.
    """
    who, reads = f"the objective {type(objective).__name__}", set(objective.reads)
    if not reads or not reads <= {"source", "target", "derived"}:
        raise ConfigError(
            f"{who} has reads={objective.reads!r}: name the views that it has losses on, "
            "'source', 'target' or 'derived', in the class attribute reads, for example "
            "reads = ('target',)"
        )
    if ("derived" in reads) != bool(objective.derives_from):
        raise ConfigError(
            f"{who} has reads={objective.reads!r} and derives_from={objective.derives_from!r}: one "
            "that reads 'derived' says which views it derives from, and no other does"
        )


def check_domains(objectives: Iterable[Objective], present: Set[str]) -> None:
    """Refuse training data without a domain that an objective looks at.

    Raises:
        ConfigError: An objective reads an unknown view; the message names it.
    """
    for objective in objectives:
        for domain in sorted(objective.domains - present):
            raise no_domain(f"the objective {type(objective).__name__}", domain)


def head_weights(weights: Weights | None, **defaults: float) -> tuple[Weights, tuple[str, ...]]:
    """The weight of each head by name, and the names of the heads that have to be there.

    Those that a config names are; of the defaults a head that the segmentor lacks is unused.
    """
    return (defaults, ()) if weights is None else (dict(weights), tuple(weights))


def label_loss(loss: nn.Module | dict[str, Any] | None) -> nn.Module:
    """Build a loss on labels; default cross-entropy over the labelled pixels.

    Raises:
        ConfigError: It is not called as losses on labels are.
    """
    built: nn.Module = LOSSES.build(loss or dict(type="CrossEntropyLoss"))
    if not (can_be_called(built, *CALL, normalizer=None) or can_be_called(built, *CALL)):
        raise ConfigError(
            f"{type(built).__name__} is called as loss(logits, target, weight=None, "
            "normalizer=None), the last of which it may lack, but takes "
            f"{signature(getattr(built, 'forward', built))}: see docs/extend.md"
        )
    return built


def can_be_called(loss: Any, *args: Any, **options: Any) -> bool:
    """Whether a loss takes such arguments."""
    try:
        signature(getattr(loss, "forward", loss)).bind(*args, **options)
    except TypeError:
        return False
    return True


def suffix_of(*words: str) -> str:
    """The end of a key in the log: ``suffix_of("aux", "", "b")`` is "_aux_b"."""
    return "".join(f"_{word}" for word in words if word)


def weighed(view: View, weights: Weights) -> Iterator[tuple[str, float]]:
    """The heads of a view that have a weight, in the segmentor's order, and their weights."""
    return ((head, weights[head]) for head in view.output.predictions if head in weights)


def key_of(term: str, head: str, name: str) -> str:
    """A head's key in the log: "loss_seg", of other heads than the main one "loss_seg_aux"."""
    return term + suffix_of("" if head == "main" else head, name)


def label_losses(
    term: str,
    loss: nn.Module,
    view: View,
    label: Tensor,
    weights: Weights,
    *,
    name: str = "",
    batch: Tensor | None = None,
) -> dict[str, Tensor]:
    """A loss on labels for each head that has a weight, weighted.

    A head that covers a box of the image is compared with that box of the label, and averaged over
    the box's own labelled pixels.

    Args:
        term: Key of the main head's loss in the log.
        loss: ``(logits, label, weight, normalizer)`` to a scalar.
        view: Where the logits and the weights of the pixels come from.
        label: Class indices (N,H',W') and 255, of the size of the view's label.
        weights: Weight of each head, by name.
        name: End of the keys in the log.
        batch: Labels of the whole batch, where they are not the view's.
    """
    batch = view.labels if batch is None else batch
    count = getattr(loss, "denominator", labelled_pixels)
    normalizer = view.normalizer(batch, count)
    takes_normalizer = can_be_called(loss, *CALL, normalizer=None)  # else it has a mean of its own
    if not view.rows.start and isinstance(loss, ClassBalance) and batch is not None:
        loss.begin_batch(batch)
    losses = {}
    for head, weight in weighed(view, weights):
        factors = None if view.weight is None else view.crop(view.weight, head)
        logits, target, own = view.head(head), view.crop(label, head), normalizer
        if view.output.predictions[head].box is not None:
            own = mean_over_processes(count(target).to(logits.dtype))
        means = {"normalizer": own} if takes_normalizer else {}
        measured = loss(logits, target, factors, **means)
        losses[key_of(term, head, name)] = weight * measured
    return losses


def merge(parts: Iterable[Losses]) -> Losses:
    """The terms of several objectives together.

    Raises:
        ConfigError: Two have a term of the same name.
    """
    merged: Losses = {}
    for losses in parts:
        twice = merged.keys() & losses.keys()
        if twice:
            raise ConfigError(f"two objectives have a loss of the same name: {sorted(twice)}")
        merged |= losses
    return merged


def total(losses: Losses, share: float) -> Tensor:
    """The sum of what is minimised, times ``share``; the rest is for the log.

    Raises:
        ConfigError: Nothing is minimised.
    """
    terms = [loss for name, loss in losses.items() if "loss" in name]
    if not terms:
        raise ConfigError("no objective has a loss on this domain: nothing to train")
    return torch.stack(terms).sum() * share


def add(log: Losses, losses: Losses, share: float) -> None:
    """Add the terms, times ``share``, to those of the log, detached."""
    for name, loss in losses.items():
        log[name] = log.get(name, 0.0) + loss.detach() * share
