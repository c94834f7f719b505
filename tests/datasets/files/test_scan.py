"""Finding the files of a data set, and choosing among them."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from daseg.datasets import CamVid, FolderDataset, ScanError
from daseg.datasets.files.lists import read_list
from daseg.utils.errors import ConfigError, DataError


def test_missing_root_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"CamVid: its root .*nowhere does not exist; say root="):
        CamVid(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"CamVid: the folder .*images does not exist$"):
        CamVid(tmp_path)
    for name in ("photos", "labels"):
        (tmp_path / name).mkdir()
    with pytest.raises(DataError, match=r"images does not exist; beside it are labels, photos$"):
        CamVid(tmp_path)
    (tmp_path / "images/a").mkdir(parents=True)
    with pytest.raises(DataError, match=r"CamVid: no file ending in \.jpg below .*images$"):
        CamVid(tmp_path)
    (tmp_path / "images/a/1.bmp").touch()
    with pytest.raises(DataError, match=r"ending in \.jpg below .*images; there is a/1\.bmp$"):
        CamVid(tmp_path)


def test_image_without_label_is_counted_and_named(make_camvid) -> None:
    root = make_camvid(7)
    for i in (0, 2):
        (root / f"labels/seq0/frame_{i:03d}.png").unlink()
    with pytest.raises(ScanError, match=r"2 of 7 samples lack a file") as caught:
        CamVid(root)
    assert f"image without label: {root}/images/seq0/frame_002.jpg" in str(caught.value)
    assert len(caught.value.problems) == 2


def test_only_the_first_missing_files_are_shown(make_camvid) -> None:
    root = make_camvid(9)
    for i in range(0, 9, 2):
        (root / f"labels/seq0/frame_{i:03d}.png").unlink()
    for i in range(1, 5, 2):
        (root / f"labels/seq1/frame_{i:03d}.png").unlink()
    with pytest.raises(ScanError, match=r"7 of 9 .*(\n.*){5}\n.*and 2 more"):
        CamVid(root)


def test_skipping_what_is_missing_is_asked_for_and_told(make_camvid, monkeypatch) -> None:
    root = make_camvid(4)
    (root / "labels/seq0/frame_002.png").unlink()
    said: list[str] = []
    monkeypatch.setattr("daseg.datasets.base.print_log", lambda text, **_: said.append(text))
    dataset = CamVid(root, on_missing="skip")
    assert dataset.names == ["seq0/frame_000", "seq1/frame_001", "seq1/frame_003"]
    assert "left out 1 of 4 samples: image without label" in said[0]
    with pytest.raises(ConfigError, match="'error' or 'skip', not 'maybe'"):
        CamVid(root, on_missing="maybe")


def test_list_file(make_camvid) -> None:
    root = make_camvid(4)
    (root / "some.txt").write_text("# two of them\nseq1/frame_003\n\nseq0/frame_000.jpg\n")
    assert CamVid(root, list_file="some.txt").names == ["seq1/frame_003", "seq0/frame_000"]
    assert len(CamVid(root, list_file=str(root / "some.txt"))) == 2


def test_list_file_errors(make_camvid) -> None:
    root = make_camvid(4)
    (root / "a.txt").write_text("seq0/frame_000\nframe_077\n")
    with pytest.raises(
        ScanError, match=r"1 of 2 .*looks like 'seq0/frame_000'.*\n.*no such image: .*frame_077"
    ):
        CamVid(root, list_file="a.txt")
    (root / "a.txt").write_text("seq0/frame_000\nseq0/frame_000.jpg\n")
    with pytest.raises(DataError, match=r"names 1 images more than once:\n  seq0/frame_000"):
        CamVid(root, list_file="a.txt")
    (root / "a.txt").write_text("# none\n")
    with pytest.raises(DataError, match=r"a\.txt names no image"):
        CamVid(root, list_file="a.txt")
    with pytest.raises(DataError, match=rf"CamVid: there is no list file {root}/b\.txt nor b\.txt"):
        CamVid(root, list_file="b.txt")


def test_same_name_with_two_suffixes_is_refused(tmp_path: Path) -> None:
    for suffix in ("png", "jpg"):
        (tmp_path / "images").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / f"images/a.{suffix}"), np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(DataError, match=r"a\.\w+ and .*a\.\w+ have the same name"):
        FolderDataset(tmp_path, classes=["x"], labels=False)


def test_subsets_are_nested_and_seeded(make_camvid) -> None:
    root = make_camvid(12)
    small, large = (set(CamVid(root, num_samples=n).names) for n in (4, 9))
    assert len(small) == 4
    assert len(large) == 9
    assert small < large
    others = {tuple(CamVid(root, num_samples=4, subset_seed=s).names) for s in range(5)}
    assert len(others) > 1
    # Which ones they are must never change: published subsets would. RandomState(0) begins the
    # permutation of 12 with 6, 11, 4, 10; names are counted in their order: seq0, then seq1.
    assert small == {"seq0/frame_008", "seq1/frame_001", "seq1/frame_009", "seq1/frame_011"}


def test_subset_larger_than_the_data_set(make_camvid) -> None:
    with pytest.raises(ConfigError, match="num_samples=9, but there are 3 images"):
        CamVid(make_camvid(3), num_samples=9)


def test_written_list_gives_the_same_samples(make_camvid, tmp_path: Path) -> None:
    root = make_camvid(12)
    chosen = CamVid(root, num_samples=5, subset_seed=3)
    chosen.write_list(tmp_path / "out/train_images.txt")
    text = (tmp_path / "out/train_images.txt").read_text()
    assert text.startswith(f"# CamVid at {root}: 5 of 12 images, subset_seed 3\n")
    assert CamVid(root, list_file=tmp_path / "out/train_images.txt").names == chosen.names


def test_a_list_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"list file .*a\.txt cannot be read"):
        read_list(tmp_path / "a.txt", [".png"])
