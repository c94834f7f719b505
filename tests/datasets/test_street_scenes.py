"""Readers of published street scenes: a tiny folder of each layout, read as train ids."""

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
from PIL import Image

from daseg.datasets import (
    ACDC,
    BDD100K,
    IDD,
    KITTISTEP,
    Cityscapes,
    DarkZurich,
    DomainPair,
    MapillaryVistas,
    Synscapes,
    UrbanSyn,
)
from daseg.datasets.check import check_dataset
from daseg.datasets.class_statistics import class_counts
from daseg.datasets.target_labels import label_files
from daseg.utils.errors import ConfigError, DataError

C = {name: number for number, name in enumerate(Cityscapes.CLASSES)}
VOID = 255


class Known(NamedTuple):
    """A data set, a file of each kind, and what label ids of its own are in train ids."""

    make: object
    image: str
    label: str
    name: str
    ids: dict[int, int]
    unknown: int = 77


KNOWN = {
    "acdc": Known(
        lambda root, **o: ACDC(root, "val", conditions=["night"], **o),
        "rgb_anon/night/val/GOPR0356/GOPR0356_frame_000321_rgb_anon.png",
        "gt/night/val/GOPR0356/GOPR0356_frame_000321_gt_labelTrainIds.png",
        "night/val/GOPR0356/GOPR0356_frame_000321",
        {0: C["road"], 18: C["bicycle"], 255: VOID},
    ),
    "dark zurich": Known(
        lambda root, **o: DarkZurich(root, "val", **o),
        "rgb_anon/val/night/GOPR0356/GOPR0356_frame_000321_rgb_anon.png",
        "gt/val/night/GOPR0356/GOPR0356_frame_000321_gt_labelTrainIds.png",
        "GOPR0356/GOPR0356_frame_000321",
        {10: C["sky"], 255: VOID},
    ),
    "bdd100k": Known(
        lambda root, **o: BDD100K(root, "val", **o),
        "images/10k/val/7d2f7975-e0c1c5a7.jpg",
        "labels/sem_seg/masks/val/7d2f7975-e0c1c5a7.png",
        "7d2f7975-e0c1c5a7",
        {13: C["car"], 255: VOID},
    ),
    "mapillary 2.0": Known(
        lambda root, **o: MapillaryVistas(root, "validation", **o),
        "validation/images/_1Gn_xkw7sa_i9GU4mkxxQ.jpg",
        "validation/v2.0/labels/_1Gn_xkw7sa_i9GU4mkxxQ.png",
        "_1Gn_xkw7sa_i9GU4mkxxQ",
        {21: C["road"], 35: C["road"], 45: VOID, 24: C["sidewalk"], 90: C["traffic light"],
         101: C["traffic sign"], 97: VOID, 31: C["person"], 33: C["rider"], 111: C["train"],
         88: C["pole"], 28: C["building"], 109: VOID, 123: VOID},
        124,
    ),
    "mapillary 1.2": Known(
        lambda root, **o: MapillaryVistas(root, version="1.2", **o),
        "training/images/a.jpg",
        "training/v1.2/labels/a.png",
        "a",
        {13: C["road"], 24: C["road"], 23: VOID, 2: C["sidewalk"], 17: C["building"],
         47: C["pole"], 49: VOID, 50: C["traffic sign"], 22: C["rider"], 61: C["truck"],
         58: C["train"], 57: C["motorcycle"], 52: C["bicycle"], 65: VOID},
        66,
    ),
    "mapillary 1.2 alone": Known(
        lambda root, **o: MapillaryVistas(root, version="1.2", **o),
        "training/images/a.jpg",
        "training/labels/a.png",
        "a",
        {55: C["car"], 54: C["bus"]},
    ),
    "idd": Known(
        lambda root, **o: IDD(root, **o),
        "leftImg8bit/train/135/330189_leftImg8bit.jpg",
        "gtFine/train/135/330189_gtFine_labelcsTrainIds.png",
        "135/330189",
        {9: C["terrain"], 255: VOID},
    ),
    "idd's own ids": Known(
        lambda root, **o: IDD(root, ids="id", **o),
        "leftImg8bit/train/0/005506_leftImg8bit.png",
        "gtFine/train/0/005506_gtFine_labelids.png",
        "0/005506",
        {3: C["sidewalk"], 5: C["terrain"], 6: C["person"], 9: C["motorcycle"], 11: VOID,
         14: C["bus"], 17: C["train"], 21: C["fence"], 22: VOID, 25: C["traffic light"],
         29: C["building"], 33: C["sky"], 39: VOID},
    ),
    "synscapes": Known(
        lambda root, **o: Synscapes(root, **o),
        "img/rgb/1.png",
        "img/class/1.png",
        "1",
        {7: C["road"], 33: C["bicycle"], 0: VOID},
    ),
    "urbansyn": Known(
        lambda root, **o: UrbanSyn(root, **o),
        "rgb/rgb_0001.png",
        "ss/ss_0001.png",
        "rgb_0001",
        {16: C["train"], 19: VOID, 255: VOID},
    ),
    "kitti-step": Known(
        lambda root, **o: KITTISTEP(root, "val", **o),
        "images/val/0002/000000.png",
        "panoptic_maps/val/0002/000000.png",
        "0002/000000",
        {12: C["rider"], 255: VOID},
    ),
}  # fmt: skip
each = pytest.mark.parametrize("known", KNOWN.values(), ids=KNOWN)


def draw(root: Path, known: Known, ids: list[int]) -> None:
    """An image of one row, and its label, a palette picture or the red of a colour picture."""
    for name in (known.image, known.label):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(root / known.image), np.zeros((1, len(ids), 3), np.uint8))
    label = np.array([ids], np.uint8)
    if "panoptic" in known.label:
        label = np.stack([label, label * 0 + 3, label * 0 + 5], 2)
        Image.fromarray(label).save(root / known.label)
    else:
        picture = Image.fromarray(label, mode="P")
        picture.putpalette([9, 9, 9] * 256)
        picture.save(root / known.label)


@each
def test_files_are_found_and_ids_become_train_ids(known, tmp_path):
    draw(tmp_path, known, list(known.ids))
    data = known.make(tmp_path)
    assert data.names == [known.name]
    assert data[0]["label"].tolist() == [list(known.ids.values())]
    assert data.metainfo["classes"] == Cityscapes.CLASSES
    assert class_counts(data)[0].sum() == len(known.ids)
    assert label_files(data) == {str((tmp_path / known.label).resolve())}
    assert known.make(tmp_path, labels=False).names == [known.name]
    pair = DomainPair(known.make(tmp_path), known.make(tmp_path, labels=False))
    assert "label" not in pair[0]["target"]


@each
def test_check_data_names_what_is_wrong(known, tmp_path):
    draw(tmp_path, known, [*known.ids, known.unknown])
    (problem,) = check_dataset(known.make(tmp_path), workers=1).problems
    assert known.label in problem
    assert f"holds ids that this data set does not know: {known.unknown} (1 pixels)" in problem
    (tmp_path / known.label).unlink()
    with pytest.raises(DataError, match="no file ending in"):
        known.make(tmp_path)


def test_acdc_takes_the_conditions_that_it_is_told(tmp_path):
    for condition in ("fog", "night", "rain"):
        for split in ("train", "val"):
            place = f"{condition}/{split}/GOPR0001/frame"
            draw(tmp_path, KNOWN["acdc"]._replace(
                image=f"rgb_anon/{place}_rgb_anon.png",
                label=f"gt/{place}_gt_labelTrainIds.png"), [1])  # fmt: skip
    both = ACDC(tmp_path, conditions=("rain", "fog"))
    assert both.names == ["fog/train/GOPR0001/frame", "rain/train/GOPR0001/frame"]
    assert both.without_image == []
    with pytest.raises(DataError, match=r"the folder .*rgb_anon/snow/train does not exist"):
        ACDC(tmp_path)
    with pytest.raises(ConfigError, match="some of fog, night, rain, snow, not 'night'"):
        ACDC(tmp_path, conditions="night")
    both.write_list(tmp_path / "list.txt")
    assert ACDC(tmp_path, conditions=["fog", "rain"], list_file="list.txt").names == both.names


def test_settings_that_there_are_not_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"version is '1.2' or '2.0', not '3'"):
        MapillaryVistas(tmp_path, version="3")
    with pytest.raises(ConfigError, match="ids is 'csTrainId' or 'id', not 'level3Id'"):
        IDD(tmp_path, ids="level3Id")
