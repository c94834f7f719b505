"""Confusion matrices as pictures."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from daseg.evaluation import IoUMetric
from daseg.visualization.figures import draw_matrices, plot_confusion


def dark_share(counts: list[int], path: Path) -> float:
    """Draw right pixels only, so many of each class; the share of the picture that is dark blue."""
    plot_confusion(np.diag(counts), ("a", "b"), path / "a.png")
    picture = np.asarray(Image.open(path / "a.png").convert("RGB")).astype(int)
    return float((picture[..., 2] - picture[..., 0] > 80).mean())


def test_confusion_picture_shows_shares_of_each_row(tmp_path):
    equal = dark_share([5, 5], tmp_path)
    assert equal > 0.1
    assert dark_share([10**6, 1], tmp_path) == pytest.approx(equal)
    assert dark_share([10**6, 0], tmp_path) < 0.7 * equal  # no pixel, no colour


def test_each_metric_with_a_folder_gets_its_picture(tmp_path):
    sample = dict(
        pred=torch.zeros(2, 2).long(), label=torch.zeros(2, 2).long(), meta=dict(name="x")
    )
    metrics = [IoUMetric(classes="ab", out_dir=folder) for folder in (str(tmp_path / "a"), None)]
    draw_matrices(metrics)  # nothing has been counted yet
    assert list(tmp_path.iterdir()) == []
    for metric in metrics:
        metric.process(None, [sample])
        metric.evaluate(1)
    draw_matrices([*metrics, object()])
    assert (tmp_path / "a/confusion_matrix.png").stat().st_size > 1000
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
