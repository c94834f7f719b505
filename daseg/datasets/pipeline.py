"""A list of transforms, run one after the other."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmcv.transforms import RandomChoiceResize, RandomResize, Resize
from mmengine.registry import DefaultScope

from daseg.datasets.load_image import every_transform, refuse_other_loaders
from daseg.datasets.loading import LoadLabel
from daseg.datasets.margins import IgnoreMargins
from daseg.datasets.one_transform import (
    TransformError,
    apply_transform,
    build_transform,
    name_of,
    refuse_other_labels,
)
from daseg.datasets.pixels import PixelError, complaint, rounded
from daseg.datasets.probe.whole import Watch
from daseg.datasets.rng import Draws
from daseg.datasets.transforms import ResizePIL
from daseg.utils.errors import ConfigError

MOVED = "moved"  # the key of a sample's meta
# What may stand between the reading of an image and the marking of its margins.
RESIZING = (Resize, RandomResize, RandomChoiceResize, ResizePIL)


class Pipeline:
    """Runs transforms; an error says which one failed on which file.

    Args:
        transforms: Callables ``dict -> dict``, or configs that `TRANSFORMS` builds: daseg's and
            mmcv's, by their plain names, also inside ``RandomApply`` and the like.
    """

    def __init__(self, transforms: Sequence[Any]) -> None:
        # The scope lets mmcv's own containers find daseg's transforms.
        with DefaultScope.overwrite_default_scope("daseg"):
            self.transforms = [build_transform(t) for t in transforms]
        refuse_other_loaders(self.transforms)
        _check_margins(self.transforms)
        self._known: dict[Any, str | None] = {}
        self._has_run = False

    def __call__(self, results: dict[str, Any], first: int = 0) -> dict[str, Any]:
        """Run all transforms on a sample's description, from number ``first`` on.

        Raises:
            DataError: The image cannot be read, or its numbers are not 0..255 in the end.
            TransformError: A transform failed; the cause is chained.
        """
        watch = None if self._has_run else Watch()
        return self._run(results, watch, self.transforms[first:])

    def whole(
        self, results: dict[str, Any], first: int = 0, end: int | None = None
    ) -> tuple[dict[str, Any], str | None]:
        """Run all transforms, and look whether they have kept the whole image and label.

        Those before ``first`` have run already; ``end`` and what follows do not run.

        What they do to places is measured once for each size of image, where they draw no random
        numbers, else each time. No label file is opened for it, and no random number lost.

        Returns:
            What they give, and what keeps a prediction from being stretched back to the label, as
            testing does; None where nothing does.

        Raises: as a call.
        """
        watch, steps = Watch(), self.transforms[first:end]
        results = self._run(results, watch, steps)
        return results, watch.problem(steps, self._known)

    def resized(self, image: np.ndarray) -> np.ndarray:
        """What a pipeline without ends makes of an image (H,W,3) uint8 BGR: (h,w,3) uint8 BGR.

        Raises:
            ConfigError: It does more than stretch it.
            PixelError: Its numbers are not 0..255 afterwards.
        """
        if not self.transforms:
            return image
        shape = image.shape[:2]
        begin: dict[str, Any] = dict(img=image, img_shape=shape, ori_shape=shape)
        draws = Draws.now()
        results, moved = self.whole(dict(begin, img=image.copy()))
        if moved:
            raise ConfigError(moved)
        seen = results["img"]
        if complaint(seen):
            draws.again()
            raise self._blame(begin, self.transforms, None) or PixelError(str(complaint(seen)))
        return seen if seen.dtype == np.uint8 else rounded(seen)

    def _run(
        self, results: dict[str, Any], watch: Watch | None, steps: Sequence[Any]
    ) -> dict[str, Any]:
        if not self._has_run:
            for transform in self.transforms:
                refuse_other_labels(transform)
        path = results.get("img_path")
        begin, draws = dict(results), Draws.now()
        if watch is not None:
            watch.look(-1, results)
        for number, transform in enumerate(steps):
            try:
                results = apply_transform(transform, results)
            except PixelError as error:
                draws.again()
                raise self._blame(begin, steps[:number], path) or error from error
            if watch is not None:
                watch.look(number, results)
        if watch is not None and not self._has_run:
            self._check_values(watch, path, steps)
            self._has_run = True
        return results

    def _check_values(self, watch: Watch, path: str | None, steps: Sequence[Any]) -> None:
        """Refuse what would make wrong numbers of an image that has all from 0 to 255."""
        if watch.image is None or watch.image.dtype == np.uint8:
            return
        after = Draws.now()
        results, steps = watch.replay(steps)
        try:
            error = self._blame(results, steps, path)
        except TransformError:
            error = None  # it cannot work on every image, and has worked on this one
        finally:
            after.again()
        if error is not None:
            raise error

    def _blame(
        self, results: dict[str, Any], steps: Sequence[Any], path: str | None
    ) -> PixelError | None:
        """Which of these transforms has made the image what it may not be in the end."""
        culprit, problem = None, None
        for transform in steps:
            results = apply_transform(transform, results)
            found = complaint(results.get("img"))
            culprit = name_of(transform) if found and not problem else culprit
            problem = found
        if culprit is None or problem is None:
            return None
        which = f"the image {path}" if path else "the image"
        return PixelError(
            f"after the transform {culprit} {which} {problem}. The segmentor takes "
            "RGB 0..255 and normalises it itself, by its own mean and std: leave out what "
            f"normalises, scales or makes grey; where {culprit} has to stay, let it give 0..255"
        )

    def __repr__(self) -> str:
        return f"Pipeline({self.transforms})"


def _check_margins(transforms: Sequence[Any]) -> None:
    """Refuse `IgnoreMargins` where the image may have been moved before, or in a container."""
    steps = list(every_transform(transforms))
    places = [place for place, step in enumerate(steps) if isinstance(step, IgnoreMargins)]
    for step in steps[1 : max(places, default=0)]:  # the first one reads the image
        if not isinstance(step, (LoadLabel, IgnoreMargins, *RESIZING)):
            raise ConfigError(
                f"IgnoreMargins stands after or inside {type(step).__name__}, which may move the "
                "image, so that its margins are elsewhere: put it right after LoadImageFromFile; "
                "with size=(width, height) its numbers are pixels of images of that size"
            )


def note_moved(sample: dict[str, Any], moved: str | None) -> dict[str, Any]:
    """The sample; its ``meta`` says what `Pipeline.whole` has found, where it has."""
    if moved and isinstance(sample.get("meta"), dict):
        return {**sample, "meta": {**sample["meta"], MOVED: moved}}
    return sample


def require_whole(metas: Sequence[Mapping[str, Any]]) -> None:
    """Refuse samples that are not the whole image and label, before a prediction is laid on them.

    Args:
        metas: The ``meta`` of each sample of a batch.

    Raises:
        ConfigError: A sample is not whole.
    """
    for meta in metas:
        if meta.get(MOVED):
            raise ConfigError(f"{meta.get('image_path')}: {meta[MOVED]}")
