"""Objectives on the target that need neither labels nor a discriminator."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from daseg.losses import MaxSquareLoss, MemoryRegularizationLoss, RobustEntropyLoss
from daseg.objectives import EntropyMinimization, MaxSquare, MemoryRegularization, View
from daseg.registry import OBJECTIVES
from daseg.utils.errors import ConfigError
from outputs import all_logits, seg_output


def target(aux=True, iteration=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 4, 3, 4, generator=generator).to(dtype).requires_grad_()
    aux_logits = torch.randn(2, 4, 5, 7, generator=generator).to(dtype).requires_grad_()
    output = seg_output(logits, aux_logits if aux else None)
    image = torch.zeros(2, 3, 9, 13)
    return View(lambda _: output, image, align_corners=True, domain="target", iteration=iteration)


def full_size(logits):
    return F.interpolate(logits.float(), (9, 13), mode="bilinear", align_corners=True)


def entropy(logits):
    prob = full_size(logits).softmax(1)
    return (-(prob * prob.log()).sum(1) / torch.tensor(4.0).log()).mean()


def test_entropy_of_both_heads():
    view = target()
    losses = EntropyMinimization().target_losses(view)
    assert losses.keys() == {"loss_entropy", "loss_entropy_aux"}
    torch.testing.assert_close(losses["loss_entropy"], 0.001 * entropy(view.output.logits))
    aux = 0.0002 * entropy(view.output.predictions["aux"].logits)
    torch.testing.assert_close(losses["loss_entropy_aux"], aux)
    losses = EntropyMinimization(weight=2.0, aux_weight=3.0, name="b").target_losses(view)
    torch.testing.assert_close(losses["loss_entropy_b"], 2 * entropy(view.output.logits))
    torch.testing.assert_close(
        losses["loss_entropy_aux_b"], 3 * entropy(view.output.predictions["aux"].logits)
    )


def test_entropy_by_another_measure():
    view = target()
    robust = dict(type="RobustEntropyLoss", eta=1.5)
    losses = EntropyMinimization(weight=0.005, aux_weight=0.1, loss=robust).target_losses(view)
    expected = RobustEntropyLoss(eta=1.5)
    main, aux = (full_size(logits) for logits in all_logits(view.output))
    torch.testing.assert_close(losses["loss_entropy"], 0.005 * expected(main))
    torch.testing.assert_close(losses["loss_entropy_aux"], 0.1 * expected(aux))
    built = EntropyMinimization(loss=expected)
    assert built.loss is expected


def test_squares_of_both_heads():
    view = target()
    losses = MaxSquare(weight=0.5, aux_weight=0.25).target_losses(view)
    assert losses.keys() == {"loss_max_square", "loss_max_square_aux"}
    for key, weight, logits in (
        ("loss_max_square", 0.5, view.output.logits),
        ("loss_max_square_aux", 0.25, view.output.predictions["aux"].logits),
    ):
        squares = full_size(logits).softmax(1).square().sum(1).mean()
        torch.testing.assert_close(losses[key], -0.5 * weight * squares)
    balanced = MaxSquare(weight=1.0, balance=0.2).target_losses(view)["loss_max_square"]
    expected = MaxSquareLoss(balance=0.2)(full_size(view.output.logits))
    torch.testing.assert_close(balanced, expected)
    assert balanced != MaxSquareLoss()(full_size(view.output.logits))


@pytest.mark.parametrize("cls", [EntropyMinimization, MaxSquare])
def test_with_one_head_there_is_one_loss_and_sureness_grows(cls):
    view = target(aux=False)
    losses = cls().target_losses(view)
    assert len(losses) == 1
    (loss,) = losses.values()
    loss.backward()
    logits = view.output.logits
    surer = seg_output(logits - 100 * logits.grad)
    after = View(lambda _: surer, view.image, align_corners=True, domain="target")
    (changed,) = cls().target_losses(after).values()
    assert changed < loss


def test_memory_of_both_heads_from_its_beginning_on():
    objective = MemoryRegularization(weight=0.3, begin=5, aux_weight=0.7)
    objective.prepare(SimpleNamespace(head_names=("main", "aux")))
    assert [objective.is_active(i) for i in (0, 4, 5, 6)] == [False, False, True, True]
    view = target(iteration=5)
    losses = objective.target_losses(view)
    assert losses.keys() == {"loss_memory"}
    heads = full_size(view.output.logits), full_size(view.output.predictions["aux"].logits)
    expected = 0.3 * MemoryRegularizationLoss(aux_weight=0.7)(*heads)
    torch.testing.assert_close(losses["loss_memory"], expected)
    named = MemoryRegularization(begin=0, name="late")
    assert named.target_losses(target()).keys() == {"loss_memory_late"}


def test_memory_starts_where_the_published_code_starts():
    objective = MemoryRegularization()
    assert not objective.is_active(14_999)
    assert objective.is_active(15_000)
    assert (objective.weight, objective.loss.aux_weight) == (0.1, 0.5)


def test_memory_needs_two_heads():
    with pytest.raises(ConfigError, match=r"MemoryRegularization needs an auxiliary head"):
        MemoryRegularization().prepare(SimpleNamespace(head_names=("main",)))


@pytest.mark.parametrize("name", ["EntropyMinimization", "MaxSquare", "MemoryRegularization"])
def test_half_precision_and_no_need_of_the_source(name):
    options = dict(begin=0) if name == "MemoryRegularization" else {}
    objective = OBJECTIVES.build(dict(type=name, **options))
    view = target(dtype=torch.bfloat16)
    losses = objective.target_losses(view)
    assert all(loss.dtype is torch.float32 for loss in losses.values())
    assert objective.is_active(0)
    assert objective.discriminator is None
    assert not objective.state_dict()
