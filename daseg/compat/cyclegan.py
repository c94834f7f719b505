"""Convert published CycleGAN networks to daseg's names.

The public PyTorch code of Zhu et al. (ICCV 2017) writes one file for each network:
``latest_net_G_A.pth``, ``latest_net_G_B.pth``, ``latest_net_D_A.pth``, ``latest_net_D_B.pth``.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from daseg.backbones.weights import check_fit, read_state_dict
from daseg.compat.convert import Report, refuse_existing, strip, write_converted
from daseg.utils.errors import CheckpointError, ConfigError

# Names of the published files of these networks, where A is the source and B the target.
# A discriminator has the name of the generator that it is trained against.
NETWORKS = dict(
    source_to_target="G_A", target_to_source="G_B", disc_source="D_B", disc_target="D_A"
)
STATISTICS = re.compile(r"\.(running_mean|running_var|num_batches_tracked)$")
BLOCK = re.compile(r"model\.(\d+)\.conv_block\.([156])\.")
FIRST_BLOCK = 10  # the number of the first residual block in the published sequence


def convert_network(
    published: Mapping[str, Tensor], name: str, target: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], Report]:
    """Rename one published network to the keys of a `CycleGAN`.

    Args:
        published: What the file holds; keys may start with ``module.``.
        name: Which network of the model it becomes: a key of `NETWORKS`.
        target: State dict of that network.

    Returns:
        The state under ``<name>.*``, and the report.

    Raises:
        CheckpointError: Nothing fits, or a key is missing, has no known use or the wrong shape.
    """
    blocks = len({key.split(".")[1] for key in target if key.startswith("blocks.")})
    _check_blocks(published, blocks)
    report, state = Report(), {}
    for key, value in published.items():
        if STATISTICS.search(key):
            report.dropped[key] = "running statistics of instance norm, which uses none"
            continue
        new = rename(strip(key), blocks) if blocks else strip(key)
        report.mapped[key] = f"{name}.{new}"
        state[new] = value
    check_fit(state, target, "this cyclegan file")
    if any(match[2] == "6" for match in map(BLOCK.match, map(strip, report.mapped)) if match):
        report.warnings = ["this network was trained with dropout; ResNetGenerator has none"]
    return {f"{name}.{key}": value for key, value in state.items()}, report


def _check_blocks(published: Mapping[str, Tensor], blocks: int) -> None:
    found = len({match[1] for match in map(BLOCK.match, map(strip, published)) if match})
    if found and blocks and found != blocks:
        raise CheckpointError(
            f"this cyclegan file has {found} residual blocks, the config's generator {blocks}: "
            f"dict(type='ResNetGenerator', blocks={found})"
        )


def rename(name: str, blocks: int) -> str:
    """The generator's key for a published one; the published one itself where it is unknown."""
    after = FIRST_BLOCK + blocks
    places = {1: "stem.conv", 4: "down.0.conv", 7: "down.1.conv"}
    places |= {after: "up.0.conv", after + 3: "up.1.conv", after + 7: "last"}
    block = BLOCK.match(name)
    if block:
        conv = "conv1" if block[2] == "1" else "conv2"  # at 6 where dropout stands before it
        return name.replace(block[0], f"blocks.{int(block[1]) - FIRST_BLOCK}.{conv}.")
    layer = re.match(r"model\.(\d+)\.", name)
    if layer and int(layer[1]) in places:
        return name.replace(layer[0], f"{places[int(layer[1])]}.")
    return name


def convert_network_file(
    path: str | Path, out: str | Path, model: nn.Module, name: str, *, force: bool = False
) -> Report:
    """Convert a published file of one network.

    The result holds ``state_dict``, with this network alone, and ``meta``.

    Args:
        path: The published file.
        out: The file to write.
        model: The `CycleGAN` that the config describes.
        name: Which of its networks the file becomes: a key of `NETWORKS`.
        force: Replace ``out`` where it exists.

    Raises:
        ConfigError: The model has no such network.
        CheckpointError: ``path`` cannot be read or does not fit, or ``out`` exists.
    """
    refuse_existing(out, force)
    if not hasattr(model, name):
        raise ConfigError(
            f"the config's model, a {type(model).__name__}, has no network {name!r}: cyclegan "
            f"files are for one of a CycleGAN's ({', '.join(NETWORKS)})"
        )
    target = getattr(model, name).state_dict()
    try:
        state, report = convert_network(read_state_dict(path), name, target)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    write_converted(state, "cyclegan", path, out)
    return report
