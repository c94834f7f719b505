"""Balanced cross-entropy, on an example small enough to do by hand."""

import math

import numpy as np
import pytest
import torch

from daseg.losses import BalancedCrossEntropyLoss, CrossEntropyLoss
from daseg.utils.errors import ConfigError

# Ten pixels of one image; class 0 has six, class 1 three, class 2 none; the last has no label.
LABEL = [0, 0, 0, 0, 0, 0, 1, 1, 1, 255]
PROB = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.95, 0.9, 0.3, 0.1]  # of the true class


def example():
    label = torch.tensor(LABEL).view(1, 2, 5)
    prob = torch.empty(3, 10, dtype=torch.float64)
    for place, (k, p) in enumerate(zip(LABEL, PROB, strict=True)):
        prob[:, place] = (1 - p) / 2
        prob[min(k, 2), place] = p
    return prob.log().view(1, 3, 2, 5), label


def build(**options):
    options = dict(num_classes=3, rare_pixels=4, hard_percent=0.0) | options
    return BalancedCrossEntropyLoss(**options)


def weighted_mean(weights, pixels):
    entropies = [-math.log(PROB[i]) * weights[LABEL[i]] for i in pixels]
    return sum(entropies) / sum(weights[LABEL[i]] for i in pixels)


def test_rare_classes_weigh_more():
    logits, label = example()
    found = build(often=False)(logits, label)
    assert found.item() == pytest.approx(weighted_mean([1, 7], range(9)))
    # Three pixels are as many as it takes where the bound is three.
    found = build(often=False, rare_pixels=3, max_weight=5)(logits, label)
    assert found.item() == pytest.approx(weighted_mean([1, 1], range(9)))


def test_the_bound_grows_with_the_batch():
    logits, label = example()
    # Twelve and six pixels in two images; the bound is eight.
    found = build(often=False)(logits.repeat(2, 1, 1, 1), label.repeat(2, 1, 1))
    assert found.item() == pytest.approx(weighted_mean([1, 7], range(9)))


def test_absent_classes_gain_weight_slowly():
    logits, label = example()
    loss = build(rare_pixels=0)
    loss(logits, label)
    np.testing.assert_allclose(loss.running, [1, 1, 1.6])  # 0.9 * 1 + 0.1 * 7
    loss(logits, label.clone())
    np.testing.assert_allclose(loss.running, [1, 1, 0.9 * 1.6 + 0.7])
    # The class comes back, with the weight of that batch, which moves it down already.
    back = torch.where(label == 1, 2, label)
    found = loss(logits.index_select(1, torch.tensor([0, 2, 1])), back)
    running = [1, 1.6, 0.9 * (0.9 * 1.6 + 0.7) + 0.1]
    np.testing.assert_allclose(loss.running, running, rtol=1e-6)
    assert found.item() == pytest.approx(weighted_mean([1, running[2]], range(9)))


def test_two_heads_of_one_batch_move_the_weights_once():
    logits, label = example()
    loss, pixels = build(), torch.tensor(9.0)
    loss.begin_batch(label)
    first = loss(logits, label, normalizer=pixels)
    assert loss(logits, label, normalizer=pixels) == first
    assert build()(logits, label) == first  # without it the labels are a batch of their own
    np.testing.assert_allclose(loss.running, [1, 1, 1.6])


def test_nothing_moves_outside_of_training_and_the_state_is_saved():
    logits, label = example()
    loss = build()
    loss(logits, label)
    other = build().eval()
    other.load_state_dict(loss.state_dict())
    other(logits, label)
    np.testing.assert_allclose(other.running, [1, 1, 1.6])
    assert list(loss.state_dict()) == ["running"]


def test_only_the_hardest_pixels_count():
    logits, label = example()
    loss = build(often=False, rare_pixels=0, hard_percent=60)
    entropy = [-math.log(p) for p in PROB[:9]] + [0.0]
    limit = np.percentile(entropy, 60)
    hard = [i for i in range(9) if entropy[i] >= limit]
    assert hard == [3, 4, 5, 8]  # by eye: 0.6, 0.5, 0.4, 0.3
    chosen = loss.hard_pixels(logits, label, torch.ones(3).double())
    assert chosen.flatten().nonzero().flatten().tolist() == hard
    assert loss(logits, label).item() == pytest.approx(weighted_mean([1, 1], hard))


@pytest.mark.parametrize("percent", [1, 33.3, 50, 80, 99, 100])
@pytest.mark.parametrize("size", [(3, 7), (4, 5)])
def test_hard_pixels_are_those_above_numpys_percentile(percent, size):
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(2, 3, *size, generator=generator)
    label = torch.randint(0, 3, (2, *size), generator=generator)
    label[:, 0] = 255
    loss = build(hard_percent=percent, often=False, rare_pixels=10**6)
    entropy = torch.nn.functional.cross_entropy(
        logits, label, torch.full((3,), 7.0), ignore_index=255, reduction="none"
    ).numpy()
    expected = (entropy >= np.percentile(entropy, percent)) & (label.numpy() != 255)
    np.testing.assert_array_equal(
        loss.hard_pixels(logits, label, loss.class_weights(logits, label)).numpy(), expected
    )


def test_the_weights_take_part_in_the_choice():
    logits, label = example()
    # Weighed sevenfold, the pixels of class 1 are above those of class 0.
    # 7 * -log(.3) = 8.4, then -log(.4) = .92, 7 * -log(.9) = .74, ...: two of ten
    for percent, max_weight, expected in ((80, 7, [5, 8]), (70, 20, [6, 7, 8])):
        loss = build(often=False, hard_percent=percent, max_weight=max_weight)
        hard = loss.hard_pixels(logits, label, loss.class_weights(logits, label))
        assert hard.flatten().nonzero().flatten().tolist() == expected


def test_without_any_of_it_this_is_plain_cross_entropy():
    logits, label = example()
    plain = build(often=False, rare_pixels=0)(logits, label)
    torch.testing.assert_close(plain, CrossEntropyLoss()(logits, label))


def test_no_labelled_pixel_is_zero():
    logits, label = example()
    logits.requires_grad_()
    loss = build(hard_percent=80)(logits, torch.full_like(label, 255))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad.abs().max() == 0


def test_parts_of_a_batch_have_the_weights_of_the_whole():
    logits, label = example()
    other = torch.where(label == 1, 2, label)  # the second image has class 2 instead of 1
    whole_label = torch.cat([label, other])
    whole, parts = build(), build()
    whole(logits.repeat(2, 1, 1, 1), whole_label)
    pixels = torch.tensor(9.0)
    parts.begin_batch(whole_label)
    for part in (label, other):
        # Classes 1 and 2 have 1.5 pixels per image of the batch, and three in one of them.
        found = parts(logits, part, normalizer=pixels).item()
        alone = build(often=False, rare_pixels=4)(logits, part).item()
        assert found == pytest.approx(alone)
    torch.testing.assert_close(parts.running, whole.running)
    np.testing.assert_allclose(parts.running, [1, 1, 1])  # no class is absent from the whole


def test_wrong_options_are_refused():
    with pytest.raises(ConfigError, match=r"hard_percent of .* must be in 0\.\.100, got 101"):
        build(hard_percent=101)
    with pytest.raises(ConfigError, match=r"max_weight of .* must be positive, got 0"):
        build(max_weight=0)
    with pytest.raises(ConfigError, match=r"is 5, the model has 3 classes"):
        build(num_classes=5)(*example())
