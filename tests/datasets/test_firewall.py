"""What opens a label file is counted, wherever it runs."""

import multiprocessing
import os
import warnings
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import mmcv
import numpy as np
import pytest
import torchvision
from PIL import Image
from torch.utils.data import DataLoader

from daseg.datasets import CamVid, DomainPair, FolderDataset, PairSampler, collate
from daseg.datasets.files.io import read_ids
from daseg.datasets.firewall import count_opened, note_opened, take_opened
from daseg.utils.errors import DataError, LabelFirewallError


@pytest.fixture(autouse=True)
def _nothing_yet() -> None:
    take_opened()


class Cheat:
    """A transform that opens the label file that lies beside the image."""

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        label = results["img_path"].replace("/images/", "/labels/").replace(".jpg", ".png")
        results["label_reader"].read(label)
        return results


def make_pair(make_camvid, *, cheat: bool) -> DomainPair:
    pipeline = [dict(type="LoadImageFromFile"), dict(type="LoadLabel"), dict(type="PackSample")]
    root = make_camvid(3, name="target", first=20)
    target = CamVid(root, labels=False, pipeline=[*([Cheat()] if cheat else []), *pipeline])
    return DomainPair(CamVid(make_camvid(4), pipeline=pipeline), target)


def opened_in_training(
    pair: DomainPair, workers: int, batches: int = 3, **options: Any
) -> dict[str, int]:
    """What the main process gets to know after some batches of 2."""
    sampler = PairSampler(pair, seed=0, rank=0, world_size=1)
    loader = DataLoader(
        pair, batch_size=2, sampler=sampler, num_workers=workers, collate_fn=collate, **options
    )
    total: dict[str, int] = {}
    for batch in islice(loader, batches):
        for path, count in {**batch.get("labels_opened", {})}.items():
            total[path] = total.get(path, 0) + count
    for path, count in take_opened().items():
        total[path] = total.get(path, 0) + count
    return total


@pytest.mark.parametrize("workers", [0, 2])
def test_source_labels_are_opened_target_labels_are_not(make_camvid, workers: int) -> None:
    pair = make_pair(make_camvid, cheat=False)
    opened = opened_in_training(pair, workers)
    assert sum(opened.values()) == 6
    assert all(Path(path).is_relative_to(pair.source.root) for path in opened)
    watched = pair.target_label_files()
    assert watched is not None
    assert len(watched) == 3
    assert count_opened(opened, watched) == 0


def by_pil(path: Path) -> None:
    Image.open(path).load()


def by_torchvision(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it will be moved to another package
        torchvision.io.read_image(str(path))


def by_number(path: Path) -> None:
    os.close(os.open(path, os.O_RDONLY))


WAYS = dict(
    open=lambda path: open(path, "rb").close(),
    bytes_path=lambda path: open(os.fsencode(path), "rb").close(),
    pathlib=lambda path: path.read_bytes(),
    os_open=by_number,
    pil=by_pil,
    numpy=lambda path: np.fromfile(path, np.uint8),
    opencv=lambda path: cv2.imread(str(path), cv2.IMREAD_UNCHANGED),
    opencv_by_keyword=lambda path: cv2.imread(filename=str(path)),
    mmcv=lambda path: mmcv.imread(path),
    torchvision=by_torchvision,
)


def counted(pair: DomainPair) -> int:
    return count_opened(take_opened(), pair.target_label_files() or frozenset())


@pytest.mark.parametrize("way", WAYS)
def test_an_opening_past_daseg_is_counted_once(make_camvid, tmp_path, monkeypatch, way) -> None:
    pair = make_pair(make_camvid, cheat=False)
    label = next((pair.target.root / "labels").rglob("*.png"))
    WAYS[way](label)
    assert counted(pair) == 1
    (tmp_path / "soft.png").symlink_to(label)
    os.link(label, tmp_path / "hard.png")
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path / "soft.png", tmp_path / "hard.png", Path("soft.png")):
        WAYS[way](path)
    assert counted(pair) == 3


def test_images_other_labels_and_writing_are_not_counted(make_camvid, tmp_path) -> None:
    pair = make_pair(make_camvid, cheat=False)
    label = next((pair.target.root / "labels").rglob("*.png"))
    (tmp_path / "copy.png").write_bytes(b"")
    for path in [*pair.target.root.rglob("*.jpg"), *pair.source.root.rglob("*.png")]:
        path.read_bytes()
    with suppress(FileNotFoundError):
        (tmp_path / "none.png").read_bytes()
    with open(label, "wb") as file:
        file.write(b"not read")
    assert counted(pair) == 0


def test_a_file_that_has_taken_the_place_of_a_removed_one_is_another(make_camvid) -> None:
    pair = make_pair(make_camvid, cheat=False)
    label = next((pair.target.root / "labels").rglob("*.png"))
    label.rename(label.with_name("elsewhere"))  # the same inode under a name that is not watched
    label.with_name("elsewhere").read_bytes()
    assert counted(pair) == 0


def test_one_reading_by_daseg_is_one_opening(make_camvid) -> None:
    pair = make_pair(make_camvid, cheat=False)
    label = next((pair.target.root / "labels").rglob("*.png"))
    read_ids(label)
    assert counted(pair) == 1
    label.read_bytes()
    read_ids(label)
    assert counted(pair) == 2


class CheatInC:
    """A transform that lets OpenCV open the label file that lies beside the image."""

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        label = results["img_path"].replace("/images/", "/labels/").replace(".jpg", ".png")
        assert cv2.imread(label, cv2.IMREAD_UNCHANGED) is not None
        return results


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_workers_see_what_goes_past_daseg(make_camvid, context: str) -> None:
    if context not in multiprocessing.get_all_start_methods():
        pytest.skip("no such way to start a process here")
    pair = make_pair(make_camvid, cheat=False)
    pair.target.pipeline.transforms.insert(0, CheatInC())
    opened = opened_in_training(pair, 1, multiprocessing_context=context)
    assert count_opened(opened, pair.target_label_files() or frozenset()) == 6


def test_a_target_of_label_files_is_refused(make_camvid) -> None:
    root = make_camvid(2)
    layout = dict(image_dir="labels", image_suffix=".png", label_dir="none")
    target = FolderDataset(root, CamVid.CLASSES, labels=False, **layout)
    with pytest.raises(LabelFirewallError, match=r"has the label file .*png among its images"):
        DomainPair(CamVid(root), target)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_transform_that_cheats_is_counted(make_camvid, workers: int) -> None:
    pair = make_pair(make_camvid, cheat=True)
    opened = opened_in_training(pair, workers)
    assert sum(opened.values()) == 12
    assert count_opened(opened, pair.target_label_files() or frozenset()) == 6


def test_a_worker_does_not_report_again_what_the_main_process_opened(make_camvid) -> None:
    pair = make_pair(make_camvid, cheat=False)
    read_ids(next((pair.target.root / "labels").rglob("*.png")))
    opened = opened_in_training(pair, workers=2)
    assert count_opened(opened, pair.target_label_files() or frozenset()) == 1


def test_a_link_or_another_spelling_of_a_file_is_the_file(make_camvid, tmp_path, monkeypatch):
    pair = make_pair(make_camvid, cheat=False)
    (path,) = (pair.target.root / "labels/seq1").glob("*.png")
    (tmp_path / "link").symlink_to(pair.target.root, target_is_directory=True)
    (tmp_path / "file.png").symlink_to(path)
    monkeypatch.chdir(pair.target.root)
    spellings = [path, path.relative_to(Path.cwd()), tmp_path / "file.png"]
    spellings += [tmp_path / "link/labels/seq1" / path.name, f"{path.parent}/../seq1/{path.name}"]
    for spelling in spellings:
        read_ids(spelling)
    monkeypatch.chdir(tmp_path)  # a relative path is that of the moment it was opened in
    assert count_opened(take_opened(), pair.target_label_files() or frozenset()) == len(spellings)


def test_a_target_that_is_reached_by_a_link(make_camvid, tmp_path: Path) -> None:
    root = make_camvid(2)
    os.symlink(root, tmp_path / "link")
    pair = DomainPair(CamVid(root), CamVid(tmp_path / "link", labels=False))
    pair.source[0]
    assert count_opened(take_opened(), pair.target_label_files() or frozenset()) == 1


def test_what_cannot_be_read_counts_as_opened(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        read_ids(tmp_path / "none.png")
    assert take_opened() == {str(tmp_path / "none.png"): 1}
    assert take_opened() == {}


def test_count() -> None:
    watched = frozenset({os.path.realpath("/a/b.png")})
    assert count_opened({"/a/b.png": 3, "/a/../a/b.png": 2, "/a/c.png": 7}, watched) == 5
    assert count_opened({}, watched) == 0


def test_noted_with_its_full_path(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    note_opened("a.png")
    note_opened(Path("a.png"))
    assert take_opened() == {str(tmp_path / "a.png"): 2}


def test_a_label_whose_suffix_has_capitals_is_counted(make_camvid) -> None:
    root = make_camvid(1)
    watched = frozenset({str(root.resolve() / "labels/seq0/frame_000.png")})
    path = root / "labels/seq0/frame_000.png"
    path.rename(path.with_suffix(".PNG"))
    CamVid(root)[0]
    assert count_opened(take_opened(), watched) == 1
