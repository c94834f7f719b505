"""Build every pipeline of a config and try it on a synthetic image before a training."""

import copy
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmcv.transforms import RandomChoice
from PIL import Image

from daseg.datasets.label_reader import LabelReader
from daseg.datasets.margins import IgnoreMargins
from daseg.datasets.one_transform import apply_transform, inner_transforms, refuse_other_labels
from daseg.datasets.pipeline import Pipeline
from daseg.datasets.pixels import PixelError
from daseg.datasets.rng import isolated_rng
from daseg.utils.reasons import reason

OURS = ("daseg.", "mmcv.")
CLASSES = 3
# Pipelines, as text, that have worked in this process: configs share them.
_worked: set[str] = set()


def wrong_pipelines(node: Any, path: str = "", labels: bool = True) -> Iterator[str]:
    """Build every pipeline of a config and run it on a synthetic image; report those that fail.

    The image and its label are files in a temporary folder; no file of a data set is opened, and
    the state of the random generators is kept. A failure after a transform of another package is
    not reported, since that transform may need files which the synthetic image does not have.
    """
    if not isinstance(node, (dict, list, tuple)):
        return
    labels = labels and not (isinstance(node, dict) and node.get("labels") is False)
    for key, child in node.items() if isinstance(node, dict) else enumerate(node):
        place = f"{path}.{key}".lstrip(".")
        if key == "pipeline" and child is not None:
            yield from _wrong_pipeline(child, place, labels)
        else:
            yield from wrong_pipelines(child, place, labels and key != "target")


def _wrong_pipeline(steps: Any, path: str, labels: bool) -> Iterator[str]:
    if not isinstance(steps, (list, tuple)):
        yield f"{path}: is a list of transforms, not {steps!r}"
        return
    text, transforms = f"{labels} {steps}", []
    if text in _worked:
        return
    for index, step in enumerate(steps):
        try:
            (transform,) = Pipeline([step]).transforms
            refuse_other_labels(transform)
            transforms.append(transform)
        except Exception as error:
            yield f"{path}.{index}: {reason(error)}"
    if len(transforms) < len(steps):
        return
    # Margins of real images can be wider than the whole synthetic one, which has none.
    transforms = [IgnoreMargins() if isinstance(t, IgnoreMargins) else t for t in transforms]
    place, problem = _first_failure(transforms, labels)
    if problem:
        yield f"{path}{place}: {problem}"
    elif all(map(_is_ours, transforms)):  # those of another package may change meanwhile
        _worked.add(text)


def _first_failure(transforms: list[Any], labels: bool) -> tuple[str, str]:
    """Where in the pipeline the synthetic image fails, and why; two times ``""`` if it passes."""
    for seed, variant in enumerate([transforms, *_certain(transforms)]):
        with isolated_rng(seed):
            results: Any = _sample(labels)
            for index, transform in enumerate(variant):
                if not _is_ours(transform):
                    return "", ""
                try:
                    results = apply_transform(transform, results)
                except PixelError:
                    break  # running the whole pipeline names the transform at fault
                except Exception as error:
                    return f".{index}", _made(reason(error))
        with isolated_rng(seed):
            try:
                results = Pipeline(variant)(_sample(labels))
            except Exception as error:
                return "", _made(reason(error))
        if problem := _unfit_result(results):
            return "", problem
    return "", ""


def _certain(transforms: list[Any]) -> Iterator[list[Any]]:
    """Copies of the transforms with every probability set to 1, for each choice in turn."""
    if not all(map(_is_ours, transforms)):
        return
    turns = max([1, *(len(t.transforms) for t in _all(transforms) if isinstance(t, RandomChoice))])
    for turn in range(turns):
        copies = copy.deepcopy(transforms)
        for transform in _all(copies):
            if isinstance(transform, RandomChoice):
                transform.transforms = [transform.transforms[turn % len(transform.transforms)]]
                transform.prob = None
            elif isinstance(getattr(transform, "prob", None), float) and transform.prob > 0:
                transform.prob = 1.0
        yield copies


def _all(transforms: list[Any]) -> Iterator[Any]:
    for transform in transforms:
        yield transform
        yield from _all(inner_transforms(transform))


def _made(message: str) -> str:
    return message.replace(_folder().name, "a synthetic image: ...")


def _unfit_result(results: Any) -> str:
    image = results.get("image") if isinstance(results, Mapping) else None
    if not torch.is_tensor(image):
        return "gives no tensor 'image': its last transform is dict(type='PackSample')"
    if image.ndim != 3 or image.shape[0] != 3 or 0 in image.shape:
        return f"gives an image of {tuple(image.shape)}, but a network takes (3, height, width)"
    return ""


def _is_ours(transform: Any) -> bool:
    ours = type(transform).__module__.startswith(OURS)
    return ours and all(map(_is_ours, inner_transforms(transform)))


def _sample(labels: bool) -> dict[str, Any]:
    """The synthetic image as a data set would describe it to its pipeline."""
    folder = Path(_folder().name)
    return dict(
        img_path=str(folder / "image.png"),
        seg_map_path=str(folder / "label.png") if labels else None,
        name="image",
        label_reader=LabelReader({i: i for i in range(CLASSES)}),
    )


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """A folder, removed when the process ends, of an image of random colours and its label."""
    folder = tempfile.TemporaryDirectory(prefix="daseg_trial_")
    label = np.repeat(np.arange(CLASSES, dtype=np.uint8), 16)[:, None].repeat(64, 1)
    image = np.random.RandomState(0).randint(0, 256, (*label.shape, 3)).astype(np.uint8)
    Image.fromarray(image).save(f"{folder.name}/image.png")
    Image.fromarray(label).save(f"{folder.name}/label.png")
    return folder
