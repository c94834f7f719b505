"""Predictions before a translation against those after it."""

import numpy as np
import pytest

from daseg.evaluation.agreement import Agreement

CLASSES = ("sky", "tree", "road")


def test_the_numbers_of_a_matrix_worked_out_by_hand():
    found = Agreement(CLASSES, np.array([[60, 30, 10], [0, 50, 0], [0, 0, 0]]), images=2)
    assert found.changed[:2] == pytest.approx([0.4, 0])
    assert np.isnan(found.changed[2])
    assert found.iou == pytest.approx([60 / 100, 50 / 80, 0])
    assert found.share == pytest.approx(110 / 150)
    (shift,) = found.shifts()
    assert shift == ("sky", "tree", pytest.approx(0.4), pytest.approx(0.3))
    text = found.table()
    assert "| sky   |           66.67 |            60.00 |          40.00 |" in text
    assert "| road  |            0.00 |             0.00 |              - |" in text
    assert "IoU on source" not in text
    assert found.to_json()["changed"] == dict(sky=pytest.approx(40), tree=0, road=None)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ([81, 19, 0], "it changes seldom"),
        ([40, 30, 30], "it changes into this and that"),
    ],
)
def test_what_is_no_shift(row, why):
    assert Agreement(CLASSES, np.array([row, [0, 9, 0], [0, 0, 9]])).shifts() == [], why


def test_a_class_of_few_pixels_is_not_warned_of():
    matrix = np.diag([0, 10**6, 10**6])
    matrix[0, 1] = 100
    assert Agreement(CLASSES, matrix).shifts() == []
    matrix[0, 1] = 1000
    assert len(Agreement(CLASSES, matrix).shifts()) == 1


def test_labels_add_two_columns():
    before, after = np.diag([4, 4, 4]), np.array([[4, 0, 0], [4, 0, 0], [0, 0, 4]])
    found = Agreement(CLASSES, after, before, after, images=1, labelled=1)
    assert found.to_json()["label_IoU_source"] == dict(sky=100, tree=100, road=100)
    assert found.to_json()["label_IoU_translated"] == dict(sky=50, tree=0, road=100)
    assert found.to_json()["mlabel_IoU_translated"] == pytest.approx(50)
    assert "IoU on translation" in found.table()
