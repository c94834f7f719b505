"""The game's losses: values by hand, gradients by finite differences."""

import math

import pytest
import torch
from torch import nn

from daseg.losses.gan import BCEGANLoss, HingeGANLoss, LSGANLoss, gradient_penalty

LOGITS = [-2.0, 0.0, 0.5, 3.0]
LOSSES = [BCEGANLoss, LSGANLoss, HingeGANLoss]


def logits(dtype=torch.float64):
    return torch.tensor(LOGITS, dtype=dtype).view(1, 1, 2, 2)


def mean(function):
    return sum(map(function, LOGITS)) / len(LOGITS)


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


BY_HAND = [
    (BCEGANLoss, mean(lambda x: -math.log(sigmoid(x))), mean(lambda x: -math.log(1 - sigmoid(x)))),
    (LSGANLoss, (9 + 1 + 0.25 + 4) / 4, (4 + 0 + 0.25 + 9) / 4),
    (HingeGANLoss, (3 + 1 + 0.5 + 0) / 4, (0 + 1 + 1.5 + 4) / 4),
]


@pytest.mark.parametrize(("cls", "real", "fake"), BY_HAND)
def test_values_by_hand(cls, real, fake):
    loss = cls()
    assert loss(logits(), True).item() == pytest.approx(real)
    assert loss(logits(), False).item() == pytest.approx(fake)
    assert loss(logits(), real=True) < loss(logits() - 1, real=True)


def test_what_the_segmentor_minimises():
    assert BCEGANLoss().generator(logits()).item() == pytest.approx(BY_HAND[0][1])
    assert LSGANLoss().generator(logits()).item() == pytest.approx(BY_HAND[1][1])
    assert HingeGANLoss().generator(logits()).item() == pytest.approx(-sum(LOGITS) / 4)


@pytest.mark.parametrize("cls", LOSSES)
def test_the_segmentor_learns_from_logits_far_on_the_fake_side(cls):
    far = torch.full((1, 1, 1, 1), -30.0, requires_grad=True)
    cls().generator(far).backward()
    assert far.grad.item() < -0.5


@pytest.mark.parametrize("cls", LOSSES)
def test_scales_are_summed(cls):
    scales = (logits(), logits() + 0.3, logits()[..., :1])
    for real in (True, False):
        alone = [cls()(scale, real) for scale in scales]
        torch.testing.assert_close(cls()(scales, real), sum(alone))
    alone = [cls().generator(scale) for scale in scales]
    torch.testing.assert_close(cls().generator(list(scales)), sum(alone))


@pytest.mark.parametrize("cls", LOSSES)
@pytest.mark.parametrize("real", [True, False])
def test_gradients(cls, real):
    x = (logits() + 0.1).requires_grad_()  # away from the hinges
    assert torch.autograd.gradcheck(lambda x: cls()(x, real), x)
    assert torch.autograd.gradcheck(cls().generator, x)


def test_accuracy_is_the_share_of_right_answers():
    # Above 0: 0.5 and 3; for least squares, above 0.5: only 3.
    for cls, above in ((BCEGANLoss, 2), (HingeGANLoss, 2), (LSGANLoss, 1)):
        loss = cls()
        assert loss.accuracy(logits(), real=True).item() == above / 4
        assert loss.accuracy(logits(), real=False).item() == 1 - above / 4
        scales = [logits(), torch.full((1, 1, 1, 4), 9.0)]
        assert loss.accuracy(scales, real=True).item() == (above + 4) / 8


@pytest.mark.parametrize("cls", LOSSES)
def test_half_precision_is_measured_in_float32(cls):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for value in (cls()(logits(torch.bfloat16), True), cls().generator(logits(torch.float16))):
            assert value.dtype is torch.float32
    # In half precision the square would be infinite.
    assert LSGANLoss()(torch.full((1, 1, 1, 1), 1e4, dtype=torch.float16), False) == 1e8


def test_penalty_of_a_linear_map_is_its_squared_weights():
    weight = torch.tensor([2.0, -1.0, 0.5], dtype=torch.float64, requires_grad=True)
    maps = torch.randn(4, 3, 2, 5, dtype=torch.float64, requires_grad=True)
    judged = (maps * weight.view(1, 3, 1, 1)).sum(1, keepdim=True)
    penalty = gradient_penalty(judged, maps)
    assert penalty.item() == pytest.approx(10 * (4 + 1 + 0.25))  # at each of 2x5 pixels
    penalty.backward()
    torch.testing.assert_close(weight.grad, 10 * 2 * weight.detach())


def test_penalty_is_a_mean_over_images_and_a_sum_over_scales():
    maps = torch.tensor([1.0, 3.0], dtype=torch.float64).view(2, 1, 1, 1).requires_grad_()
    square, cube = maps**2, maps**3  # derivatives 2x and 3x^2
    expected_square, expected_cube = (4 + 36) / 2, (9 + 729) / 2
    assert gradient_penalty(square, maps).item() == pytest.approx(expected_square)
    both = gradient_penalty((square, cube), maps)
    assert both.item() == pytest.approx(expected_square + expected_cube)


def test_penalty_agrees_with_finite_differences():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.Tanh(), nn.Conv2d(3, 1, 3)).double()
    maps = torch.rand(2, 2, 4, 4, dtype=torch.float64, requires_grad=True)

    def penalty():
        return gradient_penalty(net(maps), maps)

    step, total = 1e-6, 0.0
    for place in range(maps.numel()):
        moved = maps.detach().flatten().repeat(2, 1)
        moved[0, place] += step
        moved[1, place] -= step
        plus, minus = (net(m.view_as(maps)).sum().item() for m in moved)
        total += ((plus - minus) / (2 * step)) ** 2
    assert penalty().item() == pytest.approx(total / 2, rel=1e-6)

    bias = net[0].bias  # the gradient of the gradient reaches the parameters
    (gradient,) = torch.autograd.grad(penalty(), bias)
    with torch.no_grad():
        bias[0] += step
    plus = penalty().item()
    with torch.no_grad():
        bias[0] -= 2 * step
    assert gradient[0].item() == pytest.approx((plus - penalty().item()) / (2 * step), rel=1e-4)
