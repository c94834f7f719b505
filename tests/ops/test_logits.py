"""Functions of logits and labels."""

import math

import pytest
import torch

from daseg.ops.logits import class_pixels, entropy, self_information


def test_self_information_per_class():
    logits = torch.tensor([0.5, 0.25, 0.25]).log().view(1, 3, 1, 1)
    expected = torch.tensor([0.5, 0.5, 0.5]) / math.log2(3)  # p * -log2 p
    torch.testing.assert_close(self_information(logits).flatten(), expected)
    assert self_information(logits.bfloat16()).dtype is torch.float32


def test_entropy_is_between_certain_and_uniform():
    assert entropy(torch.zeros(1, 5, 1, 1)).item() == pytest.approx(1)
    certain = torch.tensor([0.0, 1000.0]).view(1, 2, 1, 1)
    assert entropy(certain).item() == 0
    halves = torch.tensor([0.0, 0.0, -1000.0, -1000.0]).view(1, 4, 1, 1)
    assert entropy(halves.bfloat16()).item() == pytest.approx(0.5)


def test_pixels_without_a_class_are_not_counted():
    label = torch.tensor([[0, 2, 2], [255, 2, 255]])
    assert class_pixels(label, 3).tolist() == [1, 0, 3]
    assert class_pixels(label.byte(), 3).tolist() == [1, 0, 3]
    assert class_pixels(torch.tensor([-1, 1, 7]), 3).tolist() == [0, 1, 0]
