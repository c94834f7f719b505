"""Run a segmentor over images and videos and write what it sees: what ``tools/predict.py`` does."""

import glob
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from daseg.api import predict, read_rgb
from daseg.segmentor import Segmentor
from daseg.utils.colors import Palette, colorize, overlay
from daseg.utils.errors import DataError
from daseg.utils.labels import CITYSCAPES_CLASSES, train_ids_to_label_ids
from daseg.utils.pictures import write_picture
from daseg.utils.progress import track

IMAGES = frozenset(".png .jpg .jpeg .bmp .webp .tif .tiff .ppm".split())
VIDEOS = frozenset(".mp4 .avi .mov .mkv .webm .m4v".split())


def find_inputs(source: str) -> list[tuple[Path, Path]]:
    """The files that an input means, each with the path of its results below the output folder.

    Args:
        source: An image, a video, a folder (searched to the bottom, without hidden files) or a
            quoted glob.

    Raises:
        DataError: There is no image or video.
    """
    path = Path(source)
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.suffix.lower() in IMAGES | VIDEOS)
        # As data sets do: macOS's "._street.png", or what a writer that was killed has left.
        files = [p for p in files if not p.name.startswith(".")]
        found = [(p, p.relative_to(path).with_suffix("")) for p in files]
    elif path.is_file():
        found = [(path, Path(path.stem))]
    else:
        files = sorted(Path(p) for p in glob.glob(source, recursive=True))
        files = [p for p in files if p.suffix.lower() in IMAGES | VIDEOS]
        found = [(p, Path(p.stem)) for p in files]
    if not found:
        raise DataError(f"{source}: no image or video there (known: {_endings()})")
    for file, _ in found:
        if file.suffix.lower() not in IMAGES | VIDEOS:
            raise DataError(f"{file}: not an ending of an image or video ({_endings()})")
    names = [name for _, name in found]
    twice = sorted({str(name) for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{source}: several inputs would be written as {', '.join(twice[:3])}")
    return found


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
        out: Path,
        classes: tuple[str, ...],
        palette: Palette,
        *,
        train_ids: bool = False,
        label_ids: bool = False,
    ) -> None:
        if label_ids and tuple(classes) != tuple(CITYSCAPES_CLASSES):
            raise DataError(
                "--label-ids writes the ids of Cityscapes' 19 classes, "
                f"but the model's classes are {', '.join(classes)}"
            )
        self.out, self.palette = out, palette
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
    count = 0
    for path, name in track(files, len(files), "predicting"):
        for pixels, frame in _frames(path, name):
            writer.image(pixels, predict(segmentor, pixels), frame)
            count += 1
    return count


def _frames(path: Path, name: Path) -> Iterator[tuple[np.ndarray, Path]]:
    """The image, or every frame of the video, each with the name of its results."""
    if path.suffix.lower() in IMAGES:
        yield read_rgb(path), name
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
