"""Backbones of the package timm (Wightman, "PyTorch Image Models", 2019), an optional extra."""

import logging
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from daseg.backbones.base import Backbone
from daseg.backbones.weights import InitialWeights, check_fit, read_state_dict
from daseg.registry import BACKBONES
from daseg.utils.errors import CheckpointError, ConfigError
from daseg.utils.log import quiet
from daseg.weights.files import sha256_file

FINEST_STRIDE = 4  # maps finer than this are of no use to the heads
ODD_SIZE = (93, 131)  # that no stride divides, and nobody crops to
# timm's switches for images of any size, of which a network has one or none.
ANY_SIZE: tuple[dict[str, Any], ...] = (dict(dynamic_img_size=True), dict(strict_img_size=False))
REFUSALS = (RuntimeError, AssertionError, ValueError, IndexError)  # what a wrong size ends in


def import_extra(module: str, needed_by: str, extra: str) -> ModuleType:
    """Import an optional package, or raise `ConfigError` with the command that installs it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{needed_by} needs the package {module}: pip install 'daseg[{extra}]'"
        ) from error


@BACKBONES.register_module()
class TimmBackbone(Backbone):
    """Any network of timm that gives feature maps, in the layout (N,C,h,w).

    Returned are the maps of stride 4 and more (by the network's undilated strides), so that
    ``in_index`` and ``low_index`` of the heads mean the same as for a `ResNet`. A plain vision
    transformer gives the outputs of several blocks, all of one stride; `ViTBackbone` has more
    options for those.

    Images may have any size. Position embeddings are resized where the network has some. A network
    that works on whole patches or windows gets the image padded at its right and bottom with
    zeros, the mean colour, to a multiple of ``size_divisor``; its maps are cut back to
    ``ceil(side / stride)``.

    Args:
        model_name: timm's name: ``"convnext_tiny"``; ``timm.list_models('*lite*')`` lists them.
        output_stride: 32, 16 or 8; below 32 the last stages are dilated, which not every network
            of timm can do.
        weights: None for random ones, ``"timm"`` for those that timm downloads, or the path of a
            file with the weights of timm's whole classifier.
        out_indices: Which of timm's feature maps; negative ones count from the last. None: all,
            of a plain vision transformer the last three.
        model_args: Further arguments of timm's model: ``dict(drop_path_rate=0.1, patch_size=16)``.
        final_norm: Apply the network's final norm: to the last map, of a plain vision transformer
            to all of them. None: where timm's own extractor gives (N,C,h,w) maps without it, it is
            left out, as timm does; vision transformers and the Swin family have it.
        size_divisor: Images are padded to a multiple of it. None: the smallest that the network
            works with, of 1, its largest stride and its own image size; they are tried out.
        frozen_affine: Scale and shift of the norm layers are not trained.
        update_stats: If False, batch norm stays in eval mode, also in training.
        frozen: Nothing of it is trained, and it is always in eval mode.

    Attributes:
        out_channels: Channels of the feature maps.
        strides: Their strides.
        initial_weights: Where the weights came from, or None.

    Raises:
        ConfigError: timm is not installed, has no such network, or cannot give it this stride; or
            it takes images of one size alone, and ``model_args`` states no ``img_size``.
        CheckpointError: The weights cannot be had, or do not fit.
    """

    def __init__(
        self,
        model_name: str,
        *,
        output_stride: int = 32,
        weights: str | None = None,
        out_indices: Sequence[int] | None = None,
        model_args: dict[str, Any] | None = None,
        final_norm: bool | None = None,
        size_divisor: int | None = None,
        frozen_affine: bool = False,
        update_stats: bool = True,
        frozen: bool = False,
    ) -> None:
        super().__init__()
        if output_stride not in (8, 16, 32):
            raise ConfigError(f"output_stride={output_stride} is not one of (8, 16, 32)")
        self.model_name, self.output_stride = model_name, output_stride
        arguments = dict(model_args or {})
        if output_stride < 32:
            arguments["output_stride"] = output_stride
        self.arguments = dict(arguments)
        if out_indices is not None:
            arguments["out_indices"] = tuple(out_indices)
        self.model = self.extractor(arguments, final_norm, weights)
        self.channels_last = "NHWC" in layout(self.model)
        info: Any = self.model.feature_info
        self.first = next(i for i, r in enumerate(info.reduction()) if r >= FINEST_STRIDE)
        self.out_channels = tuple(info.channels()[self.first :])
        self.strides = tuple(info.reduction()[self.first :])
        self.check_stride()
        self.fixed_size: tuple[int, int] | None = None
        self.size_divisor = size_divisor or 1
        if size_divisor is None:
            self.size_divisor = self.fitting_divisor(arguments.get("img_size"))
        self.freeze(frozen=frozen, frozen_affine=frozen_affine, update_stats=update_stats)

    def extractor(
        self, arguments: dict[str, Any], final_norm: bool | None, weights: str | None
    ) -> nn.Module:
        """Build the feature extractor of timm for the network, with its weights.

        The one for `features_only` cuts the final norm off. The weights have to be loaded by timm,
        which renames them where it cuts the classifier off.
        """
        timm = import_extra("timm", type(self).__name__, "timm")
        if not timm.is_model(self.model_name):
            near = ", ".join(timm.list_models(f"*{self.model_name[:6]}*")[:5]) or "none"
            raise ConfigError(f"timm has no network {self.model_name!r}; near names: {near}")
        pretrained: dict[str, Any] = {} if weights is None else dict(pretrained=True)
        if weights == "timm":
            self.initial_weights = InitialWeights(f"timm {self.model_name}", None)
        elif weights is not None:
            state = self.read(weights)
            check_fit(state, timm.create_model(self.model_name).state_dict(), weights)
            pretrained["pretrained_cfg_overlay"] = {"state_dict": state}
        try:
            # timm warns that the classifier's weights were not used.
            with quiet(logging.WARNING):
                model = create(self.model_name, dict(arguments, features_only=True, **pretrained))
                getter = import_module("timm.models._features").FeatureGetterNet
                tokens = isinstance(model, getter) or "NHWC" in layout(model)
                if final_norm is False or not (final_norm or tokens):
                    return model
                whole = create(self.model_name, self.arguments | pretrained)
                if hasattr(whole, "norm") and hasattr(whole, "forward_intermediates"):
                    return getter(whole, out_indices=model.feature_info.out_indices, norm=True)
        except (OSError, RuntimeError, TypeError, AttributeError, AssertionError) as error:
            raise self.explain(error, arguments, weights) from error
        if final_norm:
            raise ConfigError(f"final_norm=True: timm's {self.model_name} has no final norm")
        return model

    def read(self, weights: str) -> Mapping[str, Tensor]:
        """Return the weights of timm's whole classifier from a file."""
        state = read_state_dict(weights)
        self.initial_weights = InitialWeights(weights, sha256_file(weights))
        return state

    def explain(
        self, error: Exception, arguments: dict[str, Any], weights: str | None
    ) -> Exception:
        """Say what to do about an error of timm's."""
        if weights == "timm" and isinstance(error, (OSError, RuntimeError)):
            return CheckpointError(
                f"timm cannot get its weights of {self.model_name} ({error}). Give a local file "
                "of them, or train without: "
                "--cfg-options model.segmentor.backbone.weights=None"
            )
        return ConfigError(
            f"timm cannot make {self.model_name} a feature extractor of output stride "
            f"{self.output_stride} with the arguments {arguments}: "
            f"{str(error) or type(error).__name__}"
        )

    def check_stride(self) -> None:
        """Refuse an ``output_stride`` that the network does not end at."""
        if self.output_stride < 32 and max(self.strides) != self.output_stride:
            raise ConfigError(
                f"{self.model_name} ends at stride {max(self.strides)}, and timm cannot change it "
                f"to {self.output_stride}: leave output_stride out"
                + (
                    "; a vision transformer's stride is its patch: model_args=dict(patch_size=16)"
                    if len(set(self.strides)) == 1
                    else ""
                )
            )

    @torch.no_grad()
    def fitting_divisor(self, img_size: int | Sequence[int] | None) -> int:
        """The smallest divisor of the image's sides that the network works with, tried out."""
        model: Any = self.model
        cfg = (
            model.pretrained_cfg if hasattr(model, "pretrained_cfg") else model.model.pretrained_cfg
        )
        own = img_size or cfg["input_size"][-2:]
        own = (own, own) if isinstance(own, int) else tuple(own)
        coarse, side = max(self.strides), max(own)
        padded = tuple(-(-length // coarse) * coarse for length in ODD_SIZE)
        self.eval()
        problems: dict[int, str] = {}
        for divisor, size in {1: ODD_SIZE, coarse: padded, side: (2 * side, side)}.items():
            problems[divisor] = self.problem(size)
            if not problems[divisor]:
                return divisor
        if img_size is None or self.problem(own):
            raise ConfigError(
                f"timm's {self.model_name} does not take images of any size: {problems[1]}. Give "
                "the size of all images, of crops and of testing windows alike, with "
                "model_args=dict(img_size=(height, width)), or take another network"
            )
        self.fixed_size = own
        return 1

    def problem(self, size: tuple[int, ...]) -> str:
        """What keeps the network from giving its maps of an image of this size; "" if nothing."""
        try:
            maps = self(torch.zeros(1, 3, *size))
        except REFUSALS as error:
            return f"{str(error) or type(error).__name__} (tried with {size})"
        for found, channels, stride in zip(maps, self.out_channels, self.strides, strict=True):
            shape = tuple(found.shape[1:])
            right = len(shape) == 3 and shape[0] == channels
            # Networks without padding lose up to two places at the border.
            if not right or any(
                abs(stride * places - side) > 2 * stride
                for places, side in zip(shape[1:], size, strict=True)
            ):
                return (
                    f"its map of stride {stride} for an image of {size} is {shape}, not "
                    f"{channels} channels of about {[side // stride for side in size]}"
                )
        return ""

    def layer_depths(self) -> dict[str, int]:
        """The layer of each parameter, counted from the image, as timm groups them."""
        timm = import_module("timm.models")
        whole = create(self.model_name, self.arguments)
        layers = timm.group_parameters(whole, whole.group_matcher(coarse=False), reverse=True)
        # timm's extractors write some dots of a name as underscores.
        depths = {name.replace(".", "_"): depth for name, depth in layers.items()}
        names = [name for name, _ in self.model.named_parameters()]
        own = {n: depths[n.removeprefix("model.").replace(".", "_")] for n in names}
        # The final norm belongs to the last layer that is left.
        last = max(depth for name, depth in own.items() if not name.startswith("model.norm."))
        return {f"model.{name}": min(depth, last) for name, depth in own.items()}

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Map normalised images (N,3,H,W) to feature maps (N,C,h,w), fine to coarse.

        Raises:
            ConfigError: The network was built for images of another size.
        """
        height, width = image.shape[2:]
        if self.fixed_size and self.fixed_size != (height, width):
            raise ConfigError(
                f"timm's {self.model_name} was built for images of {self.fixed_size} by "
                f"model_args.img_size, and takes none of {(height, width)}"
            )
        below, right = -height % self.size_divisor, -width % self.size_divisor
        if below or right:
            image = F.pad(image, (0, right, 0, below))
        maps = self.model(image)[self.first :]
        if self.channels_last:
            maps = [m.permute(0, 3, 1, 2) for m in maps]
        if below or right:
            sizes = [(-(-height // s), -(-width // s)) for s in self.strides]
            maps = [m[:, :, :h, :w] for m, (h, w) in zip(maps, sizes, strict=True)]
        return tuple(maps)


def layout(model: nn.Module) -> str:
    """The layout of a feature extractor's maps, as timm states it."""
    return str(getattr(model, "output_fmt", "NCHW"))


def create(name: str, arguments: dict[str, Any]) -> Any:
    """Build timm's model, with its switch for images of any size where it has one."""
    import timm

    for switch in ANY_SIZE:
        try:
            return timm.create_model(name, **(switch | arguments))
        except TypeError as error:
            if "unexpected keyword" not in str(error) or next(iter(switch)) not in str(error):
                raise
    return timm.create_model(name, **arguments)
