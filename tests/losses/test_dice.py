"""Dice by hand."""

import pytest
import torch

from daseg.losses import DiceLoss


def example() -> tuple[torch.Tensor, torch.Tensor]:
    """Three classes of which the third has no label; the last pixel has none at all."""
    prob = torch.tensor([[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
    logits = prob.double().log().T.reshape(1, 3, 1, 4)
    return logits, torch.tensor([[[0, 1, 0, 255]]])


def test_by_hand():
    logits, target = example()
    # Class 0: p = .8 .3 .5, g = 1 0 1. Class 1: p = .1 .6 .3, g = 0 1 0. Class 2 is left out.
    dice0 = (2 * (0.8 + 0.5) + 1) / (0.64 + 0.09 + 0.25 + 2 + 1)
    dice1 = (2 * 0.6 + 1) / (0.01 + 0.36 + 0.09 + 1 + 1)
    assert DiceLoss()(logits, target).item() == pytest.approx(1 - (dice0 + dice1) / 2)


def test_by_hand_with_pixel_weights_and_no_smoothing():
    logits, target = example()
    weight = torch.tensor([[[0.5, 2.0, 1.0, 7.0]]], dtype=torch.float64)
    dice0 = 2 * (0.5 * 0.8 + 0.5) / (0.5 * 0.64 + 2 * 0.09 + 0.25 + 1.5)
    dice1 = 2 * 2 * 0.6 / (0.5 * 0.01 + 2 * 0.36 + 0.09 + 2)
    loss = DiceLoss(smooth=0.0)(logits, target, weight)
    assert loss.item() == pytest.approx(1 - (dice0 + dice1) / 2)


def test_perfect_is_zero_and_wrong_is_one():
    target = torch.tensor([[[0, 1, 1]]])
    right = torch.nn.functional.one_hot(target, 2).permute(0, 3, 1, 2) * 100.0
    assert DiceLoss(smooth=0.0)(right, target).item() == pytest.approx(0, abs=1e-6)
    assert DiceLoss(smooth=0.0)(-right, target).item() == pytest.approx(1)


def test_no_smoothing_and_absent_class_is_finite():
    logits = torch.tensor([[[[1000.0]], [[0.0]]]], requires_grad=True)
    DiceLoss(smooth=0.0)(logits, torch.tensor([[[0]]])).backward()
    assert torch.isfinite(logits.grad).all()
