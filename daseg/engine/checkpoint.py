"""Checkpoints: written whole or not at all, read without running code, loaded strictly."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import get_state_dict
from torch import nn

from daseg.utils.errors import CheckpointError
from daseg.utils.files import atomic_write
from daseg.utils.weights import read_torch_file

SEGMENTOR = "segmentor."
TEACHER = "teacher.module."


def write_checkpoint(checkpoint: dict[str, Any], path: str | Path) -> None:
    """Write a checkpoint under its final name only when all of it is on the disk."""
    with atomic_write(path) as temporary:
        torch.save(checkpoint, temporary)


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint to the CPU; a bare state dict comes back as ``dict(state_dict=...)``.

    Raises:
        CheckpointError: There is no such file, it is broken, or it holds more than tensors and
            plain values (such a file could run code and is not loaded).
    """
    content = read_torch_file(path)
    return content if isinstance(content.get("state_dict"), dict) else {"state_dict": content}


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


def segmentor_weights(checkpoint: dict[str, Any]) -> dict[str, torch.Tensor]:
    """The segmentor in a checkpoint: the teacher where there is one, as in the validation.

    Of a checkpoint of an adapter it is a part, of one of a segmentor all of it.
    """
    state = checkpoint["state_dict"]
    for prefix in (TEACHER, SEGMENTOR):
        own = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        if own:
            return own
    return state


def has_teacher(checkpoint: dict[str, Any]) -> bool:
    """Whether a checkpoint holds a teacher, the moving average of the segmentor's weights."""
    return any(key.startswith(TEACHER) for key in checkpoint["state_dict"])


def load_segmentor(segmentor: nn.Module, path: str | Path) -> dict[str, Any]:
    """Load a segmentor's weights from a checkpoint, strictly; return the checkpoint's ``meta``.

    Raises:
        CheckpointError: The file cannot be read, or a key is missing, left over or of another
            shape.
    """
    checkpoint = read_checkpoint(path)
    load_strictly(segmentor, segmentor_weights(checkpoint), str(path))
    return checkpoint.get("meta", {})


def load_strictly(module: nn.Module, state: dict[str, torch.Tensor], source: str) -> None:
    """Load a state dict of which every key must fit; say which do not.

    The keys are those without the prefixes of distributed wrappers, which ``module`` may have.
    """
    own = get_state_dict(module, keep_vars=True)
    matching = own.keys() & state.keys()
    if not matching:
        raise CheckpointError(
            f"{source}: not one of its {len(state)} keys is one of the model's (first: "
            f"{_some(state)}; the model has {_some(own)}). A published file is converted first: "
            "tools/convert_checkpoint.py"
        )
    problems = [
        *(f"missing {key}" for key in own.keys() - state.keys()),
        *(f"left over {key}" for key in state.keys() - own.keys()),
        *(
            f"{key} is {tuple(state[key].shape)}, the model's {tuple(own[key].shape)}"
            for key in matching
            if state[key].shape != own[key].shape
        ),
    ]
    if problems:
        raise CheckpointError(
            f"{source} does not fit the model, {len(problems)} keys differ: "
            f"{'; '.join(sorted(problems)[:5])}{' ...' if len(problems) > 5 else ''}. "
            "Is it a checkpoint of this config?"
        )
    with torch.no_grad():
        for key, value in state.items():
            own[key].copy_(value)


def _some(keys: Any) -> str:
    return ", ".join(list(keys)[:3])


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
