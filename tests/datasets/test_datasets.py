"""Finding files, choosing subsets, reading samples."""

import random
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from daseg.datasets import (
    GTA5,
    SYNTHIA,
    CamVid,
    Cityscapes,
    EndlessSampler,
    FolderDataset,
    MixedDataset,
    SampleIndex,
    collate,
)
from daseg.registry import DATASETS
from daseg.utils.errors import ConfigError, DataError

AUGMENT = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadLabel"),
    dict(type="RandomResize", scale=(12, 8), ratio_range=(1.0, 2.0), resize_type="ResizePIL"),
    dict(type="RandomCrop", crop_size=(6, 6)),
    dict(type="RandomFlip", prob=0.5),
    dict(type="RandomApply", prob=0.5, transforms=[dict(type="PhotoMetricDistortion")]),
    dict(type="PackSample"),
]


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), array)


def test_a_sample_is_rgb_train_ids_and_where_they_are_from(tmp_path: Path) -> None:
    image = np.zeros((4, 6, 3), np.uint8)
    image[..., 0], image[1, 2, 2] = 200, 50  # BGR: blue everywhere, red in one pixel
    name = "aachen/aachen_000000_000019"
    save(tmp_path / f"leftImg8bit/val/{name}_leftImg8bit.png", image)
    label = np.array([[7, 8, 11, 12, 13, 17]] * 3 + [[33, 0, 1, 29, 255, 24]], np.uint8)
    save(tmp_path / f"gtFine/val/{name}_gtFine_labelIds.png", label)
    save(tmp_path / f"gtFine/val/{name}_gtFine_instanceIds.png", label)  # lies there too
    dataset = Cityscapes(tmp_path, split="val")
    sample = dataset[0]
    assert dataset.names == [name]
    assert sample["image"].dtype == torch.uint8
    assert sample["image"].shape == (3, 4, 6)
    assert sample["image"][:, 1, 2].tolist() == [50, 0, 200]
    assert sample["label"].dtype == torch.int64
    expected = [[0, 1, 2, 3, 4, 5]] * 3 + [[18, 255, 255, 255, 255, 11]]
    assert sample["label"].tolist() == expected
    assert sample["meta"] == dict(
        image_path=str(tmp_path / f"leftImg8bit/val/{name}_leftImg8bit.png"),
        label_path=str(tmp_path / f"gtFine/val/{name}_gtFine_labelIds.png"),
        name=name,
        ori_shape=(4, 6),
        label_shape=(4, 6),
    )
    assert dataset.metainfo["classes"][13] == "car"
    assert dataset.metainfo["palette"][13] == [0, 0, 142]


def test_gta5_palette_labels(tmp_path: Path) -> None:
    save(tmp_path / "images/00001.png", np.zeros((1, 4, 3), np.uint8))
    (tmp_path / "labels").mkdir()
    picture = Image.fromarray(np.array([[7, 26, 34, 0]], np.uint8), mode="P")
    picture.putpalette([128, 64, 128] * 256)  # one colour for all: only the indices differ
    picture.save(tmp_path / "labels/00001.png")
    dataset = GTA5(tmp_path)
    assert dataset[0]["label"].tolist() == [[0, 13, 255, 255]]


def test_synthia_16_bit_labels(tmp_path: Path) -> None:
    save(tmp_path / "RGB/0000000.png", np.zeros((1, 23, 3), np.uint8))
    label = np.zeros((1, 23, 3), np.uint16)
    label[..., 2] = range(23)  # OpenCV's third channel is red
    label[..., 1] = 1000
    save(tmp_path / "GT/LABELS/0000000.png", label)
    dataset = SYNTHIA(tmp_path)
    void, sky, building, road, sidewalk, fence, vegetation, pole = 255, 10, 2, 0, 1, 4, 8, 5
    expected = [void, sky, building, road, sidewalk, fence, vegetation, pole]
    expected += [13, 7, 11, 18, 17, 255, 255, 6, 9, 12, 14, 15, 16, 3, 255]  # car .. lane marking
    assert dataset[0]["label"].tolist() == [expected]


def test_folder_with_own_classes(tmp_path: Path) -> None:
    save(tmp_path / "photos/a/x.jpg", np.zeros((1, 3, 3), np.uint8))
    save(tmp_path / "masks/a/x_mask.png", np.array([[0, 255, 9]], np.uint8))
    dataset = FolderDataset(
        tmp_path,
        classes=["dry", "water"],
        id_map={0: 0, 255: 1},
        ignored_ids=[9],
        image_dir="photos",
        label_dir="masks",
        label_suffix="_mask.png",
    )
    assert dataset.names == ["a/x"]
    assert dataset[0]["label"].tolist() == [[0, 1, 255]]
    assert dataset.metainfo["palette"] == [[128, 0, 0], [0, 128, 0]]


def test_folder_refuses_tables_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="2 classes, but 1 colours"):
        FolderDataset(tmp_path, classes=["a", "b"], palette=[[1, 2, 3]])
    with pytest.raises(ConfigError, match=r"id_map \{7: 2\} points outside the 2 classes"):
        FolderDataset(tmp_path, classes=["a", "b"], id_map={7: 2})
    with pytest.raises(ConfigError, match="a list of names"):
        FolderDataset(tmp_path, classes="road")


def test_without_labels_no_label_is_looked_for(make_camvid) -> None:
    root = make_camvid(3)
    for path in (root / "labels").rglob("*.png"):
        path.unlink()
    dataset = CamVid(root, labels=False, pipeline=AUGMENT)
    sample = dataset[1]
    assert len(dataset) == 3
    assert sample.keys() == {"image", "meta"}
    assert sample["meta"]["label_path"] is None
    assert sample["meta"]["label_shape"] is None
    assert collate([sample, dataset[0]]).keys() == {"image", "meta"}


def test_labels_from_another_root_as_train_ids(make_camvid, tmp_path: Path) -> None:
    root = make_camvid(2)
    for i in range(2):
        save(
            tmp_path / f"pseudo/labels/seq{i}/frame_{i:03d}.png",
            np.full((8, 12), 4 + i * 251, np.uint8),
        )
    dataset = CamVid(root, label_root=tmp_path / "pseudo", label_encoding="train_ids")
    assert [dataset[i]["label"].unique().tolist() for i in range(2)] == [[4], [255]]
    save(tmp_path / "pseudo/labels/seq0/frame_000.png", np.full((8, 12), 11, np.uint8))
    with pytest.raises(DataError, match=r"ids that .* 11 \(96 pixels\); known are 0\.\.10, 255"):
        dataset[0]
    with pytest.raises(ConfigError, match="not 'colours'"):
        CamVid(root, label_encoding="colours")


@pytest.mark.parametrize("damage", [b"", b"text", None])
def test_unreadable_image_is_named_when_read(make_camvid, damage) -> None:
    root = make_camvid(2, size=(64, 64))
    path = root / "images/seq1/frame_001.jpg"
    path.write_bytes(path.read_bytes()[:900] if damage is None else damage)
    dataset = CamVid(root)
    dataset[0]
    with pytest.raises(DataError, match=r"image .*seq1/frame_001\.jpg cannot be read: \w+"):
        dataset[1]


def test_unknown_id_is_named_when_read(make_camvid) -> None:
    root = make_camvid(2)
    save(root / "labels/seq0/frame_000.png", np.full((8, 12), 12, np.uint8))
    with pytest.raises(DataError, match=r"seq0/frame_000\.png holds ids .*12 \(96 pixels\)"):
        CamVid(root)[0]


def test_size_mismatch_is_an_error_unless_resizing_is_asked_for(make_camvid) -> None:
    root = make_camvid(1)
    save(root / "labels/seq0/frame_000.png", np.repeat([[0, 5]], 4, axis=0).astype(np.uint8))
    with pytest.raises(
        DataError, match=r"frame_000\.jpg is 12x8 .*frame_000\.png is 2x4; .*'resize'"
    ):
        CamVid(root)[0]
    pipeline = [
        dict(type="LoadImageFromFile"),
        dict(type="LoadLabel", on_size_mismatch="resize"),
        dict(type="PackSample"),
    ]
    label = CamVid(root, pipeline=pipeline)[0]["label"]
    assert label.tolist() == [[0] * 6 + [5] * 6] * 8


def test_a_failing_transform_names_itself_and_the_file(make_camvid) -> None:
    class Fails:
        def __call__(self, results: dict) -> dict:
            raise ValueError("what it says")

    dataset = CamVid(make_camvid(1), pipeline=[Fails()])
    with pytest.raises(RuntimeError, match=r"Fails failed on .*_000\.jpg: ValueError: what it"):
        dataset[0]


def test_index_from_the_end_and_beyond(make_camvid) -> None:
    dataset = CamVid(make_camvid(3))
    assert dataset[-1]["meta"]["name"] == dataset[2]["meta"]["name"]
    with pytest.raises(IndexError, match="sample 3 of 3"):
        dataset[3]


def same(a: dict, b: dict) -> bool:
    return torch.equal(a["image"], b["image"]) and torch.equal(a["label"], b["label"])


def test_augmentation_follows_from_seed_and_position_alone(make_camvid) -> None:
    root = make_camvid(2, size=(32, 48))
    dataset = CamVid(root, pipeline=AUGMENT, seed=5)
    first = dataset[SampleIndex(0, 17)]
    np.random.rand(3), random.random(), torch.rand(2)
    assert same(dataset[SampleIndex(0, 17)], first)
    assert same(CamVid(root, pipeline=AUGMENT, seed=5)[SampleIndex(0, 17)], first)
    assert not all(same(dataset[SampleIndex(0, p)], first) for p in range(4))
    assert not all(
        same(CamVid(root, pipeline=AUGMENT, seed=s)[SampleIndex(0, 17)], first) for s in range(4)
    )


def test_global_random_numbers_are_left_alone(make_camvid) -> None:
    draws = []

    class Draws:
        def __call__(self, results: dict) -> dict:
            draws.append((random.random(), np.random.rand(), torch.rand(1).item()))
            return results

    dataset = CamVid(make_camvid(1), pipeline=[Draws()])

    def numbers(read: bool) -> tuple:
        random.seed(1), np.random.seed(1), torch.manual_seed(1)
        if read:
            dataset[0]
        return random.random(), np.random.rand(), torch.rand(1).item()

    assert numbers(read=True) == numbers(read=False)
    assert draws[0] != numbers(read=False)


def test_batches_do_not_depend_on_the_number_of_workers(make_camvid) -> None:
    root = make_camvid(5, size=(16, 24))

    def batches(workers: int) -> list[dict]:
        dataset = CamVid(root, pipeline=AUGMENT)
        sampler = EndlessSampler(dataset, seed=3, rank=0, world_size=1)
        loader = DataLoader(
            dataset, batch_size=2, sampler=sampler, num_workers=workers, collate_fn=collate
        )
        stream = iter(loader)
        return [next(stream) for _ in range(4)]

    for alone, together in zip(batches(0), batches(2), strict=True):
        assert same(alone, together)
        assert alone["meta"] == together["meta"]


def test_sampler_hands_its_seed_to_a_data_set_without_one(make_camvid) -> None:
    root = make_camvid(2)
    free, own = CamVid(root), CamVid(root, seed=8)
    EndlessSampler(MixedDataset([free, own]), seed=4, rank=0, world_size=1)
    assert (free.seed, own.seed) == (4, 8)


def test_mixed_data_set_lists_all(make_camvid, tmp_path: Path) -> None:
    one, two = make_camvid(2), make_camvid(3, name="other", first=50)
    cfg = dict(
        type="MixedDataset",
        datasets=[dict(type="CamVid", root=str(one)), dict(type="CamVid", root=str(two))],
    )
    mixed = DATASETS.build(cfg)
    assert (len(mixed), mixed.sizes, mixed.weights) == (5, [2, 3], [2.0, 3.0])
    paths = [mixed[i]["meta"]["image_path"] for i in range(5)]
    assert paths == [str(s.image) for s in mixed.samples]
    assert [Path(p).is_relative_to(one) for p in paths] == [True, True, False, False, False]
    assert same(mixed[-1], mixed[4])
    mixed.write_list(tmp_path / "list.txt")
    lines = (tmp_path / "list.txt").read_text().splitlines()
    assert lines[0] == f"# CamVid at {one}: 2 of 2 images"
    assert lines[3] == f"# CamVid at {two}: 3 of 3 images"
    assert [line for line in lines if not line.startswith("#")] == mixed.names


def test_mixed_samples_are_augmented_by_their_place_in_the_stream(make_camvid) -> None:
    root = make_camvid(2, size=(32, 48))
    part = CamVid(root, pipeline=AUGMENT, seed=1)
    mixed = MixedDataset([part, part])
    assert same(mixed[SampleIndex(3, 40)], part[SampleIndex(1, 40)])
    assert not all(same(mixed[SampleIndex(3, p)], mixed[SampleIndex(3, 40)]) for p in range(4))


def test_mixed_data_set_refuses_what_does_not_fit(make_camvid) -> None:
    root = make_camvid(2)
    other = FolderDataset(root, classes=["a"], image_suffix=".jpg")
    with pytest.raises(ConfigError, match=r"the classes differ: CamVid.*FolderDataset"):
        MixedDataset([CamVid(root), other])
    with pytest.raises(ConfigError, match=r"as many weights above 0, got \[1.0\]"):
        MixedDataset([CamVid(root), CamVid(root)], weights=[1])
    with pytest.raises(ConfigError, match="weights above 0"):
        MixedDataset([CamVid(root), CamVid(root)], weights=[1, 0])
    with pytest.raises(ConfigError, match="at least one"):
        MixedDataset([])
