"""Pictures of what a pipeline yields."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from daseg.datasets import CamVid
from daseg.registry import DATASETS
from daseg.utils.errors import ConfigError
from daseg.visualization.browse import browse, browse_config
from daseg.visualization.sheet import GAP, TEXT

STEP = 320 + GAP  # from a picture to the one beside it


def config(root: Path, **options: object) -> dict:
    dataset = dict(type="CamVid", root=str(root), **options)
    return dict(val_dataloader=dict(dataset=dataset), test_dataloader=None)


def pair_config(source: Path, target: Path) -> dict:
    parts = [dict(type="CamVid", root=str(root)) for root in (source, target)]
    pair = dict(type="DomainPair", source=parts[0], target=parts[1])
    return dict(train_dataloader=dict(dataset=pair))


def test_images_and_painted_labels_of_two_samples_stand_in_a_row(make_camvid) -> None:
    root = make_camvid(1, size=(20, 40))
    cv2.imwrite(str(root / "labels/seq0/frame_000.png"), np.full((20, 40), 3, np.uint8))
    image = np.zeros((20, 40, 3), np.uint8)
    image[..., 2] = 250  # red
    cv2.imwrite(str(root / "images/seq0/frame_000.jpg"), image)
    sheet = browse(CamVid(root), num=3)
    # Two rows of pictures of 320 x 160: two samples, then the third; then the legend.
    assert sheet.shape[1] == 3 * STEP + 320
    red, painted = sheet[80, 160].astype(int), sheet[80, STEP + 160].astype(int)
    assert np.abs(red - [250, 0, 0]).max() < 6
    expected = 0.3 * red + 0.7 * np.array(CamVid.PALETTE[3])
    assert np.abs(painted - expected).max() <= 1
    second = 160 + TEXT + GAP
    assert (sheet[second + 80, 160] == red).all()
    assert (sheet[second + 80, 2 * STEP :] == 255).all()
    assert (sheet[2 * second :] == CamVid.PALETTE[9]).all(axis=-1).sum() > 50


def test_samples_without_labels_take_one_picture(make_camvid, tmp_path: Path) -> None:
    cfg = config(make_camvid(2, size=(20, 40)), labels=False)
    browse_config(cfg, "val", 2, 0, tmp_path / "sheet.png")
    assert cv2.imread(str(tmp_path / "sheet.png")).shape[1] == STEP + 320


def test_what_cannot_be_drawn_is_refused(make_camvid) -> None:
    cfg = config(make_camvid(1))
    with pytest.raises(ConfigError, match="no test_dataloader"):
        browse_config(cfg, "test", 2, 0, "a.png")
    with pytest.raises(ConfigError, match="--num 0: at least one"):
        browse_config(cfg, "val", 0, 0, "a.png")
    with pytest.raises(ConfigError, match=r"--out a\.txt: a picture's name ends in \.png, \.jpg"):
        browse_config(cfg, "val", 2, 0, "a.txt")


def test_a_row_has_a_sample_of_each_domain(make_camvid, tmp_path: Path) -> None:
    source, target = make_camvid(2, (20, 40)), make_camvid(1, (20, 20), name="target")
    shutil.rmtree(target / "labels")
    for path in (target / "images").rglob("*.jpg"):
        cv2.imwrite(str(path), np.full((20, 20, 3), (0, 200, 0), np.uint8))
    dataset = DATASETS.build(pair_config(source, target)["train_dataloader"]["dataset"])
    sheet = browse(dataset, num=2)
    # Beside the source's image and label the target's image, as wide as high.
    assert sheet.shape[1] == 2 * STEP + 320
    for row in range(2):
        y = row * (320 + TEXT + GAP)
        green = sheet[y : y + 320, 2 * STEP :]
        assert np.abs(green.astype(int) - [0, 200, 0]).max() < 6
        assert not (sheet[y : y + 160, : 2 * STEP - GAP] == 255).all(axis=-1).all()
    browse_config(pair_config(source, target), "train", 2, 0, tmp_path / "pair.png")
    assert np.array_equal(cv2.imread(str(tmp_path / "pair.png"))[..., ::-1].shape, sheet.shape)


def test_the_margins_of_a_target_are_hatched(make_camvid) -> None:
    source, target = make_camvid(1, (20, 40)), make_camvid(1, (20, 20), name="target")
    for path in (target / "images").rglob("*.jpg"):
        cv2.imwrite(str(path), np.full((20, 20, 3), (0, 200, 0), np.uint8))
    cfg = pair_config(source, target)["train_dataloader"]["dataset"]
    plain = browse(DATASETS.build(cfg), num=1)
    margins = dict(type="IgnoreMargins", top=5, left=2)
    steps = [dict(type="LoadImageFromFile"), margins, dict(type="PackSample")]
    cfg["target"].update(pipeline=steps, labels=False)
    sheet = browse(DATASETS.build(cfg), num=1)

    title, below = sheet[:TEXT], sheet[TEXT:]
    assert (title < 128).all(axis=-1).sum() > 100, "its letters"
    assert np.array_equal(below[:160, : 2 * STEP], plain[:160, : 2 * STEP]), "the source has none"

    picture = below[:320, 2 * STEP :].astype(int)  # 16 times as large as the image
    green = plain[100, -1].astype(int)
    assert np.array_equal(picture[80:, 32:], np.broadcast_to(green, (240, 288, 3)))
    hatched = np.concatenate([picture[:80].reshape(-1, 3), picture[80:, :32].reshape(-1, 3)])
    colours, counts = np.unique(hatched, axis=0, return_counts=True)
    assert colours.tolist() == [(green // 2).tolist(), (green // 2 + 128).tolist()]
    assert 0.4 < counts[0] / counts.sum() < 0.6
    assert np.array_equal(picture[0, 12:24], picture[12, :12]), "along the diagonal"
    assert not np.array_equal(picture[0, 12:24], picture[6, 12:24])
