"""Hard example mining, with probabilities chosen by hand."""

import math

import pytest
import torch

from daseg.losses import CrossEntropyLoss, OHEMCrossEntropyLoss
from daseg.utils.errors import ConfigError

# Probability of the true class at eight pixels, the last of which has no label.
PROB = [0.95, 0.60, 0.90, 0.20, 0.80, 0.99, 0.71, 0.10]


def example() -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (1,2,1,8) that give class 0 the probabilities above; target 0, the last 255."""
    prob = torch.tensor(PROB, dtype=torch.float64)
    logits = torch.stack([prob.log(), (1 - prob).log()])[None, :, None]
    target = torch.zeros(1, 1, 8, dtype=torch.long)
    target[..., -1] = 255
    return logits, target


def mean_loss(probs: list[float]) -> float:
    return sum(-math.log(prob) for prob in probs) / len(probs)


def test_threshold_decides_where_enough_pixels_are_hard():
    logits, target = example()
    loss = OHEMCrossEntropyLoss(threshold=0.7, keep_fraction=1 / 8)
    assert loss.hard_pixels(logits, target).flatten().nonzero().flatten().tolist() == [1, 3]
    assert loss(logits, target).item() == pytest.approx(mean_loss([0.60, 0.20]))


def test_hardest_are_taken_where_too_few_are_hard():
    logits, target = example()
    loss = OHEMCrossEntropyLoss(threshold=0.1, keep_fraction=3 / 8)
    assert loss(logits, target).item() == pytest.approx(mean_loss([0.20, 0.60, 0.71]))


def test_nothing_below_the_threshold_and_nothing_to_keep_is_zero():
    logits, target = example()
    assert OHEMCrossEntropyLoss(threshold=0.0, keep_fraction=0.0)(logits, target).item() == 0


@pytest.mark.parametrize("options", [dict(threshold=1.0), dict(keep_fraction=1.0)])
def test_keeping_all_is_plain_cross_entropy(options):
    logits, target = example()
    expected = CrossEntropyLoss()(logits, target)
    torch.testing.assert_close(OHEMCrossEntropyLoss(**options)(logits, target), expected)


def test_pixels_without_label_are_never_hard():
    logits, target = example()
    hard = OHEMCrossEntropyLoss(keep_fraction=1.0).hard_pixels(logits, target)
    assert hard.flatten().tolist() == [True] * 7 + [False]


def test_only_hard_pixels_get_a_gradient():
    logits, target = example()
    logits.requires_grad_()
    OHEMCrossEntropyLoss(threshold=0.7, keep_fraction=0.0)(logits, target).backward()
    moved = logits.grad.abs().sum(1).flatten() > 0
    assert moved.tolist() == [False, True, False, True, False, False, False, False]


def test_weights_weigh_but_do_not_choose():
    logits, target = example()
    weight = torch.ones(1, 1, 8, dtype=torch.float64)
    weight[..., 3] = 0.5
    loss = OHEMCrossEntropyLoss(threshold=0.7, keep_fraction=0.0)(logits, target, weight)
    assert loss.item() == pytest.approx((-math.log(0.60) - 0.5 * math.log(0.20)) / 2)


@pytest.mark.parametrize("name", ["threshold", "keep_fraction"])
def test_shares_out_of_range(name):
    with pytest.raises(ConfigError, match=rf"{name} of OHEMCrossEntropyLoss must be in 0\.\.1"):
        OHEMCrossEntropyLoss(**{name: 1.5})
