"""The domain adapter: the one train step, whatever the list of objectives."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Literal

import torch
from mmengine.logging import MessageHub
from mmengine.model import BaseModel, is_model_wrapper
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor, nn

from daseg.datasets.domain_pair import PairPreprocessor, no_target
from daseg.objectives import Objective, View
from daseg.objectives.base import Domain
from daseg.objectives.passes import Part, passes
from daseg.objectives.terms import Losses, add, merge, total
from daseg.ops.ema import MovingAverage
from daseg.ops.freeze import frozen, same_statistics
from daseg.registry import MODELS, OBJECTIVES, TRANSLATORS
from daseg.segmentor import Segmentor, SegOutput
from daseg.utils.errors import ConfigError
from daseg.utils.wrapping import no_sync, unwrap


@MODELS.register_module()
class DomainAdapter(BaseModel):
    """Train a segmentor for a list of objectives on a labelled source and an unlabelled target.

    With `Supervised` as the only objective this is ordinary supervised training, and the target,
    if there is one, is not looked at.

    Args:
        segmentor: The segmentor or its config.
        objectives: What it is trained for: built objectives or their configs.
        channels_last: Whether images and weights are laid out channels last in memory, which
            convolutions on a GPU with mixed precision are made for.
        micro_batch: Number of images of a domain that go through the networks at a time, where
            the batch does not fit into memory; the last part of a batch may be smaller. The step
            is that of the whole batch, but for what looks at the batch: batch norm, and the choice
            or the sums of `OHEMCrossEntropyLoss`, `DiceLoss` and `BalancedCrossEntropyLoss`. None:
            all of them. AdaptSegNet's ``iter_size`` n is a batch size of n and a micro-batch of 1.
        norm_statistics: Which domains update the running statistics of batch norm, if both run:
            "both", as in AdaptSegNet, or the "source" alone. In training each batch is normalised
            by its own statistics in any case.
        teacher_momentum: Keep a teacher, the moving average of the segmentor's weights with this
            momentum (0.001: each step counts a thousandth); it is what is validated and tested.
            In the first 1 / momentum steps it is their plain mean. Objectives can ask it, in the
            first step it is the segmentor itself. None: no teacher.
        translator: Gives each source image the look of the target image at its place in the batch,
            on the device, before anything else; a translator or its config. The result is neither
            clipped nor rounded. `DomainPair` has the same argument, for the loader's workers.

    Attributes:
        views: The views of the last step, detached, by domain; of its last part, where it had
            several.
    """

    objectives: Any  # an nn.ModuleList of objectives

    def __init__(
        self,
        segmentor: Segmentor | dict[str, Any],
        objectives: Sequence[Objective | dict[str, Any]],
        *,
        channels_last: bool = True,
        micro_batch: int | None = None,
        norm_statistics: Literal["both", "source"] = "both",
        teacher_momentum: float | None = None,
        translator: nn.Module | dict[str, Any] | None = None,
    ) -> None:
        super().__init__(PairPreprocessor(non_blocking=True))  # from pinned memory
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        network: Segmentor = MODELS.build(segmentor)
        self.segmentor: nn.Module = network.to(memory_format=self.memory_format)
        self.align_corners = network.align_corners
        self.objectives = nn.ModuleList(OBJECTIVES.build(o) for o in objectives)
        _check(objectives, micro_batch, norm_statistics, teacher_momentum)
        for objective in self.objectives:
            objective.prepare(network)
        self.objectives.to(memory_format=self.memory_format)
        self.micro_batch, self.norm_statistics = micro_batch, norm_statistics
        self.teacher: MovingAverage | None = None
        if teacher_momentum is not None:
            self.teacher = MovingAverage(network, teacher_momentum, gamma=1)
            self.teacher.eval().requires_grad_(False)
        self.translator: nn.Module | None = None
        if translator is not None:
            self.translator = TRANSLATORS.build(translator).eval().requires_grad_(False)
        self.views: dict[str, View] = {}

    @property
    def adversaries(self) -> list[Objective]:
        """The objectives that play against a discriminator."""
        return [o for o in self.objectives if o.discriminator is not None]

    def trainable_networks(self) -> dict[str, nn.Module]:
        """The networks that have an optimizer of their own, by the name it has in the config."""
        networks: dict[str, nn.Module] = {"segmentor": self.segmentor}
        if self.adversaries:
            networks["discriminators"] = nn.ModuleList(o.discriminator for o in self.adversaries)
        return networks

    def wrap_networks(self, wrap: Any) -> None:
        """Replace each trainable network by ``wrap(network)``, for distributed training."""
        self.segmentor = wrap(self.segmentor)
        for objective in self.adversaries:
            objective.discriminator = wrap(objective.discriminator)

    def train(self, mode: bool = True) -> "DomainAdapter":
        """Set training mode; teacher and translator stay in eval mode."""
        super().train(mode)
        for fixed in (self.teacher, self.translator):
            if fixed is not None:
                fixed.eval()
        return self

    def train_step(self, data: dict[str, Any], optim_wrapper: OptimWrapperDict) -> Losses:
        """Make one step of every optimizer on a batch; return the losses by name, detached.

        Args:
            data: The batch of a `DomainPair`, ``dict(source=batch, target=batch)``, or one batch
                ``dict(image (N,3,H,W), label (N,H,W), meta)`` of the source alone.
            optim_wrapper: One optimizer wrapper for each of `trainable_networks`.
        """
        if self.teacher is not None:
            self.teacher.start_from(unwrap(self.segmentor))
        parts = self._parts(self.data_preprocessor(data, training=True))
        with frozen(o.discriminator for o in self.adversaries):
            log = self._step_segmentor(parts, optim_wrapper["segmentor"])
        if self.adversaries:
            log |= self._step_discriminators(parts, optim_wrapper["discriminators"])
        if self.teacher is not None:
            self.teacher.update_parameters(unwrap(self.segmentor))
        return log

    def _step_segmentor(self, parts: list[Part], optimizer: OptimWrapper) -> Losses:
        """Accumulate the gradients of all passes, one graph in memory at a time, and step."""
        log: Losses = {}
        runs = [run for part in parts for run in passes(self.objectives, part)]
        if not runs:
            raise ConfigError("no objective has a loss in this iteration: nothing to train")
        for number, run in enumerate(runs, start=1):
            with ExitStack() as stack:
                if number < len(runs):  # processes average their gradients once, at the end
                    stack.enter_context(no_sync(self.segmentor))
                if run.domain != "source" and self.norm_statistics == "source":
                    stack.enter_context(same_statistics(self.segmentor))
                stack.enter_context(optimizer.optim_context(self.segmentor))
                view = self.views[run.domain] = run.view()
                losses = run.losses(view)
                loss = total(losses, run.part.share) + self._untouched(view)
                # Before the backward pass: the graph keeps what it needs, the view would keep more.
                view.detach(keep_features=any(o.discriminates_features for o in self.objectives))
                optimizer.backward(loss)
            add(log, losses, run.part.share)
        optimizer.step()
        optimizer.zero_grad()
        return log

    def _untouched(self, view: View) -> Tensor | float:
        """Zero, but a function of all outputs: DDP waits for a gradient of every parameter."""
        if not is_model_wrapper(self.segmentor):
            return 0.0
        heads = [logits for logits in view.output[:2] if logits is not None]
        return 0.0 * torch.stack([logits.float().mean() for logits in heads]).sum()

    def _step_discriminators(self, parts: list[Part], optimizer: OptimWrapper) -> Losses:
        """Let each discriminator tell the detached outputs of the two domains apart."""
        log: Losses = {}
        for number, part in enumerate(parts, start=1):
            assert part.target is not None  # `_parts` has checked
            part.source.detach(keep_features=True)
            part.target.detach(keep_features=True)
            passes = [
                self._step_discriminator(o, part, optimizer, sync=number == len(parts))
                for o in self.adversaries
            ]
            add(log, merge(passes), part.share)
            part.source.detach()  # the next part needs the memory of the full-size logits
            part.target.detach()
        optimizer.step()
        optimizer.zero_grad()
        return log

    def _step_discriminator(
        self, game: Objective, part: Part, optimizer: OptimWrapper, *, sync: bool
    ) -> Losses:
        """Accumulate the gradient of one discriminator, whose graph is then freed."""
        assert part.target is not None
        with ExitStack() as stack:
            if not sync:
                stack.enter_context(no_sync(game.discriminator))
            stack.enter_context(optimizer.optim_context(game.discriminator))
            losses = game.discriminator_losses(part.source, part.target)
            optimizer.backward(total(losses, part.share))
        return {name: loss.detach() for name, loss in losses.items()}

    def _domains(self, data: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """The batches of both domains, the source's translated where that is asked for."""
        source, target = data.get("source", data), data.get("target")
        if target is None:
            if self.translator is not None:
                raise no_target("the translator")
            at = self._iteration
            if any(o.needs_target(at) or o.needs_mixed(at) for o in self.objectives):
                raise no_target("an objective")
        elif self.translator is not None:
            source = {**source, "image": self.translator(source["image"], target["image"])}
        return source, target

    def _parts(self, data: dict[str, Any]) -> list[Part]:
        """Cut the batch into the parts that go through the networks at a time."""
        source, target = self._domains(data)
        size = len(source["image"])
        step = self.micro_batch or size
        parts = []
        for begin in range(0, size, step):
            rows = slice(begin, begin + step)
            view, label = self._view(source, rows, "source"), source.get("label")
            other = None if target is None else self._view(target, rows, "target")
            share = (min(begin + step, size) - begin) / size
            pseudo = None if target is None else target.get("pseudo_label")
            parts.append(Part(view, other, label, share, pseudo))
        self.views = {v.domain: v for v in parts[-1][:2] if v is not None}
        return parts

    def _view(self, batch: dict[str, Any], rows: slice, domain: Domain) -> View:
        image = batch["image"][rows].contiguous(memory_format=self.memory_format)
        label = batch.get("label") if domain == "source" else None
        pseudo = batch.get("pseudo_label") if domain == "target" else None
        return View(
            self.segmentor,
            image,
            None if label is None else label[rows],
            align_corners=self.align_corners,
            domain=domain,
            iteration=self._iteration,
            teacher=None if self.teacher is None else self.teacher.module,
            pseudo_label=None if pseudo is None else pseudo[rows],
        )

    @property
    def _iteration(self) -> int:
        """Train steps made before; mmengine keeps count, in the checkpoint too."""
        return int(MessageHub.get_current_instance().get_info("iter", 0))

    @property
    def evaluated_network(self) -> Any:
        """What is validated: the teacher once it has learnt something, else the segmentor."""
        if self.teacher is not None and int(self.teacher.steps) > 0:
            return self.teacher.module
        return unwrap(self.segmentor)

    def val_step(self, data: dict[str, Any]) -> list[dict[str, Any]]:
        """Predict a batch; see `Segmentor.predict_samples`."""
        batch = self.data_preprocessor(data, training=False)
        return self.evaluated_network.predict_samples(batch, self.memory_format)

    def forward(self, image: Tensor) -> SegOutput:
        """Run the segmentor on an image (N,3,H,W)."""
        return self.segmentor(image)


def _check(
    objectives: Sequence[Any], micro_batch: int | None, norm_statistics: str, momentum: float | None
) -> None:
    if not objectives:
        raise ConfigError("DomainAdapter: the list of objectives is empty: nothing to train")
    if micro_batch is not None and micro_batch < 1:
        raise ConfigError(f"DomainAdapter: micro_batch is at least 1, not {micro_batch}")
    if norm_statistics not in ("both", "source"):
        raise ConfigError(f"norm_statistics is 'both' or 'source', not {norm_statistics!r}")
    if momentum is not None and not 0 < momentum < 1:
        raise ConfigError(f"teacher_momentum is between 0 and 1, not {momentum}")
