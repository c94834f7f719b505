"""Divergence of two heads from their common prediction."""

import math

import pytest
import torch

from daseg.losses import MemoryRegularizationLoss


def kl(p, q):
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def test_value_by_hand():
    main, aux = [0.6, 0.3, 0.1], [0.2, 0.2, 0.6]
    common = [m * math.sqrt(a) for m, a in zip(main, aux, strict=True)]  # exp(main + aux / 2)
    common = [c / sum(common) for c in common]
    logits = [torch.tensor(p).log().double().view(1, 3, 1, 1) for p in (main, aux)]
    found = MemoryRegularizationLoss()(logits[0], logits[1])
    assert found.item() == pytest.approx(kl(common, main) + kl(common, aux), rel=1e-6)


def test_heads_that_agree_diverge_only_by_their_weight():
    logits = torch.randn(1, 4, 2, 3)
    assert MemoryRegularizationLoss(aux_weight=0.0)(logits, logits).item() == pytest.approx(
        0, abs=1e-6
    )
    # The common prediction is sharper than either.
    assert MemoryRegularizationLoss()(logits, logits).item() > 0.01


def test_the_common_prediction_gets_no_gradient():
    torch.manual_seed(0)
    main, aux = (torch.randn(2, 4, 3, 3, dtype=torch.float64) for _ in range(2))
    common = (main + 0.5 * aux).softmax(1)
    main.requires_grad_()
    aux.requires_grad_()
    MemoryRegularizationLoss()(main, aux).backward()
    for head in (main, aux):  # the gradient of KL(m || softmax(x)) is softmax(x) - m
        expected = (head.detach().softmax(1) - common) / (2 * 3 * 3)
        torch.testing.assert_close(head.grad, expected)


def test_half_precision_is_measured_in_float32():
    logits = torch.randn(1, 4, 2, 3).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = MemoryRegularizationLoss()(logits, logits.flip(1))
    assert loss.dtype is torch.float32
    exact = MemoryRegularizationLoss()(logits.double(), logits.flip(1).double())
    assert loss.item() == pytest.approx(exact.item(), rel=1e-5)


def test_sure_heads_that_disagree_are_far_apart_but_not_infinitely():
    main = torch.tensor([200.0, 0.0]).view(1, 2, 1, 1)
    loss = MemoryRegularizationLoss()(main, main.flip(1))
    assert loss.item() == pytest.approx(200)  # the main head wins: KL to the other is 200
