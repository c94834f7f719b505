"""Predictions that cannot be written: told, never left out."""

import errno
import os

import cv2
import numpy as np
import pytest

from daseg.engine.predict import Writer, find_inputs, predict_files
from daseg.utils import pictures
from daseg.utils.errors import DataError, WriteError
from daseg.utils.pictures import write_picture

PALETTE = [[10, 0, 0], [0, 20, 0], [0, 0, 30]]
CLASSES = ("r", "g", "b")


class Largest:
    """A segmentor whose class is the largest of red, green and blue."""

    preprocess = max_value = None

    def predict_classes(self, image, size):
        return image.argmax(1).byte()


@pytest.fixture
def files(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.png", "c.png"):
        cv2.imwrite(str(tmp_path / "in" / name), np.full((6, 8, 3), 9, np.uint8))
    return find_inputs(str(tmp_path / "in"))


def test_a_full_disk_is_told_with_what_is_whole(files, tmp_path, monkeypatch):
    out, real = tmp_path / "out", os.replace

    def full(source, target):
        if str(target).endswith("overlay/b.png"):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "replace", full)
    message = r"overlay/b\.png cannot be written: No space .* of the 1 images before it are whole"
    with pytest.raises(WriteError, match=message):
        predict_files(Largest(), files, Writer(out, CLASSES, PALETTE))
    written = sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file())
    assert written == ["color/a.png", "color/b.png", "overlay/a.png"]


def test_what_cannot_be_encoded_is_told(tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"a\.xyz: the picture cannot be encoded"):
        write_picture(tmp_path / "a.xyz", np.zeros((2, 3), np.uint8))
    monkeypatch.setattr(pictures.cv2, "imencode", lambda *_: (False, None))
    with pytest.raises(DataError, match=r"a\.png: the picture cannot be encoded"):
        write_picture(tmp_path / "a.png", np.zeros((2, 3), np.uint8))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("folder", ["color", "overlay", "train_ids"])
def test_a_linked_folder_of_results_is_not_written_through(folder, files, tmp_path):
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    out.mkdir()
    elsewhere.mkdir()
    (out / folder).symlink_to(elsewhere)
    with pytest.raises(WriteError, match=rf"{out}/{folder} is a link, and nothing is written thr"):
        predict_files(Largest(), files, Writer(out, CLASSES, PALETTE, train_ids=True))
    assert os.listdir(elsewhere) == []
    # A picture that is a link is replaced, and what it leads to stays.
    (out / folder).unlink()
    (out / folder).mkdir()
    (elsewhere / "theirs.png").write_text("theirs")
    (out / folder / "a.png").symlink_to(elsewhere / "theirs.png")
    assert predict_files(Largest(), files, Writer(out, CLASSES, PALETTE, train_ids=True)) == 3
    assert (elsewhere / "theirs.png").read_text() == "theirs"
    assert not (out / folder / "a.png").is_symlink()


def test_colours_are_written_as_they_are(files, tmp_path):
    picture = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    write_picture(tmp_path / "a.png", picture)
    assert np.array_equal(cv2.imread(str(tmp_path / "a.png"))[..., ::-1], picture)
