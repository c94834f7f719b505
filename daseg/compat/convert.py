"""Convert published checkpoints to daseg's names.

A conversion renames: each key of the file becomes one key of the segmentor, or is left out for a
reason that the report states. A key that is left over on either side is an error.

The systems: AdaptSegNet (Tsai et al., CVPR 2018), Seg-Uncertainty (Zheng and Yang, IJCAI 2020),
SegmenTron (a collection of segmentation networks, 2020), torchvision's ImageNet classifiers;
SegFormer (Xie et al., NeurIPS 2021) and its encoder MiT, DAFormer (Hoyer et al., CVPR 2022), HRDA
(ECCV 2022) and MIC (CVPR 2023). Their tables are in `daseg.compat.rules`.
"""

import operator
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor, nn

from daseg.backbones.weights import TRACKED, check_fit, read_state_dict
from daseg.compat.rules import (
    DISCRIMINATOR,
    SYSTEMS,
    State,
    prepared,
    rename,
    strip,
    why_left_out,
)
from daseg.registry import did_you_mean
from daseg.utils.errors import CheckpointError, ConfigError
from daseg.utils.writable import check_file
from daseg.weights.files import sha256_file, write_torch_file

SOURCES = tuple(SYSTEMS)


@dataclass
class Report:
    """The result for each key.

    Attributes:
        mapped: Key of the file -> key of the segmentor.
        dropped: Key of the file -> why it is left out.
        kept: Keys of the segmentor that no file has: its normalisation.
        absent: Keys of the segmentor that the file lacks and may lack.
        warnings: Where the config differs from what the weights were trained with.
    """

    mapped: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def backbone_only(self) -> bool:
        """Whether no head was in the file."""
        return all(key.startswith("backbone.") for key in self.mapped.values())

    def __str__(self) -> str:
        """A line for each group, with the keys of the small ones."""
        lines = [f"{len(self.mapped)} tensors mapped, {len(self.dropped)} left out"]
        by_reason: dict[str, list[str]] = {}
        for key, why in self.dropped.items():
            by_reason.setdefault(why, []).append(key)
        for why, keys in by_reason.items():
            lines += [f"  left out: {key} ({why})" for key in keys[:8]]
            lines += [f"  and {len(keys) - 8} more ({why})"] if len(keys) > 8 else []
        if self.absent:
            lines.append(f"  not in the file, which may lack them: {len(self.absent)} of {TRACKED}")
        if self.kept:
            lines.append(f"  from the config: {', '.join(self.kept)}")
        return "\n".join(lines + [f"warning: {text}" for text in self.warnings])


def convert_state_dict(
    published: State, source: str, target: State
) -> tuple[dict[str, Tensor], Report]:
    """Rename a published state dict to a segmentor's keys.

    Args:
        published: What the file holds; keys may start with ``module.`` or ``Scale.``.
        source: One of `SOURCES`.
        target: State dict of the segmentor that the config describes; its ``mean`` and ``std`` go
            into the result.

    Returns:
        The renamed state and the report. It is that of the whole segmentor, or of ``backbone.*``
        alone if the file holds initial weights without a usable head.

    Raises:
        ConfigError: ``source`` is unknown.
        CheckpointError: It is a discriminator, nothing fits, or a key is missing, has no known use
            or the wrong shape.
    """
    if source not in SOURCES:
        hint = did_you_mean(source, SOURCES)
        raise ConfigError(f"no source is called {source!r}{hint} ({', '.join(SOURCES)})")
    published = prepared(published, source)
    names = {key: strip(key) for key in published}
    if set(names.values()) == DISCRIMINATOR:
        raise CheckpointError(
            "it is one of AdaptSegNet's discriminators; only segmentors are converted. Theirs give "
            "0 for the source and 1 for the target, daseg's the opposite, so that a training "
            "continued with it would push the domains apart (docs/weights.md says how to invert it)"
        )
    initial = SYSTEMS[source].backbone_only or any(key.startswith("Scale.") for key in names)
    two_heads = any(name.startswith("layer6.") for name in names.values())
    report, state = Report(), {}
    for key, name in names.items():
        new = rename(name, source, two_heads)
        reason = why_left_out(name, new, source, initial, target)
        if reason:
            report.dropped[key] = reason
            continue
        if new in state:
            other = next(old for old, mapped in report.mapped.items() if mapped == new)
            raise CheckpointError(f"the keys {key} and {other} both mean {new}")
        report.mapped[key] = new
        state[new] = published[key]
    expected = {k: v for k, v in target.items() if k not in ("mean", "std")}
    if initial:
        expected = {k: v for k, v in expected.items() if k.startswith("backbone.")}
    check_fit(state, expected, f"this {source} file")
    report.absent = [key for key in expected if key not in state]
    if not initial:
        report.kept = [key for key in ("mean", "std") if key in target]
    filled = [*report.absent, *report.kept]
    return {**state, **{key: target[key].clone() for key in filled}}, report


def differences(segmentor: nn.Module, source: str) -> list[str]:
    """Settings of a segmentor that differ from those the published weights were trained with.

    Names and shapes of weights do not show them: the file loads, and the results are poor.
    """
    found = []
    for path, wanted in SYSTEMS[source].trained_with.items():
        try:
            value = operator.attrgetter(path)(segmentor)
        except AttributeError:  # a part of another class, or no auxiliary head
            continue
        if isinstance(value, Tensor):
            value = tuple(round(number, 3) for number in value.flatten().tolist())
        if value != wanted:
            found.append(
                f"the published {source} networks have {path}={wanted!r}, the config {value!r}"
            )
    return found


def convert_file(
    source: str, path: str | Path, out: str | Path, segmentor: nn.Module, *, force: bool = False
) -> Report:
    """Convert a published file for a segmentor.

    The result holds ``state_dict`` and ``meta`` (``source``, ``source_file``, ``source_sha256``).

    Args:
        source: One of `SOURCES`.
        path: The published file.
        out: The file to write.
        segmentor: Built from the config that the weights are for.
        force: Replace ``out`` where it exists.

    Raises:
        CheckpointError: ``path`` cannot be read or does not fit, or ``out`` exists.
    """
    refuse_existing(out, force)
    try:
        state, report = convert_state_dict(read_state_dict(path), source, segmentor.state_dict())
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    report.warnings = differences(segmentor, source)
    write_converted(state, source, path, out)
    return report


def refuse_existing(out: str | Path, force: bool) -> None:
    """Raise where the output exists and may not be replaced, or cannot be written.

    Raises:
        CheckpointError: The file exists.
        WriteError: The file cannot be written.
    """
    check_file(out, "the output")
    if Path(out).exists() and not force:
        raise CheckpointError(f"{out} exists; choose another name or pass --force")


def write_converted(state: State, source: str, path: str | Path, out: str | Path) -> None:
    """Write converted weights, and in ``meta`` what they were converted from."""
    meta = {"source": source, "source_file": Path(path).name, "source_sha256": sha256_file(path)}
    write_torch_file({"state_dict": dict(state), "meta": meta}, out)
