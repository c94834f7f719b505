"""Checkpoints: written whole or not at all, read without running code, loaded strictly."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import broadcast_object_list
from mmengine.hooks import CheckpointHook
from mmengine.logging import HistoryBuffer
from mmengine.runner import Runner
from mmengine.runner.checkpoint import get_state_dict
from torch import nn

from daseg.utils.errors import CheckpointError
from daseg.weights.files import write_torch_file
from daseg.weights.strict import (
    load_groups,
    load_segmentor,
    load_strictly,
    read_checkpoint,
    segmentor_weights,
    which_network,
)

__all__ = [
    "latest_checkpoint",
    "load_groups",
    "load_segmentor",
    "load_strictly",
    "model_state",
    "newest_whole",
    "numbered_checkpoints",
    "pack_message_hub",
    "read_checkpoint",
    "read_to_resume",
    "segmentor_weights",
    "set_damaged_aside",
    "unpack_message_hub",
    "which_network",
    "write_checkpoint",
]

NUMBERED = re.compile(r"iter_(0|[1-9][0-9]{0,17})\.pth")
DAMAGED = ".damaged"  # behind the name of a checkpoint that was set aside


def write_checkpoint(checkpoint: dict[str, Any], path: str | Path) -> None:
    """Write a checkpoint under its final name only when all of it is on the disk."""
    write_torch_file(checkpoint, path)


def latest_checkpoint(work_dir: str | Path) -> Path | None:
    """The checkpoint of the highest iteration in a work dir, or None.

    Found by its name, ``iter_N.pth``, not by a note that an interrupted run may not have written.
    """
    numbered = numbered_checkpoints(work_dir)
    return numbered[-1] if numbered else None


def numbered_checkpoints(work_dir: str | Path) -> list[Path]:
    """The files ``iter_N.pth`` of a work dir, in the order of their iterations.

    A folder of this name, or a name that no run writes (``iter_007.pth``), is none of them. A pipe,
    or a link that leads nowhere, is one, so that whoever reads it is told.
    """
    numbered = {
        int(match[1]): path
        for path in Path(work_dir).glob("iter_*.pth")
        if (match := NUMBERED.fullmatch(path.name)) and not path.is_dir()
    }
    return [numbered[number] for number in sorted(numbered)]


def newest_whole(checkpoints: Sequence[Path]) -> tuple[Path | None, dict[Path, str]]:
    """The last of these checkpoints that can be read, and by file why those behind it cannot."""
    damaged: dict[Path, str] = {}
    for path in reversed(checkpoints):
        try:
            read_checkpoint(path)
        except CheckpointError as error:
            damaged[path] = str(error)
        else:
            return path, damaged
    return None, damaged


def set_damaged_aside(work_dir: str | Path) -> dict[Path, str]:
    """Rename what is newer than the newest whole checkpoint; return what it was, and is, and why.

    Raises:
        CheckpointError: No checkpoint is whole.
    """
    numbered = numbered_checkpoints(work_dir)
    whole, damaged = newest_whole(numbered)
    if whole is None and numbered:
        raise CheckpointError(
            f"no checkpoint in {work_dir} is whole; delete them to begin again:\n  "
            + "\n  ".join(damaged.values())
        )
    for path in damaged:
        path.replace(path.with_name(path.name + DAMAGED))
    return damaged


def read_to_resume(path: Path) -> dict[str, Any]:
    """Read the checkpoint that a run goes on from.

    Raises:
        CheckpointError: It cannot be read. The message says which earlier one can.
    """
    try:
        return read_checkpoint(path)
    except CheckpointError as error:
        numbered = numbered_checkpoints(path.parent)
        earlier = numbered[: numbered.index(path)] if path in numbered else []
        whole, _ = newest_whole(earlier)
        advice = (
            "no earlier one is whole: delete it, and the training begins again"
            if whole is None
            else f"{whole.name} is whole: delete {path.name}, and --resume goes on from "
            f"{whole.name}; --resume-from-whole does so, and sets {path.name} aside"
        )
        raise CheckpointError(f"{error}\n{advice}") from error


def model_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """The state dict on the CPU, without the prefixes of distributed wrappers."""
    return {name: value.cpu() for name, value in get_state_dict(model).items()}


def pack_message_hub(state: dict[str, Any]) -> dict[str, Any]:
    """Turn mmengine's message hub into tensors and plain values, which load without pickle."""
    histories = {
        name: dict(
            values=torch.from_numpy(np.asarray(buffer._log_history, dtype=np.float64)),
            counts=torch.from_numpy(np.asarray(buffer._count_history, dtype=np.int64)),
            max_length=buffer.max_length,
        )
        for name, buffer in state["log_scalars"].items()
    }
    # A numpy float is a Python float too, and would need pickle: .item() makes it plain.
    values = {k: getattr(v, "item", lambda v=v: v)() for k, v in state["runtime_info"].items()}
    plain = (str, int, float, bool, type(None))
    info = {k: v for k, v in values.items() if isinstance(v, plain)}
    return dict(log_scalars=histories, runtime_info=info, resumed_keys=dict(state["resumed_keys"]))


def unpack_message_hub(packed: dict[str, Any]) -> dict[str, Any]:
    """Undo `pack_message_hub`."""
    buffers = {
        name: HistoryBuffer(h["values"].tolist(), h["counts"].tolist(), h["max_length"])
        for name, h in packed["log_scalars"].items()
    }
    return packed | {"log_scalars": buffers}


def save_now(runner: Runner) -> Path:
    """Write the checkpoint of the iterations that are done, if it is not there; return its path.

    Of several processes all call it. Where the config has no `CheckpointHook`, it is written, too.
    """
    keeper = next((hook for hook in runner.hooks if isinstance(hook, CheckpointHook)), None)
    done = runner.train_loop.done
    path = Path(keeper.out_dir if keeper else runner.work_dir) / f"iter_{done}.pth"
    there = [path.exists()]  # where the first process writes: they may share no disk
    broadcast_object_list(there)
    if not there[0]:
        if keeper is not None:
            keeper._save_checkpoint_with_step(runner, done, meta={})
        else:
            runner.save_checkpoint(runner.work_dir, path.name)
    return path
