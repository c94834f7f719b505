"""Which passes of the segmentor a train step has: on what, and for which losses."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple

from torch import Tensor

from daseg.objectives.base import Domain, Objective, View
from daseg.objectives.terms import Losses, merge
from daseg.ops.micro_batch import part_of


class Part(NamedTuple):
    """The images of a batch that go through the networks together, and their share of it."""

    source: View
    target: View | None
    label: Tensor | None  # of the whole batch
    share: float
    pseudo_label: Tensor | None = None  # of the whole batch of the target


class Pass(NamedTuple):
    """One run of the segmentor; ``view`` and ``losses`` are called when its turn has come."""

    part: Part
    domain: Domain
    view: Callable[[], View]
    losses: Callable[[View], Losses]


def passes(objectives: Iterable[Objective], part: Part) -> Iterator[Pass]:
    """The passes that objectives ask for: source, target, then one for each that mixes them."""
    objectives, target = list(objectives), part.target
    fitting = [o for o in objectives if type(o).source_losses is not Objective.source_losses]
    if fitting:
        yield Pass(part, "source", lambda: part.source, partial(_source_losses, fitting, part))
    if target is None:
        return
    wanting = [o for o in objectives if o.needs_target(target.iteration)]
    if wanting:
        yield Pass(part, "target", lambda: target, partial(_target_losses, wanting, part))
    seen: Losses = {}
    for mixing in (o for o in objectives if o.needs_mixed(target.iteration)):
        view = partial(_mixed_view, mixing, part.source, target)
        yield Pass(part, "mixed", view, partial(_mixed_losses, mixing, seen))


def _source_losses(objectives: list[Objective], part: Part, view: View) -> Losses:
    with part_of(view.label, part.label, part.share):
        return merge(o.source_losses(view) for o in objectives)


def _target_losses(objectives: list[Objective], part: Part, view: View) -> Losses:
    with part_of(view.pseudo_label, part.pseudo_label, part.share):
        return merge(o.target_losses(view) for o in objectives)


def _mixed_view(objective: Objective, source: View, target: View) -> View:
    view = objective.mix(source, target)
    for domain in (source, target):  # the pass needs the memory of the teacher's full-size logits
        domain.detach(keep_features=True)
    return view


def _mixed_losses(objective: Objective, seen: Losses, view: View) -> Losses:
    """One objective's losses; ``seen`` gathers the names of those before it in the same part."""
    losses = objective.mixed_losses(view)
    seen |= {k: v.detach() for k, v in merge([seen, losses]).items()}
    return losses
