"""Check that a pipeline gives the whole image, at most stretched, and the whole label.

In testing a prediction is stretched to the size of the label, or of the image file. That is right
only if the pipeline moves nothing except by stretching the image. Anything else is detected from
the result, whichever transform does it, and the transform is named.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from daseg.datasets.one_transform import name_of
from daseg.datasets.probe.exchange import exchange, flat_like
from daseg.datasets.probe.geometry import is_stretched, looks_alike, texture
from daseg.datasets.rng import Draws

Step = Callable[[dict[str, Any]], dict[str, Any] | None]
Form = tuple[tuple[int, ...], str]  # shape and type of an image

_COLOURS = "colours"  # the key of what is known of them, for images of all sizes
_MARK = 12.0  # grey levels of a texture that is laid over an image
REMEDY = (
    "In testing, predicting and labelling the result is stretched back to the size of the image "
    "file, so that it would lie in the wrong place: leave out of that pipeline what pads, crops, "
    "turns, mirrors or shifts. To resize, use Resize or ResizePIL; what a network needs of padding "
    "or windows is model.segmentor.inference (WholeInference(pad_stride=...), SlideInference)"
)


class Watch:
    """Observes a pipeline while it runs; then tells whether image and label are whole."""

    def __init__(self) -> None:
        self.start: int | None = None  # number of the first transform after the loading
        self.loaded: dict[str, Any] = {}  # what that one was given
        self.image: Any = None  # the last one
        self.label: Any = None
        self._forms: list[Form | None] = []
        self._first_label: np.ndarray | None = None
        self._label_by: int | None = None  # the first transform that has changed it
        self._unlike_by: int | None = None  # the first one after which the image looks otherwise

    def look(self, number: int, results: Any) -> None:
        """Inspect the result of transform ``number``; -1: the input of the pipeline."""
        if not isinstance(results, dict):
            return
        image, label = results.get("img"), results.get("gt_seg_map")
        if self.start is None:
            if isinstance(image, np.ndarray):
                self.start, self.draws = number + 1, Draws.now()
                self.loaded = {key: _copy(value) for key, value in results.items()}
        else:
            self._forms.append(_form(image))
            if self._unlike_by is None and isinstance(image, np.ndarray):
                same = image is self.image or looks_alike(self.loaded["img"], image)
                self._unlike_by = None if same else number
        if isinstance(image, np.ndarray):
            self.image = image
        if isinstance(label, np.ndarray):
            if self._first_label is None:
                self._first_label = label.copy()
            elif label is not self.label and self._label_by is None:
                same = _same_places(self._first_label, label)
                self._label_by = None if same else number
            self.label = label

    def problem(self, steps: Sequence[Step], known: dict[Any, str | None]) -> str | None:
        """Why a prediction cannot be compared with the label; None where it can.

        Args:
            steps: The transforms that have run.
            known: Results of earlier runs without random draws; that of this run is added.
        """
        if self.start is None:
            return None
        after = Draws.now()
        try:
            found = self._probed(steps, known, after) or self._of_label(steps)
            if not found and _COLOURS not in known:
                loaded = self.loaded["img"]
                results, ran = self.replay(steps, flat_like(loaded))
                has_colours = loaded.shape[2:] == (3,)
                known[_COLOURS] = exchange(ran, results) if has_colours else None
            found = found or known.get(_COLOURS)
        finally:
            after.again()
        return found

    def replay(
        self, steps: Sequence[Step], image: np.ndarray | None = None
    ) -> tuple[dict[str, Any], list[Step]]:
        """Prepare the same run on another image, with the same random draws.

        Args:
            steps: The transforms that have run.
            image: The other image, of the same size; None: a texture, 0..255.

        Returns:
            The loaded sample with that image, and the transforms that took an image.
        """
        assert self.start is not None
        self.draws.again()
        results = {key: _copy(value) for key, value in self.loaded.items()}
        loaded = self.loaded["img"]
        if image is None:
            image = _dressed(texture(loaded.shape[:2], loaded.shape[:2])[1], loaded, full=True)
        results |= dict(img=image.copy(), label_reader=_Known(self._first_label))
        last = max((n for n, form in enumerate(self._forms) if form is not None), default=-1)
        return results, list(steps[self.start : self.start + last + 1])

    def _of_label(self, steps: Sequence[Step]) -> str | None:
        if self._first_label is None:
            return None
        first = self._first_label
        if self._label_by is not None:
            who = name_of(steps[self._label_by])
        elif not _same_places(first, self.label):
            who = self._culprit(
                steps, lambda results: not _same_places(first, results.get("gt_seg_map", first))
            )
        else:
            return None
        height, width = first.shape[:2]
        return (
            f"{who} changes the label of {width}x{height} pixels, so that the "
            "number would not be of the whole label, as its file has it: in testing LoadLabel "
            "stands behind what moves or resizes the image, right before PackSample"
        )

    def _culprit(self, steps: Sequence[Step], spoilt: Callable[[dict[str, Any]], bool]) -> str:
        """Name of the transform that changed something in place, unnoticed so far."""
        results, steps = self.replay(steps, self.loaded["img"])
        for step in steps:
            results = step(results) or {}
            if spoilt(results):
                return name_of(step)
        return ", ".join(map(name_of, steps))  # another one each time

    def _probed(
        self, steps: Sequence[Step], known: dict[Any, str | None], after: Draws
    ) -> str | None:
        key = (_form(self.loaded["img"]), *self._forms)
        fixed = self.draws.same(after)
        if fixed and key in known:
            found = known[key]
        else:
            found = self._probe(steps)
            if fixed:
                known[key] = found
        found = found or (None if fixed else self._of_draws(steps)) or self._of_content(steps)
        return f"{found}. {REMEDY}" if found else None

    def _probe(self, steps: Sequence[Step]) -> str | None:
        """Run the steps again in the same way, on textures in place of the image."""
        results, steps = self.replay(steps)
        given, made = results["img"], None
        names: list[str] = []
        for place, step in enumerate(steps):
            image = results.get("img")
            if isinstance(image, np.ndarray):
                coming = next(form for form in self._forms[place:] if form is not None)
                made, picture = texture(image.shape[:2], coming[0][:2])
                given, names = _dressed(picture, image), []
                results["img"] = given.copy()
            names.append(name_of(step))
            who = ", ".join(names)
            try:
                results = step(results) or {}
            except Exception as error:
                return f"{who} works on one image, but fails on another ({error})"
            seen = results.get("img")
            if made is None or not isinstance(seen, np.ndarray):
                continue
            before, after, real = _size(_form(given)), _size(_form(seen)), self._forms[place]
            if _form(seen) != real:
                return f"{who} turns one image of {before} into {_size(real)}, another into {after}"
            if not is_stretched(made, given, seen):
                return (
                    f"{who} turns an image of {before} into one of {after} that is not the whole "
                    "image, stretched to that size"
                )
        return None

    def _of_draws(self, steps: Sequence[Step]) -> str | None:
        """Refuse random changes other than of the size: a result is about unchanged images."""
        first, last = self.loaded["img"], self.image
        if first.shape != last.shape or np.array_equal(first, last):
            return None
        results, steps = self.replay(steps, first)
        for step in steps:
            before = Draws.now()
            results = step(results) or {}
            if not before.same(Draws.now()):
                return f"{name_of(step)} changes images at random"
        return f"{', '.join(map(name_of, steps))} change images at random"

    def _of_content(self, steps: Sequence[Step]) -> str | None:
        """Find what a texture cannot show: what depends on the image, or on earlier images."""
        first = self.loaded["img"]
        alike = self._unlike_by is None and looks_alike(first, self.image)
        if alike or self._mark_stays(steps):
            return None
        if self._unlike_by is not None:
            who = name_of(steps[self._unlike_by])
        else:
            who = self._culprit(
                steps, lambda results: not looks_alike(first, results.get("img", first))
            )
        return f"{who} treats this image in another way than others of its size"

    def _mark_stays(self, steps: Sequence[Step]) -> bool:
        """Whether a texture that is laid over the image is only stretched."""
        first, last = self.loaded["img"], self.image
        made, picture = texture(first.shape[:2], last.shape[:2])
        mark = ((picture - 127.5) * (_MARK / 127.5)).reshape(
            *picture.shape, *[1] * (first.ndim - 2)
        )
        paler = first.astype(np.float32) * ((255 - 2 * _MARK) / 255) + _MARK
        again = self._run(steps, first)
        if not np.array_equal(again, last):
            return False  # nothing can be said of a step that does something else each time
        lighter, darker = (
            self._run(steps, (paler + sign * mark).round().astype(first.dtype)) for sign in (1, -1)
        )
        if np.shape(lighter) != last.shape or np.shape(darker) != last.shape:
            return False
        lighter, darker = lighter.astype(np.float32), darker.astype(np.float32)
        # Where the mark has changed what is done, it tells nothing of the image without it.
        same = looks_alike((lighter + darker) / 2, last)
        return same and is_stretched(made, mark, lighter - darker)

    def _run(self, steps: Sequence[Step], image: np.ndarray) -> Any:
        results, steps = self.replay(steps, image)
        for step in steps:
            try:
                results = step(results) or {}
            except Exception:
                return None  # it does not do to this image what it has done to the other
        return results.get("img")


class _Known:
    """Gives the label that has been read, so that no file is opened again."""

    def __init__(self, label: np.ndarray | None) -> None:
        self.label = label

    def read(self, path: Any) -> Any:
        return None if self.label is None else self.label.copy()


def _copy(value: Any) -> Any:
    """A copy, which a transform may change in place."""
    return value.copy() if isinstance(value, (np.ndarray, dict, list)) else value


def _form(image: Any) -> Form | None:
    return (image.shape, str(image.dtype)) if isinstance(image, np.ndarray) else None


def _size(form: Form | None) -> str:
    return "nothing" if form is None else f"{form[0][1]}x{form[0][0]} pixels"


def _dressed(picture: np.ndarray, image: np.ndarray, full: bool = False) -> np.ndarray:
    """A texture with the type and channels of an image, and its range where it is not uint8."""
    low, high = 0.0, 255.0
    if image.dtype != np.uint8 and not full:
        low, high = float(image.min()), float(image.max())
    values = low + picture * ((high - low) / 255)
    if image.dtype.kind in "iu":
        values = values.round()
    wide = values.reshape(*picture.shape, *[1] * (image.ndim - 2))
    return np.broadcast_to(wide, image.shape).astype(image.dtype)


def _same_places(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether two labels are equal, apart from the numbers of their classes."""
    if before.shape != after.shape:
        return False
    if np.array_equal(before, after):
        return True
    values, index = np.unique(before, return_inverse=True)
    renamed = np.zeros(len(values), after.dtype)
    renamed[index.ravel()] = after.ravel()
    return np.array_equal(renamed[index.reshape(before.shape)], after)
