"""Cross-entropy against torch, by hand and by finite differences; what all losses share."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from daseg.losses import CrossEntropyLoss, DiceLoss, OHEMCrossEntropyLoss
from daseg.registry import LOSSES
from daseg.utils.errors import ConfigError, DataError

ALL = [CrossEntropyLoss, OHEMCrossEntropyLoss, DiceLoss]


def example(num_classes: int = 4, dtype: torch.dtype = torch.float64):
    """Logits (2,K,3,5), target (2,3,5) with some 255, weights (2,3,5)."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, num_classes, 3, 5, generator=generator, dtype=torch.float64)
    target = torch.randint(0, num_classes, (2, 3, 5), generator=generator)
    target[0, 0, :2] = target[1, 2, 4] = 255
    weight = torch.rand(2, 3, 5, generator=generator, dtype=torch.float64)
    return logits.to(dtype), target, weight


def test_published_value():
    """The value that the seed systems' cross-entropy gives on the same numbers."""
    random = np.random.RandomState
    logits = torch.tensor(random(2).standard_normal((2, 19, 9, 17)), dtype=torch.float32)
    label = random(3).randint(0, 19, (2, 9, 17))
    label[random(4).rand(2, 9, 17) < 0.1] = 255
    loss = CrossEntropyLoss(class_weights=[1.0] * 19)(logits, torch.tensor(label))
    assert loss.item() == pytest.approx(3.365389823913574, rel=1e-6)


@pytest.mark.parametrize("class_weights", [None, [0.5, 1.0, 2.0, 4.0]])
def test_equals_torch_without_pixel_weights(class_weights):
    logits, target, _ = example()
    weights = None if class_weights is None else torch.tensor(class_weights, dtype=torch.float64)
    expected = F.cross_entropy(logits, target, weights, ignore_index=255)
    loss = CrossEntropyLoss(class_weights=class_weights)(logits, target)
    torch.testing.assert_close(loss, expected)


def test_by_hand_with_both_weights():
    # Two labelled pixels of true class 0 and 1, each with probability 1/2: ce = ln 2.
    logits = torch.zeros(1, 2, 1, 3)
    target = torch.tensor([[[0, 1, 255]]])
    weight = torch.tensor([[[0.5, 0.25, 9.0]]])
    loss = CrossEntropyLoss(class_weights=[1.0, 3.0])(logits, target, weight)
    assert loss.item() == pytest.approx(np.log(2) * (0.5 * 1 + 0.25 * 3) / (1 + 3))


def test_pixel_weights_are_averaged_over_valid_pixels():
    logits, target, weight = example()
    valid = target != 255
    expected = 0.0
    for n, y, x in valid.nonzero().tolist():
        log_prob = logits[n, :, y, x] - logits[n, :, y, x].exp().sum().log()
        expected -= weight[n, y, x].item() * log_prob[target[n, y, x]].item()
    loss = CrossEntropyLoss()(logits, target, weight)
    assert loss.item() == pytest.approx(expected / valid.sum().item())
    half = CrossEntropyLoss()(logits, target, torch.full_like(weight, 0.5))
    torch.testing.assert_close(half, 0.5 * CrossEntropyLoss()(logits, target))


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("weighted", [False, True])
def test_gradient_is_that_of_finite_differences(kind, weighted):
    logits, target, weight = example()
    loss = kind()
    chosen = weight if weighted else None
    assert torch.autograd.gradcheck(
        lambda x: loss(x, target, chosen), (logits.requires_grad_(),), eps=1e-6
    )


@pytest.mark.parametrize("kind", ALL)
def test_all_ignored_is_zero_with_zero_gradient(kind):
    logits, target, weight = example()
    logits.requires_grad_()
    loss = kind()(logits, torch.full_like(target, 255), weight)
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_zero_class_weights_give_zero_not_nan():
    logits, target, _ = example()
    assert CrossEntropyLoss(class_weights=[0.0] * 4)(logits, target).item() == 0


@pytest.mark.parametrize("kind", ALL)
def test_ignored_pixels_get_no_gradient(kind):
    logits, target, _ = example()
    logits.requires_grad_()
    kind()(logits, target).backward()
    moved = logits.grad.abs().sum(1) > 0
    assert not moved[target == 255].any()
    assert moved.any()


@pytest.mark.parametrize("kind", ALL)
def test_half_precision_is_summed_in_float32(kind):
    # 70,000 terms of about 1: a sum in float16 would be inf, in bfloat16 it would stall.
    target = torch.randint(0, 3, (1, 200, 350), generator=torch.Generator().manual_seed(1))
    logits = torch.randn(1, 3, 200, 350, generator=torch.Generator().manual_seed(2))
    expected = kind()(logits, target)
    for dtype in (torch.bfloat16, torch.float16):
        loss = kind()(logits.to(dtype), target)
        assert loss.dtype == torch.float32
        torch.testing.assert_close(loss, expected, rtol=5e-3, atol=0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(kind()(logits, target), expected)


@pytest.mark.parametrize("kind", ALL)
def test_label_out_of_range_names_the_values(kind):
    logits, target, _ = example()
    target[0, 2, 2], target[1, 1, 1] = 4, -1
    with pytest.raises(DataError, match=r"labels \[-1, 4\] are out of range: .*4 classes \(0\.\.3"):
        kind()(logits, target)


@pytest.mark.parametrize("kind", ALL)
def test_size_mismatch_names_both_sizes(kind):
    logits, target, _ = example()
    with pytest.raises(ValueError, match=r"\(2, 4, 3, 5\) and \(2, 3, 4\)"):
        kind()(logits, target[..., :4])


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("ignore_index", [-1, 3])
def test_other_ignore_index(kind, ignore_index):
    logits, target, _ = example()
    other = torch.where(target == 3, 255, target)
    expected = kind()(logits, other)
    moved = torch.where(other == 255, ignore_index, other)
    torch.testing.assert_close(kind(ignore_index=ignore_index)(logits, moved), expected)


def test_wrong_number_of_class_weights():
    logits, target, _ = example()
    with pytest.raises(ConfigError, match="has 3 entries, the model has 4 classes"):
        CrossEntropyLoss(class_weights=[1, 2, 3])(logits, target)


def test_losses_are_registered_and_leave_no_trace_in_checkpoints():
    for kind in ALL:
        assert isinstance(LOSSES.build(dict(type=kind.__name__)), kind)
    assert not CrossEntropyLoss(class_weights=[1.0, 2.0]).state_dict()


@pytest.mark.cuda
@pytest.mark.parametrize("kind", ALL)
def test_cuda_equals_cpu_without_waiting_for_the_device(kind):
    logits, target, weight = example(dtype=torch.float32)
    weight = weight.float()
    expected = kind()(logits, target, weight)
    tensors = [each.cuda() for each in (logits, target, weight)]
    loss = kind().cuda()
    loss(*tensors)
    torch.cuda.set_sync_debug_mode("error")
    try:
        result = loss(*tensors)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    torch.testing.assert_close(result.cpu(), expected)


def test_the_mean_over_all_pixels_is_that_of_daformers_public_code():
    r = np.random.RandomState(81)
    logits = torch.from_numpy(r.standard_normal((2, 19, 9, 11)).astype("f4")).double()
    label = torch.from_numpy(r.randint(0, 19, (2, 9, 11)))
    label[torch.from_numpy(r.random_sample((2, 9, 11)) < 0.3)] = 255
    weight = torch.from_numpy(r.random_sample((2, 9, 11)).astype("f4"))
    assert (label == 255).sum() == 64  # of 198
    loss = CrossEntropyLoss(mean="all")
    assert loss.denominator(label) == 198
    assert loss(logits, label).item() == pytest.approx(2.27491458454, rel=1e-9)
    assert loss(logits, label, weight).item() == pytest.approx(1.22272501841, rel=1e-7)
    assert CrossEntropyLoss()(logits, label).item() == pytest.approx(3.36144095328, rel=1e-9)
    with pytest.raises(ConfigError, match="mean is 'labelled' or 'all', not 'valid'"):
        CrossEntropyLoss(mean="valid")
