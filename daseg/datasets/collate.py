"""From samples to a batch."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine import registry as mm
from torch.utils.data import get_worker_info

from daseg.datasets.firewall import OPENED, TargetBatch, TargetSample, take_opened
from daseg.datasets.pipeline import require_whole
from daseg.ops.resize import Size, size_of
from daseg.registry import FUNCTIONS
from daseg.utils.errors import ConfigError, DataError


# mmengine's runner looks the name up among its own functions, not among daseg's.
@mm.FUNCTIONS.register_module()
@FUNCTIONS.register_module()
def collate(samples: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Stack samples to a batch.

    Args:
        samples: What `PackSample` makes: ``image`` (3, H, W), ``label`` (H, W) or none, ``meta``;
            or pairs of them, ``source`` and ``target``.

    Returns:
        ``image`` (N, 3, H, W) uint8, ``label`` (N, H, W) int64 where the samples have one,
        ``trusted`` (N, H, W) bool where one of them has it, True for those without, ``meta``: list
        of N dicts; or ``source`` such a batch and ``target`` a `TargetBatch`, that has no label.
        In a worker also ``labels_opened``: how often it has opened which label file.

    Raises:
        DataError: The sizes differ, or only some samples have a label.
    """
    batch = _batch(samples)
    if get_worker_info() is not None:
        batch[OPENED] = take_opened()
    return batch


def _batch(samples: Sequence[Any]) -> dict[str, Any]:
    batch: dict[str, Any] = {}
    for key in dict.fromkeys(key for sample in samples for key in sample):
        values = [sample.get(key) for sample in samples]
        if key == "trusted":  # missing where one part of a mixed target has no margins
            values = [
                torch.ones(sample["image"].shape[-2:], dtype=torch.bool) if value is None else value
                for value, sample in zip(values, samples, strict=True)
            ]
        if all(isinstance(value, dict) and "image" in value for value in values):
            batch[key] = _batch(values)
        else:
            tensors = any(torch.is_tensor(value) for value in values)
            batch[key] = _stack(key, values, samples) if tensors else values
    return TargetBatch(batch) if isinstance(samples[0], TargetSample) else batch


def _stack(key: str, values: list[Any], samples: Sequence[dict[str, Any]]) -> torch.Tensor:
    first = values[0]
    for value, sample in zip(values, samples, strict=True):
        names = f"{_path(samples[0])} and {_path(sample)}"
        if value is None:
            raise DataError(f"a batch mixes samples with and without {key}: {names}")
        if value.shape != first.shape:
            raise DataError(
                f"a batch needs {key}s of one size, but {names} give {_size(first)} and "
                f"{_size(value)}: use batch_size=1, or end the pipeline with a crop or resize to a "
                "fixed size (RandomCrop, Resize without keep_ratio)"
            )
    return torch.stack(values)


def _path(sample: dict[str, Any]) -> str:
    return str(sample.get("meta", {}).get("image_path", "an unnamed sample"))


def _size(value: torch.Tensor) -> str:
    return "x".join(str(n) for n in value.shape[-2:]) + " (height x width)"


def common_size(batch: dict[str, Any]) -> Size:
    """The (height, width) of a test batch's labels, or of its image files where it has none.

    Raises:
        ConfigError: The files differ in size, or are not all in the batch as a whole.
    """
    require_whole(batch["meta"])
    if "label" in batch:
        return size_of(batch["label"])
    sizes = {tuple(meta["ori_shape"]) for meta in batch["meta"]}
    if len(sizes) > 1:
        raise ConfigError(
            f"images of different sizes {sorted(sizes)} in one test batch: set batch_size=1"
        )
    return sizes.pop()
