"""Checkpoints: read without running code, loaded strictly."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import torch
from mmengine.runner.checkpoint import get_state_dict
from torch import nn

from daseg.utils.errors import CheckpointError
from daseg.utils.wrapping import unwrap
from daseg.weights.files import check_finite, read_torch_file
from daseg.weights.form import wrong_checkpoint

Network = Literal["teacher", "student"]

SEGMENTOR = "segmentor."
TEACHER = "teacher.module."


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint to the CPU; a bare state dict comes back as ``dict(state_dict=...)``.

    Raises:
        CheckpointError: There is no such file, it is damaged, it holds more than tensors and plain
            values (such a file could run code and is not loaded), or what it says of itself has
            not the form that daseg writes.
    """
    content = read_torch_file(path)
    checkpoint = content if "state_dict" in content else {"state_dict": content}
    problem = wrong_checkpoint(checkpoint)
    if problem:
        raise CheckpointError(f"{path} is not a usable checkpoint: {problem}")
    return checkpoint


def which_network(checkpoint: dict[str, Any]) -> Network | None:
    """Which of teacher and student was validated; None where a checkpoint has no teacher."""
    if not any(key.startswith(TEACHER) for key in checkpoint["state_dict"]):
        return None
    student = (checkpoint.get("meta") or {}).get("evaluated") == "student"
    return "student" if student else "teacher"


def segmentor_prefix(checkpoint: dict[str, Any], network: Network | None = None) -> str:
    """What the keys of the segmentor in a checkpoint begin with; "" where all of it is one.

    Of teacher and student it is ``network``, by default the one that was validated.
    """
    network = network or which_network(checkpoint)
    for prefix in (TEACHER, SEGMENTOR) if network == "teacher" else (SEGMENTOR,):
        if any(key.startswith(prefix) for key in checkpoint["state_dict"]):
            return prefix
    return ""


def segmentor_weights(
    checkpoint: dict[str, Any], network: Network | None = None
) -> dict[str, torch.Tensor]:
    """The segmentor in a checkpoint, see `segmentor_prefix`.

    Of a checkpoint of an adapter it is a part, of one of a segmentor all of it.
    """
    prefix, state = segmentor_prefix(checkpoint, network), checkpoint["state_dict"]
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def load_segmentor(
    segmentor: nn.Module, path: str | Path, network: Network | None = None
) -> dict[str, Any]:
    """Load a segmentor's weights from a checkpoint, strictly; return the checkpoint's ``meta``.

    Args:
        segmentor: What is loaded.
        path: The checkpoint.
        network: Its "teacher" or its "student"; default the one that was validated.

    Raises:
        CheckpointError: The file cannot be read, has no teacher, or a key is missing, left over or
            of another shape.
    """
    checkpoint = read_checkpoint(path)
    if network is not None and which_network(checkpoint) is None:
        raise CheckpointError(
            f"{path} has one network, not a teacher and a student: leave {network!r} out"
        )
    load_strictly(segmentor, segmentor_weights(checkpoint, network), str(path))
    return checkpoint.get("meta") or {}


def load_groups(networks: dict[str, nn.Module], path: str | Path) -> dict[str, Any]:
    """Load the children of groups of networks from a checkpoint of all; return its ``meta``.

    Args:
        networks: Groups, as ``trainable_networks`` of a model returns them; their children are
            the model's own, by the same names. What else the checkpoint holds is left.
        path: The checkpoint.

    Raises:
        CheckpointError: The file cannot be read, or a key is missing, left over or of another
            shape.
    """
    checkpoint = read_checkpoint(path)
    own = nn.ModuleDict({k: v for group in networks.values() for k, v in group.named_children()})
    state = checkpoint["state_dict"]
    load_strictly(own, {k: v for k, v in state.items() if k.split(".")[0] in own}, str(path))
    return checkpoint.get("meta") or {}


def load_strictly(module: nn.Module, state: dict[str, torch.Tensor], source: str) -> None:
    """Load a state dict of which every key must fit and be finite; say which are not.

    The keys are those without the prefixes of distributed wrappers, which ``module`` may have.
    Buffers that a part names in ``growing_buffers`` take the shape that they have in the file;
    those in ``fixed_buffers``, with a reason by name, have to be the same in both.
    """
    _grow(unwrap(module), state)
    own = get_state_dict(module, keep_vars=True)
    matching = own.keys() & state.keys()
    if not matching:
        raise CheckpointError(
            f"{source}: not one of its {len(state)} keys is one of the model's (first: "
            f"{_some(state)}; the model has {_some(own)}). A published file is converted first: "
            "daseg convert"
        )
    problems = [
        *(f"missing {key}" for key in own.keys() - state.keys()),
        *(f"left over {key}" for key in state.keys() - own.keys()),
        *filter(None, (_misfit(key, state[key], own[key]) for key in matching)),
        *_changed(unwrap(module), state),
    ]
    if problems:
        raise CheckpointError(
            f"{source} does not fit the model, {len(problems)} keys differ: "
            f"{'; '.join(sorted(problems)[:5])}{' ...' if len(problems) > 5 else ''}. "
            "Is it a checkpoint of this config?"
        )
    check_finite(state, source, own)
    with torch.no_grad():
        for key, value in state.items():
            own[key].copy_(value)


def _misfit(key: str, value: torch.Tensor, own: torch.Tensor) -> str:
    if value.shape != own.shape:
        return f"{key} is {tuple(value.shape)}, the model's {tuple(own.shape)}"
    if value.is_floating_point() != own.is_floating_point():  # would be cut to whole numbers
        return f"{key} is {value.dtype}, the model's {own.dtype}"
    return ""


def _changed(module: nn.Module, state: dict[str, torch.Tensor]) -> Iterator[str]:
    for name, part in module.named_modules():
        for buffer, reason in getattr(part, "fixed_buffers", {}).items():
            stored = state.get(f"{name}.{buffer}".lstrip("."))
            if stored is not None and not torch.equal(stored.cpu(), getattr(part, buffer).cpu()):
                yield f"{name}.{buffer}: {reason}"


def _grow(module: nn.Module, state: dict[str, torch.Tensor]) -> None:
    for name, part in module.named_modules():
        for buffer in getattr(part, "growing_buffers", ()):
            stored, own = state.get(f"{name}.{buffer}"), getattr(part, buffer)
            if stored is not None and stored.ndim == own.ndim:
                setattr(part, buffer, own.new_empty(stored.shape))


def _some(keys: Any) -> str:
    return ", ".join(list(keys)[:3])
