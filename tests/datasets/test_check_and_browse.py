"""The tools that look at data before a training does."""

import io
import re
import runpy
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from daseg.datasets import CamVid
from daseg.datasets.check import check_config, check_dataset
from daseg.ops.colours import colorize, default_palette, overlay
from daseg.utils.errors import ConfigError
from daseg.utils.progress import track


def config(root: Path, **options: object) -> dict:
    dataset = dict(type="CamVid", root=str(root), **options)
    return dict(
        train_dataloader=dict(dataset=dict(type="MixedDataset", datasets=[dataset])),
        val_dataloader=dict(dataset=dataset),
        test_dataloader=None,
    )


def test_report_of_a_sound_data_set(make_camvid) -> None:
    root = make_camvid(3, size=(8, 10))
    label = np.zeros((8, 10), np.uint8)
    label[:2], label[7] = 3, 11
    for path in (root / "labels").rglob("*.png"):
        cv2.imwrite(str(path), label)
    report = check_dataset(CamVid(root), workers=2)
    assert report.problems == []
    assert report.count == 3
    assert report.sizes == {(10, 8): 3}
    assert report.pixels[[0, 3, 255]].tolist() == [3 * 50, 3 * 20, 3 * 10]
    text = str(report)
    assert "3 samples, 0 problems" in text
    assert "10x8 (3)" in text
    assert "| sky        |              62.500 |" in text
    assert "| car        |                   - |" in text
    assert "| (ignored)  |              12.500 |" in text


def test_every_kind_of_broken_file_is_reported_at_once(make_camvid) -> None:
    root = make_camvid(6)
    (root / "labels/seq0/frame_000.png").unlink()
    (root / "images/seq1/frame_001.jpg").write_bytes(b"no picture")
    cv2.imwrite(str(root / "labels/seq0/frame_002.png"), np.full((8, 12), 77, np.uint8))
    cv2.imwrite(str(root / "labels/seq1/frame_003.png"), np.zeros((4, 4), np.uint8))
    (root / "images/seq0/frame_004.jpg").write_bytes(b"no picture")
    (root / "labels/seq0/frame_004.png").write_bytes(b"no picture")
    (report,) = check_config(config(root), "all", workers=2)
    assert report.count == 5
    assert len(report.problems) == 5
    kinds = ["without label: .*frame_000", "frame_002.*77 ", r"image .*frame_004\.jpg.*; label"]
    kinds += ["image .*frame_001.* cannot be read", "frame_003.*12x8.*4x4"]
    for kind in kinds:
        assert any(re.search(kind, line) for line in report.problems), kind


def test_a_size_mismatch_that_the_pipeline_mends_is_no_problem(make_camvid) -> None:
    root = make_camvid(2)
    cv2.imwrite(str(root / "labels/seq0/frame_000.png"), np.zeros((4, 4), np.uint8))
    pipeline = [dict(type="LoadImageFromFile"), dict(type="LoadLabel", on_size_mismatch="resize")]
    report = check_dataset(CamVid(root, pipeline=pipeline))
    assert (report.problems, report.resized) == ([], 1)
    assert "labels resized to their image: 1" in str(report)


def test_a_folder_that_does_not_exist_is_a_problem_of_the_report(tmp_path: Path) -> None:
    (report,) = check_config(config(tmp_path / "nowhere"), "train")
    assert "does not exist" in report.problems[0]


def test_splits(make_camvid) -> None:
    root = make_camvid(2)
    cfg = config(root) | dict(
        val_dataloader=dict(dataset=dict(type="CamVid", root=str(root), num_samples=1))
    )
    assert [r.count for r in check_config(cfg, "all")] == [2, 1]
    assert [r.count for r in check_config(cfg, "val")] == [1]
    with pytest.raises(ConfigError, match="no test_dataloader"):
        check_config(cfg, "test")
    with pytest.raises(ConfigError, match="reads a data set of files"):
        check_config({})


def test_unlabelled_data_have_no_histogram(make_camvid) -> None:
    report = check_dataset(CamVid(make_camvid(2), labels=False))
    assert "no labels were read" in str(report)


def run_tool(monkeypatch, name: str, *arguments: object) -> int:
    """Run a tool in this process, which saves the imports; return its exit status."""
    tool = Path(__file__).parents[2] / "tools" / name
    monkeypatch.setattr("sys.argv", [name, *map(str, arguments)])
    try:
        runpy.run_path(str(tool), run_name="__main__")
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.fixture
def config_file(make_camvid, tmp_path: Path) -> Path:
    dataset = dict(type="CamVid", root=str(make_camvid(3)))
    model = dict(
        type="Segmentor", backbone=dict(type="ResNet"), head=dict(type="DeepLabV2Head", branches=2)
    )
    text = f"model = {model!r}\ntrain_dataloader = dict(dataset={dataset!r})\n"
    (tmp_path / "config.py").write_text(text)
    return tmp_path / "config.py"


def test_check_data_ends_with_a_status(config_file: Path, monkeypatch, capsys) -> None:
    assert run_tool(monkeypatch, "check_data.py", config_file) == 0
    assert "all files are in order" in capsys.readouterr().out
    (config_file.parent / "camvid/labels/seq1/frame_001.png").write_bytes(b"")
    assert run_tool(monkeypatch, "check_data.py", config_file, "--split", "train") == 1
    said = capsys.readouterr().out
    assert "PROBLEM label" in said
    assert "frame_001.png cannot be read: the file is empty" in said
    assert "3 samples, 1 problem\n" in said
    assert said.endswith("\n1 problem\n")
    assert run_tool(monkeypatch, "check_data.py", config_file, "--split", "val") == 2
    assert "error: the config has no val_dataloader" in capsys.readouterr().err


def test_browse_data_writes_a_picture(config_file: Path, monkeypatch, capsys) -> None:
    out = config_file.parent / "sheets/a.png"
    root = "train_dataloader.dataset.num_samples=2"
    options = ("--num", 2, "--out", out, "--cfg-options", root)
    assert run_tool(monkeypatch, "browse_data.py", config_file, *options) == 0
    assert f"wrote {out}" in capsys.readouterr().out
    assert cv2.imread(str(out)) is not None


def test_colours() -> None:
    palette = [[10, 20, 30], [200, 100, 0]]
    label = np.array([[0, 1, 255, -1]])
    assert colorize(label, palette).tolist() == [[[10, 20, 30], [200, 100, 0], [0] * 3, [0] * 3]]
    image = np.full((1, 4, 3), 100, np.uint8)
    mixed = overlay(image, label, palette, alpha=0.5)
    assert mixed.tolist() == [[[55, 60, 65], [150, 100, 50], [100] * 3, [100] * 3]]
    assert mixed.dtype == np.uint8


def test_made_up_colours_differ() -> None:
    colours = default_palette(150)
    assert len({tuple(c) for c in colours}) == 150
    assert [0, 0, 0] not in colours
    assert colours[:4] == [[128, 0, 0], [0, 128, 0], [128, 128, 0], [0, 0, 128]]


def test_progress_ends_with_the_whole() -> None:
    stream = io.StringIO()
    assert list(track("abc", 3, "reading", stream)) == ["a", "b", "c"]
    assert stream.getvalue().startswith("reading 3/3 100% ")
    assert stream.getvalue().endswith("took 0 s\n")


def pair_config(source: Path, target: Path) -> dict:
    parts = [dict(type="CamVid", root=str(root)) for root in (source, target)]
    pair = dict(type="DomainPair", source=parts[0], target=parts[1])
    return dict(train_dataloader=dict(dataset=pair))


def test_check_looks_at_both_domains_and_at_no_target_label(make_camvid) -> None:
    source, target = make_camvid(2), make_camvid(3, name="target")
    shutil.rmtree(target / "labels")
    reports = check_config(pair_config(source, target), "train")
    assert [(r.count, r.problems) for r in reports] == [(2, []), (3, [])]
    assert reports[0].pixels.sum() == 2 * 8 * 12
    assert reports[1].pixels.sum() == 0
    assert reports[1].title == f"train: CamVid at {target} without labels"
    assert (next((target / "images").rglob("*.jpg"))).write_bytes(b"no picture")
    report = check_config(pair_config(source, target), "train")[1]
    assert len(report.problems) == 1


def test_check_reports_a_target_that_is_to_have_labels(make_camvid) -> None:
    cfg = pair_config(make_camvid(1), make_camvid(1))
    cfg["train_dataloader"]["dataset"]["target"]["labels"] = True
    with pytest.raises(ConfigError, match="adaptation is unsupervised"):
        check_config(cfg, "train")
