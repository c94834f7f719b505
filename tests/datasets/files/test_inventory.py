"""Each real image once, and a word of everything else that lies there."""

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from daseg.datasets import FolderDataset, ScanError
from daseg.datasets.files import walk as walk_module
from daseg.utils.errors import DataError

Make = Callable[..., Path]
CLASSES = ["a", "b"]


def image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(path, "PNG")


def label(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.eye(4, 6, dtype=np.uint8)).save(path, "PNG")


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write images and labels of these names; return their root."""

    def write(*names: str) -> Path:
        for name in names or ("0", "1", "2"):
            image(tmp_path / f"data/images/{name}.png")
            label(tmp_path / f"data/labels/{name}.png")
        return tmp_path / "data"

    return write


def names(root: Path, **options: object) -> list[str]:
    return FolderDataset(root, CLASSES, **options).names


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr("daseg.datasets.base.print_log", lambda text, **_: lines.append(text))
    return lines


def test_suffixes_may_have_capitals(make: Make) -> None:
    root = make()
    (root / "images/1.png").rename(root / "images/1.PNG")
    (root / "labels/2.png").rename(root / "labels/2.PNG")
    assert names(root) == names(root, labels=False) == ["0", "1", "2"]
    assert FolderDataset(root, CLASSES)[2]["label"].sum() == 4
    image(root / "images/2.PNG")
    with pytest.raises(DataError, match=r"2\.\w+ and .*2\.\w+ have the same name"):
        names(root)


def test_hidden_files_and_folders_are_passed_over_but_a_root_may_be_hidden(make: Make) -> None:
    root = make()
    for name in ("._0", ".ipynb_checkpoints/0-checkpoint", "deep/.trash/x"):
        image(root / f"images/{name}.png")
    assert names(root) == ["0", "1", "2"]
    assert len(FolderDataset(root, CLASSES).hidden) == 3
    assert names(root.rename(root.with_name(".data"))) == ["0", "1", "2"]


def test_a_folder_may_be_called_like_an_image(make: Make) -> None:
    assert names(make("0", "street.png/1")) == ["0", "street.png/1"]


def test_links_do_not_multiply_images(make: Make, said: list[str]) -> None:
    root = make()
    os.symlink(root / "images", root / "images/loop")
    os.symlink(root, root / "images/up")
    os.symlink("0.png", root / "images/again.png")
    os.symlink("0.png", root / "labels/again.png")
    assert names(root) == names(root, labels=False) == ["0", "1", "2"]
    assert "3 places were passed over: the folder" in said[0]
    assert len(said) == 2


def test_what_only_links_lead_to_is_there_once(make: Make, tmp_path: Path) -> None:
    root = make("0")
    for name in ("1", "2"):
        image(tmp_path / f"far/{name}.png")
        label(root / f"labels/there/{name}.png")
    os.symlink(tmp_path / "far", root / "images/there")
    os.symlink(tmp_path / "far", root / "images/twice")
    assert names(root) == ["0", "there/1", "there/2"]
    assert {sample.image.parent.name for sample in FolderDataset(root, CLASSES).samples} == {
        "images",
        "there",
    }


def test_labels_may_be_shared_by_links(make: Make) -> None:
    root = make("cam1/0", "cam2/0")
    (root / "labels/cam2/0.png").unlink()
    (root / "labels/cam2").rmdir()
    os.symlink("cam1", root / "labels/cam2")
    assert names(root) == ["cam1/0", "cam2/0"]
    assert FolderDataset(root, CLASSES).without_image == []


def test_a_link_to_nothing_is_named(make: Make) -> None:
    root = make()
    os.symlink("gone.png", root / "images/3.png")
    os.symlink("4.png", root / "images/4.png")
    with pytest.raises(ScanError, match=r"2 of 5 .*\n.*3\.png is a link to gone\.png, which is no"):
        names(root)
    assert names(root, on_missing="skip") == ["0", "1", "2"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no pipes")
@pytest.mark.parametrize("by_link", [False, True])
@pytest.mark.parametrize("kind", ["images", "labels"])
def test_pipes_are_named_and_not_waited_for(make: Make, kind: str, by_link: bool) -> None:
    root = make()
    path = root / kind / "1.png"
    path.unlink()
    os.mkfifo(root / "pipe" if by_link else path)
    if by_link:
        os.symlink(root / "pipe", path)
    with pytest.raises(ScanError, match=rf"{kind[:-1]} {path} is a pipe, a socket or a device"):
        names(root)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no pipes")
def test_a_list_that_is_a_pipe_is_not_waited_for(make: Make) -> None:
    root = make()
    os.mkfifo(root / "list.txt")
    with pytest.raises(DataError, match=r"list file .*list\.txt is a pipe, not a file"):
        names(root, list_file="list.txt")


def test_a_folder_that_cannot_be_listed_is_named(make: Make, monkeypatch) -> None:
    root, scandir = make("0", "locked/1"), os.scandir

    def refuse(path: str):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(walk_module.os, "scandir", refuse)
    with pytest.raises(DataError, match=r"the folder .*locked cannot be listed: Permission denied"):
        names(root)


def test_labels_without_image_are_told(make: Make, said: list[str]) -> None:
    root = make()
    (root / "images/1.png").unlink()
    dataset = FolderDataset(root, CLASSES)
    assert dataset.without_image == [root / "labels/1.png"]
    assert said == [f"{_who(root)}: 1 labels have no image: {root}/labels/1.png, ..."]


def _who(root: Path) -> str:
    return f"FolderDataset at {root}"


def test_one_folder_of_images_and_labels(tmp_path: Path) -> None:
    for number in range(2):
        image(tmp_path / f"{number}.png")
        label(tmp_path / f"{number}_label.png")
    here = dict(image_dir=".", label_dir=".")
    for labels in (True, False):
        assert names(tmp_path, **here, label_suffix="_label.png", labels=labels) == ["0", "1"]
    with pytest.raises(DataError, match=r"no file ending in \.png .*\(those in \.png are labels\)"):
        names(tmp_path, **here)


def test_labels_inside_the_folder_of_images_are_no_images(make: Make, said: list[str]) -> None:
    found = names(make(), image_dir=".", labels=False)
    assert found == ["images/0", "images/1", "images/2"]
    assert "labels is taken for labels, not for images" in said[0]


def test_a_name_in_another_spelling_is_told(make: Make) -> None:
    root = make("0")
    image(root / "images" / f"{unicodedata.normalize('NFC', 'é')}.png")
    label(root / "labels" / f"{unicodedata.normalize('NFD', 'é')}.png")
    with pytest.raises(ScanError, match=r"image without label: .*another Unicode form \(NFC, NFD"):
        names(root)
    image(root / "images/A.png")
    label(root / "labels/a.png")
    with pytest.raises(ScanError, match=r"images/A\.png; there is 'a', with other capitals"):
        names(root)
