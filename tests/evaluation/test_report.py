"""The report's table, files and logs."""

import json

import numpy as np
import pytest

from daseg.evaluation import IoUResult, load_matrix
from daseg.utils.errors import DataError

MATRIX = np.array([[6, 2, 0], [0, 4, 0], [0, 0, 0]])  # IoU 6/8, 4/6, none
CLASSES = ("road", "traffic light", "motorcycle")


def result() -> IoUResult:
    return IoUResult(
        CLASSES,
        MATRIX,
        subset_means=dict(mIoU16=0.125),
        num_images=2,
        input_sizes=[(1, 3)],
        label_sizes=[(2, 6)],
    )


def test_table():
    cells = [
        tuple(cell.strip() for cell in line.split("|")[1:4])
        for line in result().table().splitlines()
        if line.startswith("|")
    ]
    assert cells == [
        ("class", "IoU", "accuracy"),
        ("road", "75.00", "75.00"),
        ("traffic light", "66.67", "100.00"),
        ("motorcycle", "-", "-"),
        ("pixAcc", "", "83.33"),
        ("mAcc", "", "87.50"),
        ("mIoU", "70.83", ""),
        ("mIoU16", "12.50", ""),
    ]


def test_seed_log_literally():
    assert result().seed_log() == (
        "===>road:\t75.0\n===>light:\t66.67\n===>motocycle:\tnan\n===> mIoU: 70.83\n"
    )


def test_seed_log_rounds_to_two_digits():
    published = IoUResult(("road", "traffic sign"), np.array([[97981, 2019], [0, 0]]))
    assert published.seed_log() == "===>road:\t97.98\n===>sign:\t0.0\n===> mIoU: 48.99\n"


def test_files_round_trip(tmp_path):
    result().save(tmp_path)
    stored = json.loads((tmp_path / "results.json").read_text(), parse_constant=pytest.fail)
    assert stored["mIoU"] == pytest.approx(100 * (6 / 8 + 4 / 6) / 2)
    assert stored["IoU"].pop("motorcycle") is None
    assert stored["IoU"] == pytest.approx({"road": 75, "traffic light": 200 / 3})
    assert stored["num_images"] == 2
    assert (stored["input_sizes"], stored["label_sizes"]) == ([[1, 3]], [[2, 6]])
    matrix, classes = load_matrix(tmp_path / "confusion_matrix.npz")
    assert np.array_equal(matrix, MATRIX)
    assert classes == CLASSES
    assert (tmp_path / "table.txt").read_text() == result().table() + "\n"


@pytest.mark.parametrize("content", [None, b"no zip"])
def test_unreadable_matrix_names_the_file(tmp_path, content):
    path = tmp_path / "confusion_matrix.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"confusion_matrix\.npz cannot be read"):
        load_matrix(path)
