"""Make the segmentor's maps of target images look like those of source images."""

from abc import ABC, abstractmethod
from typing import Any, Literal

import torch
from torch import Tensor, nn

from daseg.losses.consistency import mean_prediction
from daseg.losses.gan import GANLoss, Logits, gradient_penalty
from daseg.objectives.base import Objective, key_of, suffix_of
from daseg.objectives.views import View
from daseg.ops.logits import at_least_float32, self_information
from daseg.registry import DISCRIMINATORS, LOSSES, OBJECTIVES
from daseg.segmentor import Segmentor
from daseg.utils.errors import ConfigError

Part = nn.Module | dict[str, Any]


class Adversarial(Objective, ABC):
    """Adversarial training on maps of the two domains; a subclass defines the maps.

    Args:
        discriminator: The discriminator or its config; a config is given the maps' channels as
            ``in_channels`` where it states none.
        loss: The GAN loss or its config; default `BCEGANLoss`.
        weight: Weight of the segmentor's loss.
        disc_weight: Weight of each of the discriminator's two losses.
        gradient_penalty: Weight of the penalty on the discriminator's gradient at source maps.
        suffix: End of the keys in the log.
    """

    reads = ("target",)

    def __init__(
        self,
        discriminator: Part,
        loss: Part | None,
        *,
        weight: float,
        disc_weight: float,
        gradient_penalty: float,
        suffix: str,
    ) -> None:
        super().__init__()
        self.config: dict[str, Any] = {}
        if isinstance(discriminator, nn.Module):
            self.discriminator = discriminator
        else:
            self.config = discriminator
        self.loss: GANLoss = LOSSES.build(loss or dict(type="BCEGANLoss"))
        self.weight, self.disc_weight = weight, disc_weight
        self.gradient_penalty = gradient_penalty
        self.suffix = suffix

    @abstractmethod
    def channels(self, segmentor: Segmentor) -> int:
        """Channels of the maps."""

    @abstractmethod
    def source_map(self, source: View) -> Tensor:
        """The source's map, real to the discriminator: (N,C,H,W)."""

    @abstractmethod
    def target_map(self, target: View) -> Tensor:
        """The target's map, fake to the discriminator: (N,C,H,W)."""

    def prepare(self, segmentor: Segmentor) -> None:
        """Build the discriminator for the segmentor's maps."""
        super().prepare(segmentor)
        if self.discriminator is None:
            channels = self.channels(segmentor)
            self.discriminator = DISCRIMINATORS.build(self.config, in_channels=channels)

    def target_losses(self, target: View) -> dict[str, Tensor]:
        """``loss_adv``, weighted."""
        logits = self.bare_discriminator(self.target_map(target))
        return {f"loss_adv{self.suffix}": self.weight * self.loss.generator(logits)}

    def discriminator_losses(self, source: View, target: View) -> dict[str, Tensor]:
        """``loss_disc``, with a penalty ``loss_disc_penalty``, and ``disc_acc_source/target``.

        The accuracies are the discriminator's shares of correct answers, 0..1.
        """
        real, penalty = self._judge_source(self.source_map(source).detach())
        fake = self.discriminator(self.target_map(target).detach())
        losses = {"loss_disc": self.disc_weight * (self.loss(real, True) + self.loss(fake, False))}
        if penalty is not None:
            losses["loss_disc_penalty"] = self.gradient_penalty * penalty
        losses["disc_acc_source"] = self.loss.accuracy(real, True)
        losses["disc_acc_target"] = self.loss.accuracy(fake, False)
        return {key + self.suffix: value for key, value in losses.items()}

    def _judge_source(self, maps: Tensor) -> tuple[Logits, Tensor | None]:
        """The discriminator's logits for source maps, and the penalty where there is one."""
        if self.gradient_penalty == 0:
            return self.discriminator(maps), None
        # The gradient of a gradient needs full precision.
        with torch.autocast(maps.device.type, enabled=False):
            maps = at_least_float32(maps).requires_grad_()
            logits = self.discriminator(maps)
            return logits, gradient_penalty(logits, maps)


@OBJECTIVES.register_module()
class OutputAdversarial(Adversarial):
    """Adversarial adaptation of the output space.

    Tsai et al., "Learning to Adapt Structured Output Space for Semantic Segmentation", CVPR 2018,
    eqs. (2) and (4), one term of eq. (5): the discriminator sees softmax maps at full size. The
    defaults are the published code's for its main output; the auxiliary one has
    ``level='aux', weight=0.0002``.

    Its successors are options. Vu et al., "ADVENT", CVPR 2019, section 3.2: ``map='entropy'``.
    Zheng and Yang, "Unsupervised Scene Adaptation with Memory Regularization in vivo", IJCAI 2020:
    `MultiScaleDiscriminator`, `LSGANLoss`, ``source_map='mean'``, ``disc_weight=1.0``,
    ``gradient_penalty=0.01``, and twice the weight that they state (``weight=0.002``; 0.0004 for
    the auxiliary head), since their code has a factor of 2 there.

    Args:
        discriminator: The discriminator or its config; a config is given the number of classes as
            ``in_channels`` where it states none.
        loss: The GAN loss or its config; default `BCEGANLoss`.
        level: The head whose logits are judged, by name: "main", "aux" ...
        weight: Weight of the segmentor's loss, ``loss_adv``.
        map: What is computed from the logits: "softmax", the probabilities; or "entropy", each
            class's part of the pixel's entropy (`self_information`).
        disc_weight: Weight of each of the discriminator's two losses in ``loss_disc``.
        source_map: Which source logits are real: those of the "level", or the "mean" of both
            heads, ``main + aux_weight * aux``.
        aux_weight: Weight of the auxiliary head in the "mean".
        gradient_penalty: Weight of the penalty on the discriminator's gradient at source maps.
        name: Distinguishes two of these on one head in the log: ``loss_adv_<name>``.

    Raises:
        ConfigError: ``map`` or ``source_map`` is none of the above, or the segmentor lacks the head
            that is asked for.
    """

    def __init__(
        self,
        discriminator: Part,
        loss: Part | None = None,
        *,
        level: str = "main",
        weight: float = 0.001,
        map: Literal["softmax", "entropy"] = "softmax",
        disc_weight: float = 0.5,
        source_map: Literal["level", "mean"] = "level",
        aux_weight: float = 0.5,
        gradient_penalty: float = 0.0,
        name: str = "",
    ) -> None:
        super().__init__(
            discriminator,
            loss,
            weight=weight,
            disc_weight=disc_weight,
            gradient_penalty=gradient_penalty,
            suffix=key_of("", level, name),
        )
        known = dict(map=("softmax", "entropy"), source_map=("level", "mean"))
        given = dict(map=map, source_map=source_map)
        for key, value in given.items():
            if value not in known[key]:
                raise ConfigError(f"OutputAdversarial: {key}={value!r} is not one of {known[key]}")
        self.level, self.map, self.real = level, map, source_map
        self.aux_weight = aux_weight
        self.heads = (level, "aux") if source_map == "mean" else (level,)

    def channels(self, segmentor: Segmentor) -> int:
        """The number of classes."""
        return segmentor.num_classes

    def source_map(self, source: View) -> Tensor:
        """The source's map (N,K,H,W), real to the discriminator."""
        if self.real == "level":
            return self._map(source.head(self.level))
        return self._map(mean_prediction(source.logits, source.head("aux"), self.aux_weight))

    def target_map(self, target: View) -> Tensor:
        """The target's map (N,K,H,W)."""
        return self._map(target.head(self.level))

    def _map(self, logits: Tensor) -> Tensor:
        return logits.softmax(dim=1) if self.map == "softmax" else self_information(logits)


@OBJECTIVES.register_module()
class FeatureAdversarial(Adversarial):
    """Adversarial adaptation of a feature map.

    Hoffman et al., "FCNs in the Wild: Pixel-level Adversarial and Constraint-based Adaptation",
    2016, section 3.1; the "feature" rows that Tsai et al. (CVPR 2018) compare with.

    Args:
        discriminator: The discriminator or its config; a config is given the feature map's
            channels as ``in_channels`` where it states none. `FCDiscriminator` needs maps of 32x32
            pixels or more, `PixelDiscriminator` takes any.
        loss: The GAN loss or its config; default `BCEGANLoss`.
        in_index: Which of the backbone's feature maps.
        weight: Weight of the segmentor's loss, ``loss_adv_feat``.
        disc_weight: Weight of each of the discriminator's two losses in ``loss_disc_feat``.
        gradient_penalty: Weight of the penalty on the discriminator's gradient at source maps.
        name: Distinguishes two of these in the log: ``loss_adv_feat_<name>``.

    Raises:
        ConfigError: The backbone has no feature map of this index.
    """

    discriminates_features = True

    def __init__(
        self,
        discriminator: Part,
        loss: Part | None = None,
        *,
        in_index: int = -1,
        weight: float = 0.001,
        disc_weight: float = 0.5,
        gradient_penalty: float = 0.0,
        name: str = "",
    ) -> None:
        super().__init__(
            discriminator,
            loss,
            weight=weight,
            disc_weight=disc_weight,
            gradient_penalty=gradient_penalty,
            suffix=suffix_of("feat", name),
        )
        self.in_index = in_index

    def channels(self, segmentor: Segmentor) -> int:
        """The channels of the feature map."""
        all_channels: tuple[int, ...] = segmentor.backbone.out_channels
        try:
            return all_channels[self.in_index]
        except IndexError:
            raise ConfigError(
                f"FeatureAdversarial: in_index={self.in_index}, but the backbone has "
                f"{len(all_channels)} feature maps"
            ) from None

    def source_map(self, source: View) -> Tensor:
        """The source's feature map (N,C,h,w), at least float32."""
        return at_least_float32(source.output.features[self.in_index])

    def target_map(self, target: View) -> Tensor:
        """The target's feature map (N,C,h,w), at least float32."""
        return at_least_float32(target.output.features[self.in_index])
