"""Initial weights of backbones: read from files, checked key by key, recorded."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from daseg.utils.errors import CheckpointError, ConfigError
from daseg.weights.files import check_finite, read_torch_file, sha256_file

# Prefixes of a backbone's weights in files of whole networks, daseg's and published ones.
PREFIXES = (
    "",
    "module.",
    "backbone.",
    "segmentor.backbone.",
    "Scale.",
    "encoder.",
    "model.backbone.",  # the student in files of DAFormer, HRDA and MIC
)
# Parts behind the backbone in classification and segmentation networks.
NOT_BACKBONE = ("fc.", "classifier.", "layer5.", "layer6.")
TRACKED = "num_batches_tracked"  # files written before PyTorch 0.4.1 lack it


@dataclass(frozen=True)
class InitialWeights:
    """Where the initial weights of a backbone came from.

    Attributes:
        source: Path or name of the file.
        sha256: Hash of the file, hexadecimal; None where another package read the file.
        dropped: Keys of the file that the backbone does not use.
    """

    source: str
    sha256: str | None
    dropped: tuple[str, ...] = field(default=(), repr=False)


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """Read a state dict from a ``.pth`` file without running code from its pickle.

    Args:
        path: The file. The state dict may stand under the key ``state_dict`` or ``model``.

    Raises:
        CheckpointError: The file is missing, unreadable, or holds no state dict.
    """
    content: Any = read_torch_file(path)
    for key in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    named = isinstance(content, Mapping) and all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in content.items()
    )
    if not named or not content:
        raise CheckpointError(f"{path} holds no state dict (name -> tensor)")
    return dict(content)


def some(keys: list[str], count: int = 5) -> str:
    """The first keys of a list, and how many more there are."""
    rest = f" and {len(keys) - count} more" if len(keys) > count else ""
    return ", ".join(keys[:count]) + rest


def check_fit(state: Mapping[str, Tensor], expected: Mapping[str, Tensor], source: str) -> None:
    """Raise `CheckpointError` unless ``state`` has the expected keys, shapes and finite values."""
    if not state.keys() & expected.keys():
        raise CheckpointError(
            f"{source}: none of its keys fits. It has {some(list(state)) or 'no keys'}; "
            f"expected are {some(list(expected))}"
        )
    missing = [k for k in expected if k not in state and not k.endswith(TRACKED)]
    if missing:
        raise CheckpointError(f"{source}: weights are missing in it: {some(missing)}")
    unknown = [k for k in state if k not in expected]
    if unknown:
        raise CheckpointError(f"{source}: it has weights of no known use: {some(unknown)}")
    wrong = [
        f"{k} is {tuple(v.shape)} instead of {tuple(expected[k].shape)}"
        for k, v in state.items()
        if v.shape != expected[k].shape
    ]
    if wrong:
        raise CheckpointError(f"{source}: weights have the wrong shape: {some(wrong)}")
    check_finite(state, source, expected)


def backbone_part(
    state: Mapping[str, Tensor], expected: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Return the backbone's part of a file under its own names, and the keys left out.

    The prefix is the one of `PREFIXES` under which most of the expected keys are found.
    """

    def hits(prefix: str) -> int:
        return sum(prefix + key in state for key in expected)

    prefix = max(PREFIXES, key=hits)
    own = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    part = {k: v for k, v in own.items() if not k.startswith(NOT_BACKBONE)}
    return part, tuple(k for k in state if k.removeprefix(prefix) not in part)


def load_state(module: nn.Module, state: Mapping[str, Tensor], source: str) -> tuple[str, ...]:
    """Load a backbone's weights strictly; return the keys that were dropped.

    Args:
        module: The backbone.
        state: Weights of it, or of a whole network around it.
        source: What to call them in messages.

    Raises:
        CheckpointError: A weight is missing, unknown or of the wrong shape.
    """
    expected = module.state_dict()
    part, dropped = backbone_part(state, expected)
    check_fit(part, expected, source)
    module.load_state_dict(part, strict=False)  # checked above; only num_batches_tracked may lack
    print_log(
        f"initial weights: {len(part)} tensors from {source}"
        + (f"; left out: {some(list(dropped))}" if dropped else ""),
        logger="current",
    )
    return dropped


def load_weights(
    module: nn.Module,
    path: str,
    *,
    rename: Callable[[Mapping[str, Tensor]], dict[str, Tensor]] = dict,
) -> InitialWeights:
    """Load a backbone's weights from a file, renamed before; see `load_state`."""
    if not Path(path).is_file():
        raise CheckpointError(
            f"no weights file at {path}: put the backbone's initial weights there (docs/weights.md "
            "says which), or train without: --cfg-options model.segmentor.backbone.weights=None"
        )
    dropped = load_state(module, rename(read_state_dict(path)), path)
    return InitialWeights(path, sha256_file(path), dropped)


def load_torchvision_weights(module: nn.Module, model: str, name: str) -> InitialWeights:
    """Load weights that torchvision offers for a model, from torch's cache or by download.

    Args:
        module: The backbone.
        model: Name of torchvision's model: "resnet101".
        name: Name of its weights: "IMAGENET1K_V1"; "imagenet" means that one.

    Raises:
        ConfigError: torchvision has no weights of this name for the model.
        CheckpointError: The file is neither in the cache nor can it be downloaded.
    """
    url = torchvision_url(model, "IMAGENET1K_V1" if name == "imagenet" else name)
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]
    if not path.is_file():
        download(url, path)
    return load_weights(module, str(path))


def torchvision_url(model: str, name: str) -> str:
    # Imported here, since it takes seconds and most backbones do not need it.
    from torchvision.models import get_model_weights

    offered = {weights.name: weights.url for weights in get_model_weights(model)}
    if name not in offered:
        raise ConfigError(
            f"torchvision has no weights {name!r} for {model}; it has {', '.join(offered)}"
        )
    return offered[name]


def download(url: str, path: Path) -> None:
    """Fetch a weights file into torch's cache; say what to do where that is impossible."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The name ends with the first digits of the file's hash, which torch checks.
        prefix = path.stem.rsplit("-", 1)[-1]
        torch.hub.download_url_to_file(url, str(path), hash_prefix=prefix)
    except (OSError, RuntimeError) as error:
        raise CheckpointError(
            f"the initial weights {path.name} cannot be downloaded from {url} ({error}). "
            f"Put the file into {path.parent} , or train without it: "
            "--cfg-options model.segmentor.backbone.weights=None"
        ) from error
