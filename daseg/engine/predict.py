"""Run a segmentor over images and videos and write what it sees: what ``daseg predict`` does."""

import glob
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from daseg.api import predict
from daseg.datasets.cityscapes import Cityscapes, train_ids_to_label_ids
from daseg.datasets.files.io import read_rgb
from daseg.datasets.files.picture import TURNED, orientation
from daseg.datasets.files.walk import File, each_once, is_inside, walk
from daseg.ops.colours import Palette, colorize, overlay
from daseg.segmentor import Segmentor
from daseg.utils.errors import DataError, WriteError
from daseg.utils.files import require_regular
from daseg.utils.pictures import write_picture
from daseg.utils.progress import track
from daseg.utils.writable import check_folder

IMAGES = frozenset(".png .jpg .jpeg .bmp .webp .tif .tiff .ppm".split())
FOLDERS = ("color", "overlay", "train_ids", "label_ids")  # of the results, below the output folder
VIDEOS = frozenset(".mp4 .avi .mov .mkv .webm .m4v".split())


def find_inputs(source: str, out: str | Path | None = None) -> list[tuple[Path, Path]]:
    """The files that an input means, each with the path of its results below the output folder.

    Each real file is one input, whatever links lead to it. What lies in the output folder, or in
    another folder of results, is none: it was made by this command.

    Args:
        source: An image, a video, a folder (searched to the bottom, without hidden files and
            folders) or a quoted glob.
        out: The output folder.

    Raises:
        DataError: There is no image or video, one is not a regular file, or two would be written as
            one.
    """
    path = Path(source)
    results = [] if out is None else _results(path, out)
    if path.is_dir():
        files, notes = _below(path, results)
    else:
        matches = map(Path, glob.glob(source, recursive=True))
        pictures = sorted(match for match in matches if _suffix(match) in IMAGES | VIDEOS)
        single = [path] if os.path.lexists(path) else pictures
        files, notes = [File(p, os.path.realpath(p)) for p in single if not p.is_dir()], []
    inside = tuple(folder + os.sep for folder in results)
    inputs = [file for file in files if not file.real.startswith(inside)] if inside else files
    if len(inputs) < len(files):
        notes.append(f"{len(files) - len(inputs)} files in {out} are results, no inputs")
    kept, twice = each_once(inputs)
    notes += [f"{other} is a link to {first}: it is taken once" for other, first in twice]
    if notes:
        more = f" (and {len(notes) - 1} more)" if notes[1:] else ""
        print(f"note: {notes[0]}{more}", file=sys.stderr)
    paths = sorted(file.path for file in kept)
    is_folder = path.is_dir()
    found = [(p, p.relative_to(path).with_suffix("") if is_folder else Path(p.stem)) for p in paths]
    if not found:
        raise DataError(f"{source}: no image or video there (known: {_endings()})")
    _check(source, found)
    return found


def _results(source: Path, out: str | Path) -> list[str]:
    """Folders whose files are results, links followed.

    An output folder inside the input is one; where the input lies in it, those are that this
    command writes below it.
    """
    place, here = os.path.realpath(out), os.path.realpath(source)
    if source.is_dir() and place != here and is_inside(place, here):
        return [place]
    return [os.path.join(place, name) for name in FOLDERS]


def _below(folder: Path, results: list[str]) -> tuple[list[File], list[str]]:
    """Images and videos below a folder, and notes of what was passed over."""
    found = walk(folder, sorted(IMAGES | VIDEOS), str(folder), leave_out=results)
    if found.unusable:
        lines = [f"{path} {reason}" for path, reason in found.unusable.items()]
        more = f", and {len(lines) - 1} more" if lines[1:] else ""
        raise DataError(f"{lines[0]}{more}: take it away, or name the others by a quoted glob")
    return found.files, found.notes


def _suffix(path: Path) -> str:
    return path.suffix.lower()


def _check(source: str, found: list[tuple[Path, Path]]) -> None:
    for file, _ in found:
        if _suffix(file) not in IMAGES | VIDEOS:
            raise DataError(f"{file}: not an ending of an image or video ({_endings()})")
        try:
            require_regular(file, "the input")
        except OSError as error:
            raise DataError(f"{file} cannot be read: {error.strerror}") from error
    counts = Counter(name for _, name in found)
    twice = sorted(str(name) for name, count in counts.items() if count > 1)
    if twice:
        raise DataError(f"{source}: several inputs would be written as {', '.join(twice[:3])}")


def _endings() -> str:
    return " ".join(sorted(IMAGES | VIDEOS))


class Writer:
    """Write the pictures of predictions.

    Args:
        out: Output folder.
        classes: Names of the classes.
        palette: Their RGB colours.
        train_ids: Also write class indices as 8-bit PNG.
        label_ids: Also write Cityscapes' label ids as 8-bit PNG, as its server takes them.
    """

    def __init__(
        self,
        out: str | Path,
        classes: tuple[str, ...],
        palette: Palette,
        *,
        train_ids: bool = False,
        label_ids: bool = False,
    ) -> None:
        if label_ids and tuple(classes) != tuple(Cityscapes.CLASSES):
            raise DataError(
                "--label-ids writes the ids of Cityscapes' 19 classes, "
                f"but the model's classes are {', '.join(classes)}"
            )
        self.out, self.palette = check_folder(out, "--out"), palette
        self.train_ids, self.label_ids = train_ids, label_ids

    def image(self, pixels: np.ndarray, pred: np.ndarray, name: Path) -> None:
        """Write the pictures of one image: RGB (H,W,3) and its class map (H,W)."""
        self._write("color", name, colorize(pred, self.palette))
        self._write("overlay", name, overlay(pixels, pred, self.palette))
        if self.train_ids:
            self._write("train_ids", name, pred)
        if self.label_ids:
            self._write("label_ids", name, train_ids_to_label_ids(pred))

    def _write(self, folder: str, name: Path, pixels: np.ndarray) -> None:
        path = self.out / folder / name.with_name(f"{name.name}.png")
        write_picture(path, pixels, root=self.out)


def predict_files(segmentor: Segmentor, files: list[tuple[Path, Path]], writer: Writer) -> int:
    """Predict every file; return the number of images and frames written."""
    count, noted = 0, False
    for path, name in track(files, len(files), "predicting"):
        if not noted and _suffix(path) in IMAGES and (turn := orientation(path)) in TURNED:
            noted = True
            print(
                f"note: {path} has an EXIF tag (orientation {turn}): viewers show it "
                f"{TURNED[turn]}. Predictions, here and for others like it, are of the pixels as "
                "they are stored",
                file=sys.stderr,
            )
        for pixels, frame in _frames(path, name, segmentor.max_value):
            prediction = predict(segmentor, pixels)
            try:
                writer.image(pixels, prediction, frame)
            except WriteError as error:
                raise WriteError(
                    f"{error}. The pictures of the {count} images before it are whole in "
                    f"{writer.out}; the same command makes all of them anew"
                ) from error
            count += 1
    return count


def _frames(path: Path, name: Path, max_value: int | None) -> Iterator[tuple[np.ndarray, Path]]:
    """The image, or every frame of the video, each with the name of its results."""
    if _suffix(path) in IMAGES:
        yield read_rgb(path, max_value), name
        return
    video = cv2.VideoCapture(str(path))
    announced = int(video.get(cv2.CAP_PROP_FRAME_COUNT))  # 0 or less where it is not known
    count = 0
    while True:
        read, frame = video.read()
        if not read:
            break
        yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), name / f"{count:06d}"
        count += 1
    video.release()
    if not count:
        raise DataError(f"{path} is not a readable video")
    if count < announced:
        print(
            f"warning: {path} breaks off: {count} frames could be read of the {announced} that it "
            "says it has",
            file=sys.stderr,
        )
