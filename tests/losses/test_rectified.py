"""The rectified loss: the published code's values, and its parts by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from daseg.losses import RectifiedCrossEntropyLoss
from daseg.utils.errors import ConfigError

FIXTURES = Path(__file__).parents[1] / "fixtures/parity_fixtures.json"


def fixed_tensors():
    """The tensors that the published code was run on, by the recipe beside its results."""
    aux, main = (
        torch.from_numpy(np.random.RandomState(seed).standard_normal((2, 19, 9, 17))).float()
        for seed in (1, 2)
    )
    label = np.random.RandomState(3).randint(0, 19, (2, 9, 17))
    label[np.random.RandomState(4).rand(2, 9, 17) < 0.1] = 255
    return main, aux, torch.from_numpy(label)


def test_both_heads_have_the_published_codes_values():
    main, aux, label = fixed_tensors()
    expected = json.loads(FIXTURES.read_text())["losses"]
    loss = RectifiedCrossEntropyLoss()
    assert loss(main, label, aux).item() == pytest.approx(
        float(expected["rectified_main"]), rel=1e-6
    )
    assert loss(aux, label, main).item() == pytest.approx(
        float(expected["rectified_aux"]), rel=1e-6
    )


def by_hand(this, other, label, weights):
    """In numpy, pixel by pixel: probabilities (P,K), labels (P,)."""
    total = 0.0
    for p, q, y in zip(this, other, label, strict=True):
        variance = (q * np.log(q / p)).sum()
        ce = 0.0 if y == 255 else -weights[y] * np.log(p[y])
        total += np.exp(-variance) * ce + variance
    return total / len(label)


@pytest.mark.parametrize(("max_weight", "weights"), [(1.0, [1, 1, 1]), (5.0, [1, 5, 5 * 1.4])])
def test_rare_classes_and_pixels_without_a_label(max_weight, weights):
    """Five pixels of class 0, two of class 1 (rare), none of class 2, one without."""
    label = torch.tensor([0, 0, 0, 0, 0, 1, 1, 255]).view(1, 2, 4)
    rng = np.random.default_rng(0)
    prob = [rng.dirichlet([2, 2, 2], 8) for _ in range(2)]
    logits = [torch.from_numpy(p).log().T.reshape(1, 3, 2, 4) for p in prob]
    loss = RectifiedCrossEntropyLoss(num_classes=3, max_weight=max_weight, rare_pixels=3)
    found = loss(logits[0], label, logits[1])
    assert found.item() == pytest.approx(by_hand(*prob, label.flatten().numpy(), weights))


def test_running_weights_move_once_for_both_heads():
    label = torch.zeros(1, 2, 4, dtype=torch.long)
    main, aux = torch.randn(2, 1, 3, 2, 4)
    loss = RectifiedCrossEntropyLoss(num_classes=3, max_weight=7.0)
    pixels = torch.tensor(8.0)
    loss.begin_batch(label)
    assert loss(main, label, aux, pixels) != loss(aux, label, main, pixels)
    np.testing.assert_allclose(loss.running, [1, 1.6, 1.6])


def test_both_heads_get_the_gradient_of_finite_differences():
    torch.manual_seed(0)
    main, aux = (torch.randn(1, 3, 2, 2, dtype=torch.float64).requires_grad_() for _ in range(2))
    label = torch.tensor([[[0, 255], [2, 1]]])
    loss = RectifiedCrossEntropyLoss(num_classes=3, often=False)
    assert torch.autograd.gradcheck(lambda a, b: loss(a, label, b), (main, aux))
    loss(main, label, aux).backward()
    assert aux.grad.abs().sum() > 0.1, "the variance is not detached"


def test_heads_that_agree_make_it_a_cross_entropy_over_all_pixels():
    logits = torch.randn(1, 4, 3, 3)
    label = torch.randint(0, 4, (1, 3, 3))
    expected = torch.nn.functional.cross_entropy(logits, label)
    found = RectifiedCrossEntropyLoss(num_classes=4)(logits, label, logits)
    torch.testing.assert_close(found, expected)


def test_half_precision_is_measured_in_float32():
    main, aux = torch.randn(2, 1, 4, 3, 3).bfloat16()
    label = torch.randint(0, 4, (1, 3, 3))
    loss = RectifiedCrossEntropyLoss(num_classes=4)
    found = loss(main, label, aux)
    assert found.dtype is torch.float32
    exact = loss(main.double(), label, aux.double())
    assert found.item() == pytest.approx(exact.item(), rel=1e-5)


def test_errors_name_this_loss():
    with pytest.raises(ConfigError, match="max_weight of RectifiedCrossEntropyLoss must be pos"):
        RectifiedCrossEntropyLoss(max_weight=0)
    logits = torch.zeros(1, 3, 2, 2)
    with pytest.raises(ConfigError, match="num_classes of RectifiedCrossEntropyLoss is 19, the m"):
        RectifiedCrossEntropyLoss()(logits, torch.zeros(1, 2, 2, dtype=torch.long), logits)
