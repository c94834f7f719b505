"""Curves from logs."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from daseg.utils.errors import DataError
from daseg.visualization import plot_curves, read_curve
from daseg.visualization.curves import moving_average, read_records

PALETTE = [[255, 0, 0], [0, 0, 255]]


def write_log(run: Path, start: str, records: list[dict], tail: str = "") -> Path:
    path = run / start / "vis_data" / "scalars.json"
    path.parent.mkdir(parents=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records) + tail)
    return path


def train(step: int, loss: float) -> dict:
    return dict(lr=0.1, loss_seg=loss, iter=step, step=step)


def test_reads_loss_and_validation(tmp_path):
    records = [train(10, 3.0), train(20, 2.0), dict(mIoU=30.0, pixAcc=80.0, step=20)]
    path = write_log(tmp_path / "run", "20250101_000000", records)
    for run, name in ((tmp_path / "run", "run"), (path, "scalars")):
        curve = read_curve(run)
        assert curve.name == name
        assert curve.loss == [(10, 3.0), (20, 2.0)]
        assert curve.miou == [(20, 30.0)]


def test_resumed_run_takes_the_place_of_what_was_lost(tmp_path):
    first = [train(10, 3.0), train(20, 2.0), dict(mIoU=1.0, step=20), train(30, 9.0)]
    write_log(tmp_path, "20250101_000000", first, tail='{"loss_seg": 1.')  # killed while writing
    write_log(tmp_path, "20250102_000000", [train(30, 1.5), train(40, 1.0)])
    curve = read_curve(tmp_path)
    assert curve.loss == [(10, 3.0), (20, 2.0), (30, 1.5), (40, 1.0)]
    assert curve.miou == [(20, 1.0)]


def test_a_resume_that_validates_again_keeps_the_training_of_that_iteration(tmp_path):
    watched = dict(source_entropy=0.4, step=20)
    lost = [train(30, 9.0), dict(source_entropy=0.3, step=30), dict(mIoU=2.0, step=30)]
    kept = [train(10, 3.0), train(20, 2.0), watched]
    replaced = dict(mIoU=1.0, time=0.1, step=20)
    write_log(tmp_path, "20250101_000000", [*kept, replaced, *lost])
    again = dict(mIoU=1.0, labelfree_entropy=0.5, time=0.2, step=20)
    write_log(tmp_path, "20250102_000000", [again])  # stopped once more
    write_log(tmp_path, "20250103_000000", [again, train(30, 1.5)])
    assert read_records(tmp_path) == [
        train(10, 3.0),
        train(20, 2.0),
        watched,
        again,
        train(30, 1.5),
    ]


def test_moving_average_by_hand():
    averaged = moving_average([3.0, 0.0, 6.0, 9.0], 3)
    assert averaged.tolist() == pytest.approx([1.5, 3.0, 5.0, 7.5])
    assert moving_average([3.0, 1.0], 1).tolist() == [3.0, 1.0]


def test_draws_runs_under_their_names(tmp_path):
    for name in "ab":
        write_log(tmp_path / name, "1", [train(1, 2.0), train(2, 1.0), dict(mIoU=5.0, step=2)])
    curves = plot_curves([tmp_path / "a", tmp_path / "b"], tmp_path / "c.png", names=["A", "B"])
    assert [curve.name for curve in curves] == ["A", "B"]
    picture = np.asarray(Image.open(tmp_path / "c.png").convert("RGB")).astype(int)
    for colour in ((31, 119, 180), (255, 127, 14)):  # matplotlib's first two
        assert (np.abs(picture - colour).sum(-1) < 12).sum() > 50


def test_run_without_validation_is_drawn(tmp_path):
    write_log(tmp_path / "a", "1", [train(1, 2.0)])
    plot_curves([tmp_path / "a"], tmp_path / "c.png")
    assert (tmp_path / "c.png").stat().st_size > 1000


def test_no_log_names_the_folder(tmp_path):
    with pytest.raises(DataError, match="holds no training log"):
        read_curve(tmp_path)


def test_broken_line_is_named(tmp_path):
    path = write_log(tmp_path, "1", [], tail='nonsense\n{"loss_seg": 1.0, "step": 1}\n')
    with pytest.raises(DataError, match=rf"{path}, line 1 is not JSON"):
        read_curve(tmp_path)


def test_unknown_loss_names_what_is_logged(tmp_path):
    write_log(tmp_path, "1", [train(1, 2.0)])
    with pytest.raises(DataError, match="has no 'loss_adv'; it has: iter, loss_seg, lr, step"):
        plot_curves([tmp_path], tmp_path / "c.png", loss_key="loss_adv")
