"""Contact sheets and panels: every pixel in its place."""

import numpy as np
import pytest
from PIL import Image

from daseg.visualization import contact_sheet, panel, save_sheet
from daseg.visualization.sheet import GAP, TEXT

PALETTE = [[255, 0, 0], [0, 0, 255]]
WHITE = (255, 255, 255)


def flat(height: int, width: int, colour: tuple[int, int, int]) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


def test_pictures_stand_in_rows_and_columns_at_their_own_size():
    green, blue = flat(10, 30, (0, 255, 0)), flat(20, 40, (0, 0, 255))
    label = np.array([[0, 1], [255, 0]], np.uint8).repeat(8, 0).repeat(10, 1)  # 16 x 20
    sheet = contact_sheet([[green, label], [blue]], palette=PALETTE, width=None)
    assert sheet.shape == (16 + GAP + 20 + GAP, 40 + GAP + 20, 3)
    assert (sheet[:10, :30] == (0, 255, 0)).all()
    assert (sheet[10:16, :30] == 255).all()
    painted = sheet[:16, 40 + GAP :]
    colours = [tuple(painted[y, x]) for y in (0, 8) for x in (0, 10)]
    assert colours == [(255, 0, 0), (0, 0, 255), (0, 0, 0), (255, 0, 0)]
    assert (sheet[16 + GAP : 36 + GAP, :40] == (0, 0, 255)).all()
    assert (sheet[16 + GAP :, 40:] == 255).all()


def test_pictures_are_resized_and_class_maps_are_not_smoothed():
    picture = np.zeros((10, 20, 3), np.uint8)
    picture[:, 10:] = 200
    label = np.zeros((10, 20), np.int64)
    label[:, 10:] = 1
    sheet = contact_sheet([[picture, label]], palette=PALETTE, width=90)
    assert sheet.shape == (45 + GAP, 2 * 90 + GAP, 3)
    painted = sheet[:45, 90 + GAP :].reshape(-1, 3)
    assert {tuple(colour) for colour in painted.tolist()} == {(255, 0, 0), (0, 0, 255)}
    assert len(np.unique(sheet[:45, :90])) > 2  # the picture's edge is smooth


def test_heat_maps_go_from_black_to_yellow():
    sheet = contact_sheet([[np.array([[0.0, 1.0]], np.float32)]], width=None)
    black, yellow = sheet[0].astype(int)
    assert black.max() < 10
    assert yellow[0] > 240
    assert yellow[1] > 240
    assert yellow[2] < 200


def test_texts_and_a_legend_take_their_lines():
    label = np.zeros((5, 300), np.uint8)
    rows = [[label, label], [label, None]]
    options = dict(palette=PALETTE, classes=("road", "sky"), width=None)
    bare = contact_sheet(rows, palette=PALETTE, width=None)
    assert bare.shape == (5 + GAP + TEXT + GAP, 300 + GAP + 300, 3)  # "no label" is a line high
    dark = (bare[5 + GAP : 5 + GAP + TEXT, 300 + GAP :] < 128).all(-1).sum()
    assert dark > 20  # its letters
    full = contact_sheet(
        rows, title="a", headings=("b", "c"), captions=[["d"], ["", "e"]], legend={1}, **options
    )
    assert len(full) == len(bare) + 4 * TEXT + (TEXT + 2)
    assert (full[-TEXT:] == (0, 0, 255)).all(-1).any()
    present = contact_sheet(rows, **options)
    assert not (present[-TEXT:] == (0, 0, 255)).all(-1).any()  # only road occurs
    assert (present[-TEXT:] == (255, 0, 0)).all(-1).any()


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.pdf", "a.svg"])
def test_a_sheet_is_written_in_the_format_of_its_name(tmp_path, name):
    save_sheet(flat(40, 60, (0, 99, 0)), tmp_path / "new" / name)
    data = (tmp_path / "new" / name).read_bytes()
    starts = dict(png=b"\x89PNG", jpg=b"\xff\xd8", pdf=b"%PDF", svg=b"<?xml")
    assert data.startswith(starts[name[2:]])
    if name == "a.png":
        with Image.open(tmp_path / "new" / name) as file:
            assert np.array_equal(np.asarray(file), flat(40, 60, (0, 99, 0)))


def test_panel_shows_image_label_and_prediction(tmp_path):
    image = np.full((40, 60, 3), (0, 255, 0), dtype=np.uint8)
    label = np.zeros((40, 60), dtype=np.int64)
    label[:10] = 255
    pred = np.ones((40, 60), dtype=np.uint8)
    out = tmp_path / "panel.png"
    panel([image], [label], {"model": [pred]}, PALETTE, out, titles=["x"], classes=["road", "sky"])
    row = np.asarray(Image.open(out))[TEXT + 133]  # the middle of 400 x 267
    found = [tuple(row[x].tolist()) for x in (200, 600 + GAP, 1000 + 2 * GAP)]
    assert found == [(0, 255, 0), (255, 0, 0), (0, 0, 255)]


def test_panel_without_label(tmp_path):
    image = np.zeros((4, 6, 3), dtype=np.uint8)
    panel([image] * 2, [None] * 2, {"a": [image[..., 0]] * 2}, PALETTE, tmp_path / "panel.png")
    assert Image.open(tmp_path / "panel.png").size[0] == 3 * 400 + 2 * GAP
