"""List files: what other programs write, and names that are hard to write in a line."""

import os
import sys
from pathlib import Path

import pytest
from PIL import Image

from daseg.datasets import FolderDataset, MixedDataset, ScanError
from daseg.datasets.files.lists import read_list
from daseg.utils.errors import DataError

ODD = [" a", "b ", "#1", "c\nd", "c\rd", '"q"', 'k"', "e\\f", "g.png", "x,y", "\ufeffz", "u\u2028v"]
ODD += ["t\tx", os.fsdecode(b"\xff\xfe"), "-n", "a;b", "\u3000wide", "\x0b", "nb\xa0", "a b", "é"]


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    if sys.platform != "linux":
        pytest.skip("such names are legal on Linux alone")
    (tmp_path / "images").mkdir()
    for name in ODD:
        with open(tmp_path / "images" / f"{name}.png", "wb") as file:
            Image.new("RGB", (3, 2)).save(file, "PNG")
    return tmp_path


def build(root: Path, **options: object) -> FolderDataset:
    return FolderDataset(root, ["any"], labels=False, **options)


def test_every_legal_name_is_read_back_as_it_was_written(odd: Path) -> None:
    dataset = build(odd)
    assert sorted(dataset.names) == sorted(ODD)
    dataset.write_list(odd / "list.txt")
    assert build(odd, list_file="list.txt").names == dataset.names
    some = build(odd, num_samples=9)
    MixedDataset([some]).write_list(odd / "list.txt")
    assert build(odd, list_file="list.txt").names == some.names
    assert dataset[dataset.names.index("c\nd")]["image"].shape == (3, 2, 3)


def test_a_heading_is_one_line_whatever_the_root_is_called(odd: Path) -> None:
    root = odd.rename(odd.with_name("two\nlines")) / "."
    dataset = build(root)
    dataset.write_list(root / "list.txt")
    assert build(root, list_file="list.txt").names == dataset.names


def test_ordinary_lists_stay_as_they_were(tmp_path: Path) -> None:
    (tmp_path / "images/a").mkdir(parents=True)
    for name in ("0", "a/1", "a/2.left"):
        Image.new("RGB", (2, 2)).save(tmp_path / f"images/{name}.png")
    build(tmp_path).write_list(tmp_path / "list.txt")
    heading = f"# FolderDataset at {tmp_path}: 3 of 3 images\n"
    assert (tmp_path / "list.txt").read_text() == heading + "0\na/1\na/2.left\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("0", "1", "sub/2"):
        path = tmp_path / f"images/{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (2, 2)).save(path)
    return tmp_path


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf0.png\n1.png\nsub/2.png\n",
        b"0.png\r\n1.png\r\nsub/2.png\r\n",
        b"0\r1\rsub/2\r",
        b"./0.png\n././1.png\n./sub/2\n",
        b"0.png\n.\\1.PNG\nsub\\2.png",
        "0\r\n1\r\nsub\\2\r\n".encode("utf-16"),
        b'"0.png"\n"\\u0031"\n# no image\n\n  sub/2  \n',
    ],
)
def test_lists_of_other_programs(root: Path, data: bytes) -> None:
    (root / "list.txt").write_bytes(data)
    assert build(root, list_file="list.txt").names == ["0", "1", "sub/2"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("images/0.png", "a name is the path below images: '0'"),
        ("0.png labels/0.png", "the line has a second column"),
        ("0.png,labels/0.png", "the line has a second column"),
        ("0\t3", "the line has a second column"),
        (".hidden/0.png", "begin with a dot are left out"),
        ("../images/0.png", "begin with a dot are left out"),
        ("Sub/2", "there is 'sub/2', with other capitals"),
    ],
)
def test_a_line_that_names_no_image_says_why(root: Path, line: str, words: str) -> None:
    (root / "list.txt").write_text(line)
    with pytest.raises(ScanError, match=f"listed, but no such image: .*{words}"):
        build(root, list_file="list.txt")
    (root / "list.txt").write_text(str(root / "images/0.png"))
    with pytest.raises(ScanError, match="not from the root of the disk"):
        build(root, list_file="list.txt")


def test_a_listed_link_is_its_image_but_not_beside_it(root: Path) -> None:
    os.symlink("0.png", root / "images/link.png")
    (root / "list.txt").write_text("link\n1\n")
    assert build(root, list_file="list.txt").names == ["link", "1"]
    (root / "list.txt").write_text("link\n0\n")
    with pytest.raises(ScanError, match=r"listed twice: .*0\.png is a link to the image link"):
        build(root, list_file="list.txt")


def test_lists_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"caf\xe9\n")
    with pytest.raises(DataError, match=r"a\.txt cannot be read: it is not UTF-8"):
        read_list(tmp_path / "a.txt", [".png"])
    (tmp_path / "a.txt").write_bytes(b"a\0b\n")
    with pytest.raises(DataError, match=r"a\.txt cannot be read: it holds zero bytes"):
        read_list(tmp_path / "a.txt", [".png"])
    with pytest.raises(DataError, match=r"list file .* is a folder, not a file"):
        read_list(tmp_path, [".png"])
