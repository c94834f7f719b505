"""What a data set of one's own may say of its classes."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from daseg.datasets import CamVid, FolderDataset, MixedDataset
from daseg.registry import DATASETS
from daseg.utils.errors import ConfigError
from perfect import draw_streets


@pytest.mark.parametrize(
    ("classes", "options", "message"),
    [
        (["a", "b"], dict(palette=[[1, 2, 3], [300, 0, 0]]), r"colour of 'b' is \[300, 0, 0\]"),
        (["a", "b"], dict(palette=[[1, 2, -3], [0, 0, 0]]), r"colour of 'a' is \[1, 2, -3\]"),
        (["a", "b"], dict(palette=[[1, 2, 3], [4, 5, 6, 7]]), r"'b' is \[4, 5, 6, 7\], not three"),
        (["car", "sky", "car"], {}, "several classes have the name car"),
    ],
)
def test_classes_that_no_checkpoint_could_name_are_refused(
    tmp_path: Path, classes: list[str], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        FolderDataset(draw_streets(tmp_path / "data"), classes, **options)


def test_a_mask_of_0_and_255_is_read_as_the_message_advises(tmp_path: Path) -> None:
    root = draw_streets(tmp_path / "data", count=1)
    with pytest.raises(ConfigError, match=r"\[255\] are both mapped .* with ignored_ids=\[\]"):
        FolderDataset(root, ["dry", "water"], id_map={0: 0, 255: 1})
    FolderDataset(root, ["dry", "water"], id_map={0: 0, 255: 1}, ignored_ids=[])


def test_another_data_sets_classes_are_joined(tmp_path, make_camvid):
    """The example of docs/data.md: twelve ids become CamVid's eleven classes."""
    id_map = {0: 3, 1: 3, 2: 4, 3: 1, 4: 5, 5: 5, 6: 0, 7: 2, 8: 8, 9: 9}
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    cv2.imwrite(str(tmp_path / "images/a.jpg"), np.zeros((1, 12, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "labels/a.png"), np.arange(12, dtype=np.uint8)[None])
    survey = FolderDataset(
        tmp_path, CamVid.CLASSES, id_map=id_map, ignored_ids=[10, 11], image_suffix=".jpg"
    )
    assert survey[0]["label"].tolist() == [[3, 3, 4, 1, 5, 5, 0, 2, 8, 9, 255, 255]]
    mixed = MixedDataset([CamVid(make_camvid(2)), survey])
    assert mixed.metainfo["classes"] == CamVid.CLASSES


def test_a_table_of_names_and_label_ids_is_a_class_map(tmp_path: Path) -> None:
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    cv2.imwrite(str(tmp_path / "images/a.png"), np.zeros((1, 5, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "labels/a.png"), np.array([[7, 8, 23, 0, 255]], np.uint8))
    classes = dict(road=[7, 8], train=[], sky=23)
    dataset = FolderDataset(tmp_path, classes, ignored_ids=[0, 255])
    assert dataset.metainfo["classes"] == ("road", "train", "sky")
    assert dataset[0]["label"].tolist() == [[0, 0, 2, 255, 255]]
    assert DATASETS.build(dict(type="FolderDataset", root=tmp_path, classes=classes)).reader


@pytest.mark.parametrize(
    ("classes", "options", "message"),
    [
        (dict(road=[7], sky=[23, 7]), {}, "label id 7 is both 'road' and 'sky'"),
        (dict(road=[7], sky=[7, 7]), {}, "label id 7 is both 'road' and 'sky'"),
        (dict(road="7"), {}, "'road' needs a list of label ids, not '7'"),
        (dict(road=[7.0]), {}, r"'road' needs a list of label ids, not \[7.0\]"),
        (dict(road=None), {}, "'road' needs a list of label ids, not None"),
        (dict(road=[7]), dict(id_map={7: 0}), "leave out id_map"),
        (dict(road=[7], sky=[255]), {}, r"\[255\] are both mapped .* and ignored"),
    ],
)
def test_a_wrong_class_map_is_refused(tmp_path, classes, options, message) -> None:
    with pytest.raises(ConfigError, match=message):
        FolderDataset(draw_streets(tmp_path / "data"), classes, **options)
