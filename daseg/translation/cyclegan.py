"""CycleGAN: learn from unpaired images to translate each domain into the look of the other."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Literal

import torch
from mmengine.logging import MessageHub
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from daseg.datasets.domain_pair import PairPreprocessor, no_domain
from daseg.losses.gan import GANLoss
from daseg.objectives.base import Losses, add, total
from daseg.objectives.views import Domain
from daseg.ops.freeze import frozen
from daseg.ops.logits import at_least_float32
from daseg.registry import DISCRIMINATORS, GENERATORS, LOSSES, MODELS
from daseg.segmentor import Segmentor
from daseg.translation.image_pool import ImagePool
from daseg.translation.pixels import from_pixels, to_pixels, translate
from daseg.translation.semantic import SemanticConsistency
from daseg.utils.errors import ConfigError
from daseg.utils.wrapping import no_sync, unwrap

Part = nn.Module | dict[str, Any]
Direction = Literal["source_to_target", "target_to_source"]
DIRECTIONS: tuple[Direction, ...] = ("source_to_target", "target_to_source")
DOMAINS: tuple[Domain, ...] = ("source", "target")
DISCRIMINATOR_OF = dict(source="disc_source", target="disc_target")
NETWORKS = (*DIRECTIONS, *DISCRIMINATOR_OF.values())


@MODELS.register_module()
class CycleGAN(BaseModel):
    """Two generators, one for each direction, and a discriminator for each domain.

    Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks",
    ICCV 2017: the game of eq. (1), the cycle of eq. (2), both in eq. (3), and the identity loss of
    section 5.2. A discriminator calls true images of its domain real, translated ones fake.

    With a ``segmentor`` it is CyCADA's translation (Hoffman et al., "CyCADA: Cycle-Consistent
    Adversarial Domain Adaptation", ICML 2018, eqs. (4) to (6)): a translated image shall mean to
    it what the untranslated one did.

    Args:
        source_to_target: Generator or its config: images (N,3,H,W), -1..1, to the same.
        target_to_source: The generator of the other direction.
        disc_source: Discriminator of images in the source's look, or its config.
        disc_target: Discriminator of images in the target's look.
        gan_loss: The GAN loss or its config; default `LSGANLoss`.
        cycle_weight: Weight of the mean absolute error of images translated there and back.
        identity_weight: Weight, as a multiple of ``cycle_weight``, of what a generator changes in
            images that have the look already. 0: this is not computed.
        disc_weight: Weight of each of a discriminator's two losses.
        pool_size: Number of translated images in each `ImagePool`; 0: none.
        segmentor: A trained segmentor or its config; it is not trained here. None: without.
        segmentor_weights: Checkpoint of the segmentor, where it is a config. None: its initial
            weights.
        semantic_weight: Weight of the cross-entropy of the segmentor's answers.
        micro_batch: Number of images of a domain that go through the networks at a time; the step
            is that of the whole batch. None: all of them.
        channels_last: Whether images and weights are laid out channels last in memory. Instance
            norm would have to change the layout and back at every layer, so by default not.

    Raises:
        ConfigError: A weight is negative, or ``segmentor`` and ``semantic_weight`` do not go
            together.
    """

    def __init__(
        self,
        source_to_target: Part,
        target_to_source: Part,
        disc_source: Part,
        disc_target: Part,
        gan_loss: Part | None = None,
        *,
        cycle_weight: float = 10.0,
        identity_weight: float = 0.5,
        disc_weight: float = 0.5,
        pool_size: int = 50,
        segmentor: Segmentor | dict[str, Any] | None = None,
        segmentor_weights: str | None = None,
        semantic_weight: float = 0.0,
        micro_batch: int | None = None,
        channels_last: bool = False,
    ) -> None:
        super().__init__(PairPreprocessor(non_blocking=True))  # from pinned memory
        weights = dict(
            cycle_weight=cycle_weight,
            identity_weight=identity_weight,
            disc_weight=disc_weight,
            semantic_weight=semantic_weight,
        )
        _check(weights, micro_batch, segmentor)
        self.source_to_target: nn.Module = GENERATORS.build(source_to_target)
        self.target_to_source: nn.Module = GENERATORS.build(target_to_source)
        self.disc_source: nn.Module = DISCRIMINATORS.build(disc_source)
        self.disc_target: nn.Module = DISCRIMINATORS.build(disc_target)
        self.gan_loss: GANLoss = LOSSES.build(gan_loss or dict(type="LSGANLoss"))
        self.cycle_weight, self.identity_weight = cycle_weight, cycle_weight * identity_weight
        self.disc_weight, self.semantic_weight = disc_weight, semantic_weight
        self.pools = nn.ModuleDict({domain: ImagePool(pool_size) for domain in DOMAINS})
        self.semantic: SemanticConsistency | None = None
        if segmentor is not None:
            self.semantic = SemanticConsistency(segmentor, segmentor_weights)
        self.micro_batch = micro_batch
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        for name in NETWORKS:
            getattr(self, name).to(memory_format=self.memory_format)

    def trainable_networks(self) -> dict[str, nn.Module]:
        """The networks that have an optimizer of their own, by the name it has in the config."""
        generators, discriminators = (
            nn.ModuleDict({name: getattr(self, name) for name in names})
            for names in (DIRECTIONS, DISCRIMINATOR_OF.values())
        )
        return dict(generators=generators, discriminators=discriminators)

    def forward(self, image: Tensor, direction: Direction = "source_to_target") -> Tensor:
        """Translate images (N,3,H,W), -1..1, to the same."""
        return getattr(self, direction)(image)

    def translate(self, image: Tensor, direction: Direction = "source_to_target") -> Tensor:
        """Translate images (N,3,H,W), RGB 0..255, uint8 or float, to float (N,3,H,W), 0..255.

        Args:
            image: On any device.
            direction: "source_to_target" or "target_to_source".

        Raises:
            ConfigError: ``direction`` is neither.
        """
        if direction not in DIRECTIONS:
            raise ConfigError(f"direction={direction!r} is not one of {', '.join(DIRECTIONS)}")
        return translate(unwrap(getattr(self, direction)), image, self.memory_format)

    def train_step(self, data: dict[str, Any], optim_wrapper: OptimWrapperDict) -> Losses:
        """Make one step of the generators, then one of the discriminators.

        Args:
            data: The batch of a `DomainPair`, ``dict(source=batch, target=batch)``. Labels are not
                looked at.
            optim_wrapper: Wrappers of ``generators`` and ``discriminators``.

        Returns:
            The losses by name, detached. ``loss_gan_target`` is that of images translated into the
            target's look, ``loss_cycle_source`` that of source images there and back,
            ``loss_idt_target`` that of target images translated into their own look;
            ``disc_acc_real_target`` and ``disc_acc_fake_target`` are shares of right answers, 0..1.
        """
        images = self._images(self.data_preprocessor(data, training=True))
        with frozen(getattr(self, name) for name in DISCRIMINATOR_OF.values()):
            log, fakes = self._step_generators(images, optim_wrapper["generators"])
        return log | self._step_discriminators(images, fakes, optim_wrapper["discriminators"])

    def _images(self, data: dict[str, Any]) -> dict[Domain, Tensor]:
        if not {"source", "target"} <= data.keys():
            raise no_domain("CycleGAN", "target")
        dtype = next(self.source_to_target.parameters()).dtype
        return {
            domain: from_pixels(data[domain]["image"], dtype).contiguous(
                memory_format=self.memory_format
            )
            for domain in DOMAINS
        }

    def _step_generators(
        self, images: dict[Domain, Tensor], optimizer: OptimWrapper
    ) -> tuple[Losses, dict[Domain, Tensor]]:
        """Accumulate the gradients of both domains, one graph in memory at a time, and step.

        Returns the losses, and by look the translated images, detached.
        """
        log: Losses = {}
        fakes: dict[Domain, list[Tensor]] = dict(source=[], target=[])
        passes = [(rows, domain) for rows in self._parts(images) for domain in DOMAINS]
        for number, (rows, domain) in enumerate(passes, start=1):
            image = images[domain][rows]
            share = len(image) / len(images[domain])
            with ExitStack() as stack:
                if number < len(passes):  # processes average their gradients once, at the end
                    for name in DIRECTIONS:
                        stack.enter_context(no_sync(getattr(self, name)))
                stack.enter_context(optimizer.optim_context(self.source_to_target))
                losses, fake = self._generator_losses(image, domain)
                optimizer.backward(total(losses, share))
            fakes[other(domain)].append(fake)
            add(log, losses, share)
        optimizer.step()
        optimizer.zero_grad()
        return log, {look: torch.cat(parts) for look, parts in fakes.items()}

    def _generator_losses(self, image: Tensor, domain: Domain) -> tuple[Losses, Tensor]:
        """What the generators minimise on images of a domain; the translated images, detached."""
        look = other(domain)
        there, back = self._generator(domain), self._generator(look)
        fake = there(image)
        # Without the distributed wrapper, which would wait for a gradient that does not come.
        judged = unwrap(getattr(self, DISCRIMINATOR_OF[look]))(fake)
        losses = {f"loss_gan_{look}": self.gan_loss.generator(judged)}
        losses[f"loss_cycle_{domain}"] = self.cycle_weight * _distance(back(fake), image)
        if self.identity_weight:
            losses[f"loss_idt_{domain}"] = self.identity_weight * _distance(back(image), image)
        if self.semantic is not None:
            loss = self.semantic(to_pixels(image), to_pixels(fake))
            losses[f"loss_semantic_{domain}"] = self.semantic_weight * loss
        return losses, at_least_float32(fake.detach())

    def _step_discriminators(
        self,
        images: dict[Domain, Tensor],
        fakes: dict[Domain, Tensor],
        optimizer: OptimWrapper,
    ) -> Losses:
        """Let each discriminator tell true images of its domain from translated ones."""
        log: Losses = {}
        pooled = {domain: self._pooled(fakes[domain], domain) for domain in DOMAINS}
        parts = list(self._parts(images))
        for number, rows in enumerate(parts, start=1):
            for domain in DOMAINS:
                real, fake = images[domain][rows], pooled[domain][rows]
                share = len(real) / len(images[domain])
                with ExitStack() as stack:
                    network = getattr(self, DISCRIMINATOR_OF[domain])
                    if number < len(parts):
                        stack.enter_context(no_sync(network))
                    stack.enter_context(optimizer.optim_context(network))
                    losses = self._discriminator_losses(network, real, fake, domain)
                    optimizer.backward(total(losses, share))
                add(log, losses, share)
        optimizer.step()
        optimizer.zero_grad()
        return log

    def _discriminator_losses(
        self, network: nn.Module, real: Tensor, fake: Tensor, domain: Domain
    ) -> Losses:
        """What the discriminator of a domain minimises, and its shares of right answers."""
        real_logits, fake_logits = network(real), network(fake)
        loss = self.gan_loss(real_logits, True) + self.gan_loss(fake_logits, False)
        return {
            f"loss_disc_{domain}": self.disc_weight * loss,
            f"disc_acc_real_{domain}": self.gan_loss.accuracy(real_logits, True),
            f"disc_acc_fake_{domain}": self.gan_loss.accuracy(fake_logits, False),
        }

    def _pooled(self, fakes: Tensor, domain: Domain) -> Tensor:
        """Some of the translated images of this step, and some older ones."""
        hub = MessageHub.get_current_instance()  # mmengine keeps count, in the checkpoint too
        seed, iteration = hub.get_info("seed", 0), hub.get_info("iter", 0)
        given = self.pools[domain](fakes, int(seed), int(iteration), DOMAINS.index(domain))
        return given.contiguous(memory_format=self.memory_format)

    def _parts(self, images: dict[Domain, Tensor]) -> Iterator[slice]:
        """Cut the batch into the rows that go through the networks at a time."""
        size = len(images["source"])
        step = self.micro_batch or size
        return (slice(begin, begin + step) for begin in range(0, size, step))

    def _generator(self, domain: Domain) -> nn.Module:
        """The generator that translates images of a domain."""
        return self.source_to_target if domain == "source" else self.target_to_source


def other(domain: Domain) -> Domain:
    """The domain whose look images of this one are translated into."""
    return "target" if domain == "source" else "source"


def _distance(image: Tensor, original: Tensor) -> Tensor:
    """The mean absolute error."""
    return l1_loss(at_least_float32(image), original)


def _check(weights: dict[str, float], micro_batch: int | None, segmentor: Any) -> None:
    for name, weight in weights.items():
        if weight < 0:
            raise ConfigError(f"CycleGAN: {name}={weight} is negative")
    if micro_batch is not None and micro_batch < 1:
        raise ConfigError(f"CycleGAN: micro_batch is at least 1, not {micro_batch}")
    if (segmentor is None) != (weights["semantic_weight"] == 0):
        raise ConfigError(
            "CycleGAN: segmentor and semantic_weight come together: semantic_weight="
            f"{weights['semantic_weight']}, segmentor {'none' if segmentor is None else 'given'}"
        )
