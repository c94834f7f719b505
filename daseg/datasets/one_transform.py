"""Building and running one transform of a pipeline; an error says which one, and why."""

import reprlib
from typing import Any

from mmcv.transforms import LoadAnnotations, LoadImageFromFile

from daseg.registry import TRANSFORMS
from daseg.utils.errors import ConfigError, DataError, UserError
from daseg.utils.reasons import call_of, reason


class TransformError(DataError, RuntimeError):
    """A transform has failed on a file: the file, or the arguments of the transform, do not fit."""


def build_transform(transform: Any) -> Any:
    """Build a transform from its config; a built one is returned as it is.

    Raises:
        ConfigError: It is not known or cannot be built.
    """
    try:
        return TRANSFORMS.build(transform)
    except UserError:
        raise
    except Exception as error:
        kind = transform["type"]
        found = TRANSFORMS.get(kind) if isinstance(kind, str) else kind
        raise ConfigError(
            f"transform {kind} cannot be built: {reason(error)}; its arguments are those of "
            f"{call_of(found)}"
        ) from error


def refuse_other_labels(transform: Any) -> None:
    """Refuse a reader of labels that is not daseg's, alone or inside a container.

    Raises:
        ConfigError: It is, or holds, a ``LoadAnnotations`` of mmcv's, which reads raw ids that
            nothing maps and nobody counts.
    """
    if isinstance(transform, LoadAnnotations):
        raise ConfigError(
            f"transform {type(transform).__name__} reads raw ids, past the data set's id_map and "
            "ignored ids, and past the count of opened labels: use dict(type='LoadLabel')"
        )
    for inner in inner_transforms(transform):
        refuse_other_labels(inner)


def inner_transforms(transform: Any) -> list[Any]:
    """The transforms that a container such as ``RandomApply`` holds, however deep in lists."""
    found: list[Any] = []
    values = list(getattr(transform, "__dict__", {}).values())
    while values:
        value = values.pop()
        if isinstance(value, (list, tuple)):
            values += value
        elif isinstance(value, dict):
            values += value.values()
        elif hasattr(value, "transform") or hasattr(value, "transforms"):
            found.append(value)
    return found


def apply_transform(transform: Any, results: dict[str, Any]) -> dict[str, Any]:
    """Run one transform on a sample's description.

    Raises:
        DataError: The image cannot be read, or the transform gives nothing, or no dict.
        TransformError: It failed in another way; the cause is chained.
    """
    name, path = type(transform).__name__, results.get("img_path")
    try:
        changed = transform(results)
    except UserError:
        raise
    except Exception as error:
        if isinstance(transform, LoadImageFromFile):
            why = str(error) or "not a picture, or a part of one is missing"
            raise DataError(f"image {path} cannot be read: {why}") from error
        raise TransformError(
            f"transform {name} failed on {path}: {reason(error)}; its arguments are those of "
            f"{call_of(type(transform))}"
        ) from error
    if changed is None:
        raise DataError(f"transform {name} gave nothing for {path}")
    if not isinstance(changed, dict):
        raise TransformError(
            f"transform {name} gave {reprlib.repr(changed)} for {path}: it has to return the "
            "sample's dict, changed or not"
        )
    return changed


def name_of(step: Any) -> str:
    """Name of a transform; of one that holds others, theirs too: ``RandomApply(Pad)``."""
    inner = getattr(step, "transforms", None)
    own = type(step).__name__
    if inner is None or isinstance(inner, str):
        return own
    parts = [name_of(part) for part in _parts(inner)]
    return f"{own}({', '.join(parts)})" if parts else own


def _parts(inner: Any) -> list[Any]:
    held = getattr(inner, "transforms", inner)
    held = list(held) if isinstance(held, (list, tuple)) else [held]
    return [
        part for one in held for part in (_parts(one) if type(one).__name__ == "Compose" else [one])
    ]
