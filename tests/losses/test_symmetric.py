"""Symmetric cross-entropy, by hand."""

import math

import pytest
import torch

from daseg.losses import CrossEntropyLoss, SymmetricCrossEntropyLoss
from daseg.utils.errors import ConfigError

PROB = [[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.3, 0.3, 0.4]]  # three pixels


def example(dtype=torch.float64):
    logits = torch.tensor(PROB, dtype=dtype).log().T.reshape(1, 3, 1, 3)
    return logits, torch.tensor([[[0, 2, 255]]])


def both(p, alpha=0.1, beta=1.0, a=-4.0):
    """Of a pixel whose label has probability p; the other classes' log(0) is a."""
    return alpha * -math.log(p) + beta * -(1 - p) * a


def test_value_by_hand():
    logits, label = example()
    found = SymmetricCrossEntropyLoss()(logits, label)
    assert found.item() == pytest.approx((both(0.7) + both(0.3)) / 2)
    other = SymmetricCrossEntropyLoss(alpha=2.0, beta=0.5, log_zero=-6.0)(logits, label)
    expected = both(0.7, 2, 0.5, -6) + both(0.3, 2, 0.5, -6)
    assert other.item() == pytest.approx(expected / 2)


def test_reverse_cross_entropy_as_its_definition_says():
    """``-sum_k p_k log(q_k)``, with a one-hot label of which log(0) is -4."""
    logits, label = example()
    log_label = torch.tensor([[0.0, -4, -4], [-4, -4, 0]])
    expected = -(torch.tensor(PROB)[:2] * log_label).sum(1).mean()
    found = SymmetricCrossEntropyLoss(alpha=0.0)(logits, label)
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)


def test_without_its_reverse_it_is_the_cross_entropy():
    logits, label = example()
    options = dict(class_weights=[1.0, 2.0, 5.0])
    found = SymmetricCrossEntropyLoss(alpha=1.0, beta=0.0, **options)(logits, label)
    torch.testing.assert_close(found, CrossEntropyLoss(**options)(logits, label))


def test_class_and_pixel_weights():
    logits, label = example()
    loss = SymmetricCrossEntropyLoss(class_weights=[1.0, 2.0, 5.0])
    weight = torch.tensor([[[0.5, 1.0, 9.0]]])
    found = loss(logits, label, weight)
    assert found.item() == pytest.approx((0.5 * both(0.7) + 5 * both(0.3)) / 6)


def test_a_part_of_a_batch_is_divided_by_the_whole():
    logits, label = example()
    pixels = torch.tensor(5.0) / 2  # in a batch of two images
    found = SymmetricCrossEntropyLoss()(logits, label, normalizer=pixels)
    assert 0.5 * found.item() == pytest.approx((both(0.7) + both(0.3)) / 5)


def test_a_wrong_label_pulls_less_than_in_a_cross_entropy():
    """Of a pixel that is sure of another class: its reverse part has all but no gradient."""
    pulls = []
    for loss in (SymmetricCrossEntropyLoss(alpha=0.0), CrossEntropyLoss()):
        logits = torch.tensor([10.0, 0.0]).view(1, 2, 1, 1).requires_grad_()
        loss(logits, torch.tensor([[[1]]])).backward()
        pulls.append(logits.grad.abs().max().item())
    assert pulls[0] < 1e-3
    assert pulls[1] > 0.99


def test_without_any_label_it_is_zero_with_a_gradient_of_zero():
    logits = torch.randn(1, 3, 1, 3).requires_grad_()
    loss = SymmetricCrossEntropyLoss()(logits, torch.full((1, 1, 3), 255))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad.abs().sum() == 0


def test_half_precision():
    logits, label = example(torch.float32)
    found = SymmetricCrossEntropyLoss()(logits.bfloat16(), label)
    assert found.dtype is torch.float32


@pytest.mark.parametrize(
    "options", [dict(alpha=-1.0), dict(alpha=0.0, beta=0.0), dict(log_zero=0.0)]
)
def test_numbers_out_of_range(options):
    with pytest.raises(ConfigError, match="SymmetricCrossEntropyLoss needs alpha and beta of at l"):
        SymmetricCrossEntropyLoss(**options)
