"""What opens a label file is counted, wherever it runs."""

import os
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from torch.utils.data import DataLoader

from daseg.datasets import CamVid, DomainPair, PairSampler, collate
from daseg.datasets.firewall import count_opened, note_opened, take_opened
from daseg.datasets.io import read_ids
from daseg.utils.errors import DataError


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


def opened_in_training(pair: DomainPair, workers: int, batches: int = 3) -> dict[str, int]:
    """What the main process gets to know after some batches of 2."""
    sampler = PairSampler(pair, seed=0, rank=0, world_size=1)
    loader = DataLoader(
        pair, batch_size=2, sampler=sampler, num_workers=workers, collate_fn=collate
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
