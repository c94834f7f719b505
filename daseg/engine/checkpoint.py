"""Checkpoints: written whole or not at all, read without running code, loaded strictly."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import get_state_dict
from torch import nn

from daseg.utils.strict import (
    TEACHER,
    load_groups,
    load_segmentor,
    load_strictly,
    read_checkpoint,
    segmentor_weights,
)
from daseg.utils.weights import write_torch_file

__all__ = [
    "has_teacher",
    "latest_checkpoint",
    "load_groups",
    "load_segmentor",
    "load_strictly",
    "model_state",
    "numbered_checkpoints",
    "pack_message_hub",
    "read_checkpoint",
    "segmentor_weights",
    "unpack_message_hub",
    "write_checkpoint",
]


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
    """The files ``iter_N.pth`` of a work dir, in the order of their iterations."""
    numbered = {
        int(match[1]): path
        for path in Path(work_dir).glob("iter_*.pth")
        if (match := re.fullmatch(r"iter_(\d+)\.pth", path.name))
    }
    return [numbered[number] for number in sorted(numbered)]


def model_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """The state dict on the CPU, without the prefixes of distributed wrappers."""
    return {name: value.cpu() for name, value in get_state_dict(model).items()}


def has_teacher(checkpoint: dict[str, Any]) -> bool:
    """Whether a checkpoint holds a teacher, the moving average of the segmentor's weights."""
    return any(key.startswith(TEACHER) for key in checkpoint["state_dict"])


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
