"""Counting bytes with OpenCV gives what counting numbers gives, and what counting by hand gives."""

from collections import Counter

import numpy as np
import pytest
import torch

from daseg.evaluation import confusion
from daseg.evaluation.confusion import PredictionError, confusion_matrix


def maps(num_classes, size=(37, 53), ignored=255):
    generator = torch.Generator().manual_seed(num_classes)
    pred, label = torch.randint(0, num_classes, (2, *size), generator=generator)
    label[torch.rand(size, generator=generator) < 0.2] = ignored
    return pred, label


def by_hand(pred, label, num_classes, ignored):
    pairs = zip(label.flatten().tolist(), pred.flatten().tolist(), strict=True)
    counts = Counter(pair for pair in pairs if pair[0] != ignored)
    return [[counts[row, column] for column in range(num_classes)] for row in range(num_classes)]


@pytest.mark.parametrize("dtypes", [("uint8", "uint8"), ("uint8", "int64"), ("int64", "int32")])
@pytest.mark.parametrize(("num_classes", "ignored"), [(2, 255), (19, 255), (19, 3), (200, 255)])
def test_bytes_are_counted_right(num_classes, ignored, dtypes):
    pred, label = maps(num_classes, ignored=ignored)
    typed = [m.to(getattr(torch, name)) for m, name in zip((pred, label), dtypes, strict=True)]
    expected = by_hand(pred, label, num_classes, ignored)
    found = confusion_matrix(*typed, num_classes, ignored)
    assert found.tolist() == expected
    assert found.dtype == np.int64
    general = confusion._general(pred.flatten(), label.flatten(), num_classes, ignored)
    assert general.tolist() == expected
    turned = [m.T for m in typed]  # not contiguous
    assert confusion_matrix(*turned, num_classes, ignored).tolist() == expected


@pytest.mark.parametrize(("num_classes", "ignored"), [(19, -1), (19, 65535), (400, 1000)])
def test_numbers_that_are_no_bytes(num_classes, ignored):
    pred, label = maps(num_classes, ignored=ignored)
    expected = by_hand(pred, label, num_classes, ignored)
    assert confusion_matrix(pred, label, num_classes, ignored).tolist() == expected


def test_more_pixels_than_float32_counts():
    pred = torch.zeros(2**24 + 3, 2, dtype=torch.uint8)
    label = torch.zeros_like(pred)
    label[-1] = 1
    assert confusion_matrix(pred, label, 2).tolist() == [[2**25 + 4, 0], [2, 0]]


@pytest.mark.parametrize("far", [7, 900])  # a byte, and none
def test_values_that_are_no_class(far):
    pred, label = torch.zeros(2, 3, 4, dtype=torch.int64)
    label[0, 0], label[0, 1], label[1] = far, 5, 255
    with pytest.raises(ValueError, match=rf"the label holds \[5, {far}\], but there are 4 classes"):
        confusion_matrix(pred, label, 4)
    label[0], pred[1] = 0, far  # not labelled: no matter
    assert confusion_matrix(pred, label, 4)[0, 0] == 8
    pred[2, 1] = far
    with pytest.raises(PredictionError, match=rf"the prediction holds \[{far}\], but there are 4"):
        confusion_matrix(pred, label, 4)


def test_nothing_is_counted_of_nothing():
    empty = torch.zeros(0, 4, dtype=torch.uint8)
    assert confusion_matrix(empty, empty, 3).tolist() == [[0] * 3] * 3
