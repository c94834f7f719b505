"""What check_data finds, beyond files that cannot be read; and that it survives any file."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from daseg.datasets import FolderDataset
from daseg.datasets.check import check_config, check_dataset

LOAD = [dict(type="LoadImageFromFile"), dict(type="LoadLabel")]


def write(root: Path, count: int = 3, ids: tuple[int, ...] = (0, 1), size=(8, 12)) -> Path:
    """Images and labels, half of each label the first id, and so on."""
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True)
    for number in range(count):
        label = np.zeros(size, np.uint8)
        for place, value in enumerate(np.array_split(np.arange(size[1]), len(ids))):
            label[:, value] = ids[place]
        image = np.full((*size, 3), 60 + number, np.uint8)
        Image.fromarray(image).save(root / f"images/{number}.png")
        Image.fromarray(label).save(root / f"labels/{number}.png")
    return root


def folder(root: Path, classes=("dry", "water"), **options: object) -> dict:
    return dict(type="FolderDataset", root=str(root), classes=list(classes), **options)


def config(train: dict, val: dict | None = None) -> dict:
    cfg = dict(train_dataloader=dict(dataset=train))
    return cfg if val is None else cfg | dict(val_dataloader=dict(dataset=val))


def problems(cfg: dict, **options: object) -> list[str]:
    return [line for report in check_config(cfg, workers=1, **options) for line in report.problems]


def test_the_histogram_counts_pixels_and_images(tmp_path: Path) -> None:
    root = write(tmp_path, ids=(0, 0, 1, 255))
    Image.fromarray(np.zeros((8, 12), np.uint8)).save(root / "labels/2.png")
    report = check_dataset(FolderDataset(root, ["dry", "water"]), workers=1)
    assert report.images[[0, 1, 255]].tolist() == [3, 2, 2]
    text = str(report)
    assert "| dry       |              66.667 |      3 | ######################## |" in text
    assert "| water     |              16.667 |      2 | ######                   |" in text
    assert "| (ignored) |              16.667 |      2 |                          |" in text


def test_a_class_without_a_pixel(tmp_path: Path) -> None:
    cfg = config(folder(write(tmp_path / "a", ids=(0, 255))))
    (line,) = problems(cfg)
    assert "no pixel of the class 'water' in the labels that are trained on" in line
    assert "say --may-lack" in line
    assert problems(cfg, may_lack=["water"]) == []
    mixed = dict(type="MixedDataset", datasets=[cfg["train_dataloader"]["dataset"]])
    mixed["datasets"].append(folder(write(tmp_path / "b", ids=(1, 1))))
    reports = check_config(config(mixed), workers=1)
    assert [report.problems for report in reports] == [[], []]
    assert reports[0].notes == ["no pixel of water, which other data sets have"]
    full = folder(write(tmp_path / "c"))
    report = check_config(config(full, folder(tmp_path / "b")), workers=1)[1]
    assert (report.problems, report.notes) == ([], ["no pixel of dry"])


def test_a_split_without_a_labelled_pixel(tmp_path: Path) -> None:
    full, empty = write(tmp_path / "a"), write(tmp_path / "b", ids=(255,))
    (line,) = problems(config(folder(full), folder(empty)))
    assert "no pixel of its labels has a class" in line


def test_classes_are_compared_by_name(tmp_path: Path) -> None:
    train, val = folder(write(tmp_path / "a")), folder(write(tmp_path / "b"), ("water", "dry"))
    (line,) = problems(config(train, val))
    assert "its classes are water, dry; those of train: FolderDataset at" in line
    assert "(the same, in another order)" in line
    wrong = folder(tmp_path / "b", ("dry", "watre"))
    (line,) = problems(config(train, wrong))
    assert "(only one has water, watre): a network knows one list" in line


@pytest.mark.parametrize(("names", "outputs"), [(("dry", "water"), 3), (("water",), 1)])
def test_the_network_has_as_many_outputs(tmp_path: Path, names: tuple[str], outputs: int) -> None:
    cfg = config(folder(write(tmp_path, ids=tuple(range(len(names)))), names))
    assert problems(cfg | dict(model=dict(segmentor=dict(num_classes=2)))) == (
        []
        if len(names) == 2
        else [
            "it has 1 classes, the network has num_classes=2: the two have "
            "to be the same, and 2 at least"
        ]
    )
    for model in dict(num_classes=outputs), dict(segmentor=dict(num_classes=outputs)):
        (line,) = problems(cfg | dict(model=model))
        assert line.startswith(
            f"it has {len(names)} classes, the network has num_classes={outputs}"
        )


def test_a_pipeline_that_cuts_is_found_in_validation_not_in_training(tmp_path: Path) -> None:
    crop = [*LOAD, dict(type="RandomCrop", crop_size=(4, 4)), dict(type="PackSample")]
    whole = [*LOAD, dict(type="PackSample")]
    root = write(tmp_path / "a")
    assert problems(config(folder(root, pipeline=crop), folder(root, pipeline=whole))) == []
    for train in (whole, crop):  # in the second, one data set is used for both
        (line,) = problems(config(folder(root, pipeline=train), folder(root, pipeline=crop)))
        assert "RandomCrop" in line


def test_a_pipeline_that_normalises_is_found(tmp_path: Path) -> None:
    step = dict(type="Normalize", mean=[0, 0, 0], std=[255, 255, 255])
    cfg = config(folder(write(tmp_path), pipeline=[*LOAD, step, dict(type="PackSample")]))
    (line,) = problems(cfg)
    assert "Normalize" in line


def test_turned_pictures_dark_pictures_links_and_lonely_labels(tmp_path: Path) -> None:
    root = write(tmp_path, count=6)
    tags = Image.Exif()
    tags[0x0112] = 3
    Image.new("RGB", (12, 8)).save(root / "images/0.png", exif=tags)
    Image.fromarray(np.full((8, 12), 900, np.uint16)).save(root / "images/1.png")
    (root / "images/2.png").unlink()
    os.symlink("3.png", root / "images/7.png")
    os.link(root / "images/4.png", root / "images/8.png")
    (root / "labels/8.png").write_bytes((root / "labels/4.png").read_bytes())
    (report,) = check_config(config(folder(root)), workers=1)
    kinds = [
        "EXIF tag (orientation 3)",
        "camera of 10 bits",
        "label without image",
        "7.png is a li",
    ]
    for kind in kinds:
        assert sum(kind in line for line in report.problems) == 1, kind
    assert len(report.problems) == len(kinds)
    assert "8.png and" in report.notes[0]
    assert "hard links" in report.notes[0]


@pytest.mark.parametrize("error", [ValueError("odd"), MemoryError(), RecursionError("deep")])
def test_any_error_of_a_decoder_is_a_line(tmp_path: Path, monkeypatch, error: Exception) -> None:
    root = write(tmp_path)

    def fail(path: Path, *_: object) -> None:
        if Path(path).name == "1.png":
            raise error
        return np.zeros((8, 12, 3), np.uint8)

    monkeypatch.setattr("daseg.datasets.check.read_image", fail)
    (report,) = check_config(config(folder(root)), workers=2)
    assert report.count == 3
    (line,) = report.problems
    assert f"images/1.png cannot be read: {type(error).__name__}" in line


def test_a_data_set_that_cannot_be_built_does_not_hide_the_others(tmp_path: Path) -> None:
    root = write(tmp_path)
    (root / "labels/0.png").write_bytes(b"")
    found = problems(config(folder(root, num_samples=99), folder(root)))
    assert ["num_samples=99" in found[0], "the file is empty" in found[1]] == [True, True]
