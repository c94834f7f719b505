"""Predictions on files: what is found, what is written, under which names."""

import os

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from daseg.datasets import Cityscapes
from daseg.engine.predict import Writer, _check, find_inputs, predict_files
from daseg.utils.errors import DataError
from runs import read_pixels

PALETTE = [[10, 0, 0], [0, 20, 0], [0, 0, 30]]


class Largest:
    """A segmentor whose class is the largest of red, green and blue."""

    preprocess = max_value = None

    def predict_classes(self, image, size):
        assert image.shape[-2:] == size
        return image.argmax(1).byte()


def picture(path, colour=(0, 255, 0), size=(6, 8)):
    """Write an RGB picture of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((*size, 3), colour[::-1], np.uint8))
    return path


def test_an_image_becomes_a_class_map_and_an_overlay(tmp_path):
    files = find_inputs(str(picture(tmp_path / "street.view.png")))
    writer = Writer(tmp_path / "out", ("r", "g", "b"), PALETTE, train_ids=True)
    assert predict_files(Largest(), files, writer) == 1
    assert sorted(
        p.relative_to(tmp_path / "out").as_posix() for p in tmp_path.rglob("out/*/*")
    ) == [
        "color/street.view.png",
        "overlay/street.view.png",
        "train_ids/street.view.png",
    ]
    assert (read_pixels(tmp_path / "out/color/street.view.png") == [0, 20, 0]).all()
    overlay = read_pixels(tmp_path / "out/overlay/street.view.png").reshape(-1, 3)[0].tolist()
    assert overlay[0] == overlay[2] == 0
    assert 20 < overlay[1] < 255
    ids = read_pixels(tmp_path / "out/train_ids/street.view.png")
    assert ids.shape == (6, 8)
    assert (ids == 1).all()


def test_a_folder_keeps_its_tree(tmp_path):
    picture(tmp_path / "in/a/x.png")
    picture(tmp_path / "in/b/x.jpg", (255, 0, 0))
    (tmp_path / "in/notes.txt").write_text("not an image")
    (tmp_path / "in/a/._x.png").write_text("not an image, though macOS calls it so")
    files = find_inputs(str(tmp_path / "in"))
    writer = Writer(tmp_path / "out", ("r", "g", "b"), PALETTE)
    assert predict_files(Largest(), files, writer) == 2
    assert (read_pixels(tmp_path / "out/color/a/x.png") == [0, 20, 0]).all()
    assert (read_pixels(tmp_path / "out/color/b/x.png") == [10, 0, 0]).all()


def test_a_glob_takes_the_images_it_matches(tmp_path):
    for name in ("a1.png", "a2.png", "b1.png"):
        picture(tmp_path / name)
    found = find_inputs(str(tmp_path / "a*.png"))
    assert [name.name for _, name in found] == ["a1", "a2"]


def test_a_video_that_breaks_off_is_not_taken_for_a_whole_one(tmp_path, capsys):
    path = tmp_path / "drive.avi"
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 5, (32, 16))
    noise = np.random.default_rng(0)
    for _ in range(20):
        video.write(noise.integers(0, 256, (16, 32, 3), np.uint8))
    video.release()
    writer = Writer(tmp_path / "out", ("r", "g", "b"), PALETTE)
    assert predict_files(Largest(), find_inputs(str(path)), writer) == 20
    assert "breaks off" not in capsys.readouterr().err
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    count = predict_files(Largest(), find_inputs(str(path)), writer)
    assert 0 < count < 20
    message = f"warning: {path} breaks off: {count} frames could be read of the 20 that it says"
    assert message in capsys.readouterr().err


def test_a_video_gives_one_picture_a_frame(tmp_path):
    path = tmp_path / "drive.avi"
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 5, (32, 16))
    assert video.isOpened()
    for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255)):
        video.write(np.full((16, 32, 3), colour[::-1], np.uint8))
    video.release()
    writer = Writer(tmp_path / "out", ("r", "g", "b"), PALETTE)
    assert predict_files(Largest(), find_inputs(str(path)), writer) == 3
    for index in range(3):
        frame = read_pixels(tmp_path / f"out/color/drive/{index:06d}.png")
        assert (frame == PALETTE[index]).all()


def test_label_ids_are_those_of_the_cityscapes_server(tmp_path):
    class Cars(Largest):
        def predict_classes(self, image, size):
            return torch.full((1, *size), Cityscapes.CLASSES.index("car"))

    files = find_inputs(str(picture(tmp_path / "x.png")))
    writer = Writer(tmp_path / "out", Cityscapes.CLASSES, Cityscapes.PALETTE, label_ids=True)
    predict_files(Cars(), files, writer)
    ids = read_pixels(tmp_path / "out/label_ids/x.png")
    assert ids.dtype == np.uint8
    assert (ids == 26).all()  # Cityscapes' label id of a car; its train id is 13
    with pytest.raises(DataError, match=r"--label-ids writes .* the model's classes are r, g, b"):
        Writer(tmp_path, ("r", "g", "b"), PALETTE, label_ids=True)


def test_two_inputs_of_one_name_are_refused(tmp_path):
    picture(tmp_path / "in/x.png")
    picture(tmp_path / "in/x.jpg")
    with pytest.raises(DataError, match="several inputs would be written as x"):
        find_inputs(str(tmp_path / "in"))
    picture(tmp_path / "in/b/y.png")
    picture(tmp_path / "in/c/y.png")
    with pytest.raises(DataError, match="several inputs would be written as y"):
        find_inputs(str(tmp_path / "in/*/y.png"))


def test_nothing_to_predict_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"no image or video there \(known: .avi .bmp"):
        find_inputs(str(tmp_path))
    with pytest.raises(DataError, match=r"gone.png: no image or video there"):
        find_inputs(str(tmp_path / "gone.png"))
    (tmp_path / "x.txt").write_text("")
    with pytest.raises(DataError, match=r"x.txt: not an ending of an image or video"):
        find_inputs(str(tmp_path / "x.txt"))


@pytest.mark.parametrize("name", ["broken.png", "broken.avi"])
def test_unreadable_files_are_named(tmp_path, name):
    (tmp_path / name).write_bytes(b"not what its name says")
    files = find_inputs(str(tmp_path / name))
    writer = Writer(tmp_path / "out", ("r", "g", "b"), PALETTE)
    with pytest.raises(
        DataError, match=rf"{name} (cannot be read: not a picture|is not a readable video)"
    ):
        predict_files(Largest(), files, writer)


def test_the_output_folder_is_no_input(tmp_path, capsys):
    """However it is spelt, and also on the second run."""
    photos = tmp_path / "photos"
    for name in ("a", "b"):
        picture(photos / f"{name}.png")
    os.symlink(photos, tmp_path / "link")
    relative = os.path.relpath(photos / "out")
    for out in (photos / "out", tmp_path / "link/out", photos / "x/../out", relative):
        files = find_inputs(str(photos), out)
        assert [name.name for _, name in files] == ["a", "b"]
        predict_files(Largest(), files, Writer(photos / "out", ("r", "g", "b"), PALETTE))
    for source in ("photos/*.png", "photos/**/*.png"):
        assert len(find_inputs(str(tmp_path / source), photos / "out")) == 2
    assert "files in" in capsys.readouterr().err
    with pytest.raises(DataError, match="no image or video there"):
        find_inputs(str(photos / "out/color/a.png"), photos / "out")


def test_results_beside_the_images_are_no_inputs(tmp_path):
    picture(tmp_path / "a.png")
    picture(tmp_path / "more/b.png")
    for _ in range(2):
        files = find_inputs(str(tmp_path), tmp_path)
        assert [str(name) for _, name in files] == ["a", "more/b"]
        predict_files(Largest(), files, Writer(tmp_path, ("r", "g", "b"), PALETTE))
    assert len(find_inputs(str(tmp_path / "more"), tmp_path)) == 1


def test_each_real_image_is_taken_once(tmp_path, capsys):
    picture(tmp_path / "in/a.png")
    os.symlink("a.png", tmp_path / "in/z.png")
    os.symlink(tmp_path / "in", tmp_path / "in/loop")
    picture(tmp_path / "in/.hidden/c.png")
    picture(tmp_path / "in/d.png/E.PNG")
    assert [str(n) for _, n in find_inputs(str(tmp_path / "in"))] == ["a", "d.png/E"]
    assert "note: " in capsys.readouterr().err
    assert [str(n) for _, n in find_inputs(str(tmp_path / "in/**/*.png"))] == ["a"]


def test_what_is_no_file_is_named_and_not_waited_for(tmp_path):
    picture(tmp_path / "in/a.png")
    os.mkfifo(tmp_path / "in/b.png")
    with pytest.raises(DataError, match=r"b\.png is a pipe, a socket or a device, not a file: ta"):
        find_inputs(str(tmp_path / "in"))
    for source in ("in/*.png", "in/b.png"):
        with pytest.raises(DataError, match=r"b\.png is a pipe, not a file"):
            find_inputs(str(tmp_path / source))
    (tmp_path / "in/b.png").unlink()
    os.symlink("gone.png", tmp_path / "in/b.png")
    with pytest.raises(DataError, match=r"b\.png is a link to gone\.png, which is not there"):
        find_inputs(str(tmp_path / "in"))
    with pytest.raises(DataError, match=r"b\.png cannot be read: No such file"):
        find_inputs(str(tmp_path / "in/b.png"))


def test_names_are_compared_once_each(tmp_path):
    """Not each with all others: 25,000 frames would take minutes."""
    compared = 0

    class Counted(type(tmp_path)):
        def __eq__(self, other):
            nonlocal compared
            compared += 1
            return super().__eq__(other)

        __hash__ = type(tmp_path).__hash__

    found = [(tmp_path / f"{number}.png", Counted(f"{number}")) for number in range(300)]
    for path, _ in found:
        path.touch()
    _check(str(tmp_path), found)
    assert compared < 3000


def test_turned_photographs_are_told_once(tmp_path, capsys):
    tags = Image.Exif()
    tags[0x0112] = 6
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        Image.new("RGB", (8, 4), (0, 255, 0)).save(tmp_path / f"in/{name}.jpg", exif=tags)
    writer = Writer(tmp_path / "out", ("r", "g", "b"), PALETTE, train_ids=True)
    assert predict_files(Largest(), find_inputs(str(tmp_path / "in")), writer) == 2
    assert read_pixels(tmp_path / "out/train_ids/a.png").shape == (4, 8)
    said = capsys.readouterr().err
    assert said.count("EXIF tag (orientation 6)") == 1
    assert "a.jpg has an EXIF tag" in said
