"""Entropy and squares: bounds, values by hand, gradients."""

import math

import numpy as np
import pytest
import torch

from daseg.losses import EntropyLoss, InformationLoss, MaxSquareLoss, RobustEntropyLoss, entropy
from daseg.utils.errors import ConfigError


def random_logits():
    return torch.randn(2, 4, 3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def sure(dtype=torch.float32):
    return torch.tensor([0.0, 1e4, 0.0]).to(dtype).view(1, 3, 1, 1).repeat(2, 1, 4, 4)


@pytest.mark.parametrize("classes", [2, 3, 19])
def test_entropy_is_one_where_all_classes_are_alike(classes):
    assert EntropyLoss()(torch.zeros(2, classes, 4, 4)).item() == pytest.approx(1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_entropy_is_zero_where_one_class_is_sure(dtype):
    logits = sure(dtype).requires_grad_()
    loss = EntropyLoss()(logits)
    loss.backward()
    assert loss.dtype is torch.float32
    assert loss.item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))  # and not nan


def test_entropy_of_given_probabilities():
    prob = torch.tensor([[0.5, 0.25, 0.125, 0.125], [1 / 3, 1 / 3, 1 / 6, 1 / 6]]).double()
    bits = [1.75, 2 / 3 * math.log2(3) + 1 / 3 * math.log2(6)]
    logits = prob.log().T.reshape(1, 4, 1, 2) + 7  # a shift of all classes changes nothing
    assert EntropyLoss()(logits).item() == pytest.approx(sum(bits) / 2 / math.log2(4))


@pytest.mark.parametrize("eta", [0.5, 1.5, 2.0])
def test_robust_entropy_equals_numpy(eta):
    logits = 2 * random_logits()
    prob = np.exp(logits.numpy())
    prob /= prob.sum(1, keepdims=True)
    entropy = -(prob * np.log(prob)).sum(1) / np.log(4)
    expected = ((entropy**2 + 1e-6) ** eta).mean()
    assert RobustEntropyLoss(eta=eta)(logits).item() == pytest.approx(expected)


def test_robust_entropy_at_its_ends():
    assert RobustEntropyLoss(eta=2.0)(torch.zeros(1, 5, 2, 2)).item() == pytest.approx(1, abs=1e-5)
    logits = sure().requires_grad_()
    loss = RobustEntropyLoss(eta=0.5)(logits)
    loss.backward()
    assert loss.item() == pytest.approx(0.001)
    assert torch.equal(logits.grad, torch.zeros_like(logits))  # and not nan


def test_robust_entropy_is_driven_by_undecided_pixels():
    # Nearly sure, and undecided, each between two of two classes.
    logits = torch.tensor([[4.0, 0.2], [0.0, 0.0]]).view(1, 2, 1, 2)

    def pull(loss):  # of the undecided pixel, compared with the nearly sure one
        (grad,) = torch.autograd.grad(loss(given), given)
        return (grad[0, 0, 0, 1] / grad[0, 0, 0, 0]).item()

    given = logits.requires_grad_()
    assert pull(RobustEntropyLoss(eta=2.0)) > 50 * pull(EntropyLoss())


@pytest.mark.parametrize("eta", [0.0, -1.0, float("nan")])
def test_eta_out_of_range_is_refused(eta):
    with pytest.raises(ConfigError, match="eta of RobustEntropyLoss must be above 0, got"):
        RobustEntropyLoss(eta=eta)


def test_squares_by_hand():
    assert MaxSquareLoss()(sure()).item() == pytest.approx(-0.5)
    assert MaxSquareLoss()(torch.zeros(2, 5, 3, 3)).item() == pytest.approx(-0.5 / 5)
    logits = torch.tensor([0.7, 0.2, 0.1]).log().view(1, 3, 1, 1)
    assert MaxSquareLoss()(logits).item() == pytest.approx(-0.5 * (0.49 + 0.04 + 0.01))


def test_squares_balanced_by_hand():
    # Two images of four pixels: three of class 0 and one of class 1; all of class 1.
    prob = torch.tensor([[0.8, 0.6, 0.9, 0.3], [0.1, 0.2, 0.3, 0.4]]).double()
    logits = torch.stack([prob.log(), (1 - prob).log()], dim=1).view(2, 2, 2, 2)
    squares = (prob**2 + (1 - prob) ** 2).tolist()
    alpha = 0.2
    first = sum(squares[0][:3]) / (3**alpha * 4 ** (1 - alpha)) + squares[0][3] / 4 ** (1 - alpha)
    second = sum(squares[1]) / 4
    expected = -0.5 * (first + second) / 2
    assert MaxSquareLoss(balance=alpha)(logits).item() == pytest.approx(expected)


def test_balanced_and_plain_agree_where_one_class_is_predicted():
    logits = random_logits()
    logits[:, 2] += 20
    balanced = MaxSquareLoss(balance=0.2)(logits)
    torch.testing.assert_close(balanced, MaxSquareLoss()(logits))


@pytest.mark.parametrize(
    "loss", [EntropyLoss(), RobustEntropyLoss(), MaxSquareLoss(), MaxSquareLoss(balance=0.3)]
)
def test_gradients(loss):
    assert torch.autograd.gradcheck(loss, random_logits().requires_grad_())
    assert loss(random_logits().bfloat16()).dtype is torch.float32


def test_balance_out_of_range_is_refused():
    with pytest.raises(ConfigError, match=r"balance of MaxSquareLoss must be in 0\.\.1, got 1\.2"):
        MaxSquareLoss(balance=1.2)


@pytest.mark.parametrize("diversity", [0.0, 0.5, 1.0])
def test_information_against_numpy(diversity):
    logits = 3 * torch.randn(2, 5, 4, 6, generator=torch.Generator().manual_seed(0)).double()
    prob = logits.softmax(1).numpy()
    each = -(prob * np.log(prob)).sum(1).mean() / np.log(5)
    mean = prob.mean((0, 2, 3))
    of_mean = -(mean * np.log(mean)).sum() / np.log(5)
    loss = InformationLoss(diversity=diversity)(logits)
    assert loss.item() == pytest.approx(each - diversity * of_mean)


def test_information_of_certain_predictions_is_finite_and_rewards_many_classes():
    classes = torch.arange(4).view(1, 2, 2)
    many = 200 * torch.nn.functional.one_hot(classes, 4).movedim(3, 1).float()
    one = 200 * torch.nn.functional.one_hot(classes * 0, 4).movedim(3, 1).float()
    for logits, expected in ((many, -1.0), (one, 0.0), (many * 0, 0.0)):
        logits.requires_grad_()
        loss = InformationLoss()(logits)
        loss.backward()
        assert loss.item() == pytest.approx(expected, abs=1e-6)
        assert logits.grad.isfinite().all()
    with pytest.raises(ConfigError, match="diversity of InformationLoss is at least 0, not -1"):
        InformationLoss(diversity=-1)


def test_information_of_processes_averages_to_that_of_all_their_pixels(monkeypatch):
    """Value and gradient; each half is in a process of its own."""
    logits = random_logits().requires_grad_()
    InformationLoss()(logits).backward()
    whole = logits.detach().softmax(1).mean((0, 2, 3), keepdim=True)
    monkeypatch.setattr(entropy, "mean_over_processes", lambda own: own.copy_(whole))
    halves = [half.detach().requires_grad_() for half in logits.chunk(2)]
    values = [InformationLoss()(half) for half in halves]
    torch.stack(values).mean().backward()
    torch.testing.assert_close(torch.stack(values).mean(), InformationLoss()(logits))
    torch.testing.assert_close(torch.cat([half.grad for half in halves]), logits.grad)
