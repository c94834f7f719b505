"""The domain adapter: the one train step, whatever the list of objectives."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import torch
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor, nn

from daseg.datasets.domain_pair import PairPreprocessor, no_domain
from daseg.objectives import Objective, View
from daseg.objectives.base import Losses, add, check_domains, check_reads, merge, total
from daseg.objectives.views import LABELS, Domain
from daseg.ops.ema import Buffers, HostCounter, MovingAverage, Start, Statistics
from daseg.ops.freeze import frozen, same_statistics
from daseg.registry import MODELS, OBJECTIVES, TRANSLATORS
from daseg.segmentor import Segmentor, SegOutput
from daseg.utils.compiling import compile_networks
from daseg.utils.errors import ConfigError
from daseg.utils.wrapping import no_sync, touching_all, unwrap

Part = tuple[dict[Domain, View], float]  # images that are in the networks together; their share


@MODELS.register_module()
class DomainAdapter(HostCounter, BaseModel):
    """Train a segmentor for a list of objectives on a labelled source and an unlabelled target.

    Args:
        segmentor: The segmentor or its config.
        objectives: What it is trained for: built objectives or their configs.
        channels_last: Whether images and weights are laid out channels last in memory, which
            convolutions on a GPU with mixed precision are made for.
        micro_batch: Number of images of a domain that go through the networks at a time, where the
            batch does not fit into memory; AdaptSegNet's ``iter_size`` n is a batch size of n and
            a micro-batch of 1. The step is that of the whole batch, but for batch norm and for the
            losses that choose pixels or are no mean over them. None: all images.
        norm_statistics: Which domains update the running statistics of batch norm: "both", as in
            AdaptSegNet, or the "source" alone. In training each batch is normalised by its own.
        teacher_momentum: Keep a teacher, the moving average of the segmentor's weights with this
            momentum, see `MovingAverage`. None: no teacher.
        teacher_start: What the average begins with: "trained" or "initial" weights.
        teacher_statistics: What the teacher's batch norm normalises by where objectives ask it:
            "running" statistics, or those of the "batch".
        teacher_buffers: Where its running statistics come from: "network", "average" or "own".
        evaluate: What is validated, and by default tested: the "teacher" where there is one, or
            the "student", as in the public codes of DACS, DAFormer, HRDA, MIC and VFM-UDA.
        compiled: Translate segmentor and discriminators with ``torch.compile`` when they first run;
            the step itself is plain Python. Checkpoints are those of a run without. A
            discriminator with a gradient penalty stays as it is: what is compiled has no gradient
            of its gradient.
        translator: Gives each source image the look of the target image at its place in the batch,
            on the device; a translator or its config. The result is neither clipped nor rounded.

    Attributes:
        iteration: Train steps made so far; in the checkpoint, and on the CPU.
        views: The views of the last step, detached, by domain; of its last part.
    """

    counter = "iteration"
    data_preprocessor: Any
    objectives: Any  # an nn.ModuleList of objectives
    iteration: Tensor

    def __init__(
        self,
        segmentor: Segmentor | dict[str, Any],
        objectives: Sequence[Objective | dict[str, Any]],
        *,
        channels_last: bool = True,
        micro_batch: int | None = None,
        norm_statistics: Literal["both", "source"] = "both",
        teacher_momentum: float | None = None,
        teacher_start: Start = "trained",
        teacher_statistics: Statistics = "running",
        teacher_buffers: Buffers = "network",
        evaluate: Literal["teacher", "student"] = "teacher",
        compiled: bool = False,
        translator: nn.Module | dict[str, Any] | None = None,
    ) -> None:
        super().__init__(PairPreprocessor(non_blocking=True))  # from pinned memory
        if not objectives:
            raise ConfigError("DomainAdapter: the list of objectives is empty: nothing to train")
        if micro_batch is not None and micro_batch < 1:
            raise ConfigError(f"DomainAdapter: micro_batch is at least 1, not {micro_batch}")
        if norm_statistics not in ("both", "source"):
            raise ConfigError(f"norm_statistics is 'both' or 'source', not {norm_statistics!r}")
        if evaluate not in ("teacher", "student"):
            raise ConfigError(f"evaluate is 'teacher' or 'student', not {evaluate!r}")
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        network: Segmentor = MODELS.build(segmentor)
        self.segmentor: nn.Module = network.to(memory_format=self.memory_format)
        self.align_corners = network.align_corners
        self.objectives = nn.ModuleList(OBJECTIVES.build(o) for o in objectives)
        for objective in self.objectives:
            check_reads(objective)
            objective.prepare(network)
        for objective in self.objectives:
            objective.meet(self.objectives)
        self.objectives.to(memory_format=self.memory_format)
        self.micro_batch, self.norm_statistics = micro_batch, norm_statistics
        self.evaluated = evaluate
        self.teacher: MovingAverage | None = None
        if teacher_momentum is not None:
            self.teacher = MovingAverage(
                network,
                teacher_momentum,
                start=teacher_start,
                statistics=teacher_statistics,
                buffers=teacher_buffers,
            )
        self.translator: nn.Module | None = None
        if translator is not None:
            self.translator = TRANSLATORS.build(translator).eval().requires_grad_(False)
        if compiled:
            games = [o for o in self.adversaries if not getattr(o, "gradient_penalty", 0)]
            compile_networks([network, *(o.discriminator for o in games)])
        self.register_buffer("iteration", torch.zeros((), dtype=torch.long))
        self.views: dict[Domain, View] = {}

    @property
    def adversaries(self) -> list[Objective]:
        """The objectives that play against a discriminator."""
        return [o for o in self.objectives if o.discriminator is not None]

    @property
    def projectors(self) -> nn.ModuleList:
        """The objectives' own networks that the segmentor's optimizer trains, too."""
        return nn.ModuleList(o.projector for o in self.objectives if o.projector is not None)

    def trainable_networks(self) -> dict[str, nn.Module]:
        """The networks that have an optimizer of their own, by the name it has in the config."""
        networks: dict[str, nn.Module] = {"segmentor": self.segmentor}
        if self.adversaries:
            networks["discriminators"] = nn.ModuleList(o.discriminator for o in self.adversaries)
        return networks

    def train_step(self, data: dict[str, Any], optim_wrapper: OptimWrapperDict) -> Losses:
        """Make one step of every optimizer on a batch; return the losses by name, detached.

        Args:
            data: The batch of a `DomainPair`, ``dict(source=batch, target=batch)``, either of
                which may be absent; or one batch ``dict(image (N,3,H,W), label (N,H,W), meta)`` of
                the source alone.
            optim_wrapper: One optimizer wrapper for each of `trainable_networks`.
        """
        if self.teacher is not None:
            self.teacher.start_from(unwrap(self.segmentor))
        iteration = int(self.iteration)
        active = [o for o in self.objectives if o.is_active(iteration)]
        games = [o for o in active if o.discriminator is not None]
        parts = list(self._parts(self.data_preprocessor(data, training=True)))
        with frozen(o.discriminator for o in self.adversaries):
            log = self._step_segmentor(active, parts, optim_wrapper["segmentor"])
        if games:
            log |= self._step_discriminators(games, parts, optim_wrapper["discriminators"])
        if self.teacher is not None:
            self.teacher.update(unwrap(self.segmentor))
        self.iteration += 1
        return log

    def _step_segmentor(
        self, objectives: list[Objective], parts: list[Part], optimizer: OptimWrapper
    ) -> Losses:
        """Accumulate the gradients of all passes, one graph in memory at a time, and step."""
        log: Losses = {}
        readers = {d: own for d in LABELS if (own := [o for o in objectives if d in o.reads])}
        deriving = [o for o in objectives if "derived" in o.reads]
        left = len(parts) * (len(readers) + len(deriving))
        if not left:
            raise ConfigError("no objective has a loss in this iteration: nothing to train")
        for views, share in parts:
            for domain, own in readers.items():
                left -= 1
                losses = self._backward(views[domain], own, share, optimizer, last=not left)
                add(log, losses, share)
            derived: Losses = {}
            for objective in deriving:
                left -= 1
                with optimizer.optim_context(self.segmentor):  # the precision of the teacher
                    view = objective.derive(views.get("source"), views.get("target"))
                for used in views.values():  # frees the teacher's full-size logits
                    used.detach(keep_features=True)
                losses = self._backward(view, [objective], share, optimizer, last=not left)
                derived = merge([derived, losses])
                self.views["derived"] = view
            add(log, derived, share)
        optimizer.step()
        optimizer.zero_grad()
        return log

    def _backward(
        self,
        view: View,
        objectives: list[Objective],
        share: float,
        optimizer: OptimWrapper,
        *,
        last: bool,
    ) -> Losses:
        """Run the segmentor on a view; add the gradients of the losses, and return them."""
        still = view.domain != "source" and self.norm_statistics == "source"
        with (
            no_sync(self.segmentor, last=last),  # processes average their gradients at the end
            same_statistics(self.segmentor, still),
            optimizer.optim_context(self.segmentor),
        ):
            losses = merge(getattr(o, f"{view.domain}_losses")(view) for o in objectives)
            heads = [prediction.logits for prediction in view.output.predictions.values()]
            loss = touching_all(total(losses, share), self.segmentor, heads)
            # Before the backward pass: the graph keeps what it needs, the view would keep more.
            view.detach(keep_features=any(o.discriminates_features for o in self.objectives))
            optimizer.backward(loss)
        return {name: loss.detach() for name, loss in losses.items()}

    def _step_discriminators(
        self, games: list[Objective], parts: list[Part], optimizer: OptimWrapper
    ) -> Losses:
        """Let each discriminator tell the detached outputs of the two domains apart."""
        log: Losses = {}
        for number, (views, share) in enumerate(parts, start=1):
            for view in views.values():
                view.detach(keep_features=True)
            found: Losses = {}
            for game in games:
                disc = game.discriminator
                with no_sync(disc, last=number == len(parts)), optimizer.optim_context(disc):
                    losses = game.discriminator_losses(views["source"], views["target"])
                    optimizer.backward(total(losses, share))
                found = merge([found, {name: loss.detach() for name, loss in losses.items()}])
            add(log, found, share)
            for view in views.values():  # the next part needs the memory of the full-size logits
                view.detach()
        optimizer.step()
        optimizer.zero_grad()
        return log

    def _parts(self, data: dict[str, Any]) -> Iterator[Part]:
        """Cut the batch into the parts that go through the networks at a time."""
        batches = {d: data[d] for d in LABELS if data.get(d) is not None} or {"source": data}
        check_domains(self.objectives, batches.keys())
        if self.translator is not None:
            if len(batches) < 2:
                raise no_domain("the translator", "target" if "source" in batches else "source")
            image = self.translator(batches["source"]["image"], batches["target"]["image"])
            batches["source"] = {**batches["source"], "image": image}
        size = len(next(iter(batches.values()))["image"])
        for begin in range(0, size, self.micro_batch or size):
            rows = slice(begin, min(begin + (self.micro_batch or size), size))
            self.views = {
                domain: View(
                    self.segmentor,
                    batch["image"][rows].contiguous(memory_format=self.memory_format),
                    batch.get(LABELS[domain]),
                    align_corners=self.align_corners,
                    domain=domain,
                    iteration=int(self.iteration),
                    teacher=self.teacher and self.teacher.module,
                    rows=rows,
                    trusted=None if "trusted" not in batch else batch["trusted"][rows],
                )
                for domain, batch in batches.items()
            }
            yield dict(self.views), (rows.stop - begin) / size

    def use_classes(self, names: Sequence[str]) -> None:
        """Tell the objectives the names of the data's classes."""
        for objective in self.objectives:
            objective.use_classes(names)

    @property
    def teacher_network(self) -> Any:
        """The teacher once it has learnt something, else the segmentor."""
        if self.teacher is not None and self.teacher.steps > 0:
            return self.teacher.module
        return unwrap(self.segmentor)

    @property
    def evaluated_network(self) -> Any:
        """What is validated: see ``evaluate``."""
        return self.teacher_network if self.evaluated == "teacher" else unwrap(self.segmentor)

    def val_step(self, data: dict[str, Any]) -> list[dict[str, Any]]:
        """Predict a batch; see `Segmentor.predict_samples`."""
        batch = self.data_preprocessor(data, training=False)
        network: Segmentor = self.evaluated_network
        return network.predict_samples(batch, self.memory_format)

    test_step = val_step  # for a runner that tests what it has just trained

    def forward(self, image: Tensor) -> SegOutput:
        """Run the segmentor on an image (N,3,H,W)."""
        output: SegOutput = self.segmentor(image)
        return output
