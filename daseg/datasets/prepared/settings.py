"""What a prepared data set depends on, beside its files."""

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
from mmcv.transforms import Resize

from daseg.datasets.load_image import LoadImageFromFile
from daseg.datasets.loading import LoadLabel
from daseg.datasets.transforms import ResizePIL

if TYPE_CHECKING:
    from daseg.datasets.base import SegDataset

# They draw no random numbers, and keep nothing beside the sample: what they give can be kept.
FIXED = (LoadImageFromFile, LoadLabel, ResizePIL, Resize)


def num_fixed(transforms: list[Any]) -> int:
    """How many of the first transforms of a pipeline always do the same to a sample."""
    fixed = [type(transform) in FIXED for transform in transforms]
    return fixed.index(False) if False in fixed else len(fixed)


def settings_of(dataset: "SegDataset") -> dict[str, Any]:
    """What a data set's prepared samples depend on, as JSON holds it."""
    reader, layout = dataset.reader, dataset.layout
    transforms = dataset.pipeline.transforms
    steps = []
    for transform in transforms[: num_fixed(transforms)]:
        arguments = (f"{name}={value!r}" for name, value in sorted(vars(transform).items()))
        steps.append(f"{type(transform).__name__}({', '.join(arguments)})")
    settings = dict(
        type=type(dataset).__name__,
        root=str(dataset.root),
        label_root=str(dataset.label_root),
        layout=dict(sorted(vars(layout).items())),
        list_file=None if dataset.list_file is None else str(dataset.list_file),
        on_missing=dataset.on_missing,
        labels=dataset.labels,
        classes=list(dataset.metainfo["classes"]),
        reader=type(reader).__name__,
        ids={key: value for key, value in sorted(vars(reader).items()) if key != "table"},
        steps=steps,
    )
    plain: dict[str, Any] = json.loads(json.dumps(settings, default=_digest))
    return plain


def folder_name(settings: dict[str, Any]) -> str:
    """The folder of these settings, below that of all prepared data sets: ``GTA5-1b2a3c4d5e6f``."""
    text = json.dumps(settings, sort_keys=True)
    return f"{settings['type']}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _digest(value: Any) -> str:
    """What stands for a value that JSON does not hold: an array of a reader's."""
    return hashlib.sha256(np.asarray(value).tobytes()).hexdigest()
