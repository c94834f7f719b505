"""Objectives on pseudo-labels of the target."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from daseg.adaptation import DomainAdapter
from daseg.engine.optim import OptimizersByNetwork
from daseg.losses import RectifiedCrossEntropyLoss, SymmetricCrossEntropyLoss
from daseg.objectives import PseudoLabel, RectifiedPseudoLabel, View
from daseg.segmentor import Segmentor
from daseg.utils.errors import ConfigError, LabelFirewallError
from outputs import all_logits, seg_output

SIZE = (9, 13)


def target(aux=True, pseudo=True, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 4, 3, 4, generator=generator).to(dtype).requires_grad_()
    aux_logits = torch.randn(2, 4, 5, 7, generator=generator).to(dtype).requires_grad_()
    label = torch.randint(0, 4, (2, *SIZE), generator=generator)
    label[0, :5] = 255
    output = seg_output(logits, aux_logits if aux else None)
    return View(
        lambda _: output,
        torch.zeros(2, 3, *SIZE),
        label if pseudo else None,
        align_corners=True,
        domain="target",
    )


def full_size(logits):
    return F.interpolate(logits.float(), SIZE, mode="bilinear", align_corners=True)


def inner(label, width):
    """The label with its border ignored, pixel by pixel."""
    result = label.clone()
    for y in range(SIZE[0]):
        for x in range(SIZE[1]):
            if min(y, x, SIZE[0] - 1 - y, SIZE[1] - 1 - x) < width:
                result[:, y, x] = 255
    return result


@pytest.mark.parametrize("border", [0, 1, 3])
def test_cross_entropy_of_both_heads(border):
    view = target()
    losses = PseudoLabel(weight=2.0, aux_weight=0.5, ignore_border=border).target_losses(view)
    assert losses.keys() == {"loss_pseudo", "loss_pseudo_aux"}
    label = inner(view.pseudo_label, border)
    for key, weight, logits in zip(losses, (2.0, 0.5), all_logits(view.output), strict=True):
        expected = weight * F.cross_entropy(full_size(logits), label, ignore_index=255)
        torch.testing.assert_close(losses[key], expected)
    assert (view.pseudo_label[1] != 255).all(), "the batch's labels stay as they are"


def test_another_loss_another_name_and_one_head():
    view = target(aux=False)
    objective = PseudoLabel(loss=dict(type="SymmetricCrossEntropyLoss", alpha=0.3), name="b")
    losses = objective.target_losses(view)
    expected = SymmetricCrossEntropyLoss(alpha=0.3)(
        full_size(view.output.logits), view.pseudo_label
    )
    assert losses.keys() == {"loss_pseudo_b"}
    torch.testing.assert_close(losses["loss_pseudo_b"], expected)
    assert objective.is_active(0)
    assert objective.reads == ("target",)


def prepared(**options):
    objective = RectifiedPseudoLabel(**options)
    objective.prepare(SimpleNamespace(head_names=("main", "aux"), num_classes=4))
    return objective


@pytest.mark.parametrize("border", [0, 2])
def test_rectified_of_both_heads(border):
    view = target()
    balance = dict(max_weight=3.0, rare_pixels=30)
    losses = prepared(weight=2.0, ignore_border=border, **balance).target_losses(view)
    assert losses.keys() == {"loss_rectified", "loss_rectified_aux"}
    main, aux = (full_size(logits) for logits in all_logits(view.output))
    label = inner(view.pseudo_label, border)
    loss = RectifiedCrossEntropyLoss(num_classes=4, **balance)
    torch.testing.assert_close(losses["loss_rectified"], 2 * loss(main, label, aux))
    torch.testing.assert_close(losses["loss_rectified_aux"], 0.5 * loss(aux, label, main))


def test_half_precision():
    for objective in (PseudoLabel(), prepared()):
        losses = objective.target_losses(target(dtype=torch.bfloat16))
        assert {loss.dtype for loss in losses.values()} == {torch.float32}


def test_errors():
    view = target(pseudo=False)
    with pytest.raises(ConfigError, match=r"PseudoLabel needs pseudo-labels, but .* has none: mak"):
        PseudoLabel().target_losses(view)
    with pytest.raises(ConfigError, match="RectifiedPseudoLabel needs pseudo-labels"):
        prepared().target_losses(view)
    with pytest.raises(ConfigError, match="RectifiedPseudoLabel needs an auxiliary head"):
        RectifiedPseudoLabel().prepare(SimpleNamespace(head_names=("main",), num_classes=4))
    with pytest.raises(ConfigError, match="PseudoLabel: ignore_border is at least 0, not -1"):
        PseudoLabel(ignore_border=-1)
    with pytest.raises(LabelFirewallError):
        _ = target().label


class Backbone(nn.Module):
    """One convolution and a group norm, which looks at one image at a time."""

    out_channels = (8, 8)

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.GroupNorm(2, 8)

    def forward(self, image):
        found = self.norm(self.conv(image)).relu()
        return found, found * 2


class Head(nn.Conv2d):
    """A linear classifier of one feature map."""

    def __init__(self, index):
        super().__init__(8, 4, 1)
        self.index = index

    def forward(self, features):
        return super().forward(features[self.index])


def batch(seed, count=5, size=(16, 20)):
    """Images with very different numbers of (pseudo-)labels; one has none."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (2, count, 3, *size), generator=generator).byte()
    labels = torch.randint(0, 4, (2, count, *size), generator=generator)
    for index, rows in enumerate((16, 15, 8, 0, 3)):
        labels[:, index, :rows] = 255
    labels[1, 4][labels[1, 4] == 3] = 255
    source = dict(image=images[0], label=labels[0])
    return dict(source=source, target=dict(image=images[1] // 2, pseudo_label=labels[1]))


def trained(objectives, micro_batch, steps=2):
    torch.manual_seed(0)
    segmentor = Segmentor(Backbone(), Head(-1), Head(-2), num_classes=4)
    built = [dict(type="Supervised"), *objectives]
    adapter = DomainAdapter(segmentor, built, micro_batch=micro_batch).double().train()
    sgd = dict(optimizer=dict(type="SGD", lr=0.05, momentum=0.9))
    wrappers = OptimizersByNetwork(dict(segmentor=sgd))(adapter)
    logs = [adapter.train_step(batch(seed), wrappers) for seed in range(steps)]
    return adapter.state_dict(), logs


@pytest.mark.parametrize("border", [0, 2])
@pytest.mark.parametrize("micro_batch", [1, 2, 3])
def test_parts_of_a_batch_make_the_step_of_the_whole(border, micro_batch):
    weights = [0.5, 1.0, 3.0, 7.0]
    objectives = [
        dict(type="PseudoLabel", ignore_border=border),
        dict(
            type="PseudoLabel",
            name="symmetric",
            loss=dict(type="SymmetricCrossEntropyLoss", class_weights=weights),
            ignore_border=border,
        ),
        dict(type="RectifiedPseudoLabel", max_weight=3.0, rare_pixels=60, ignore_border=border),
    ]
    whole, logs = trained(objectives, None)
    parts, found = trained(objectives, micro_batch)
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, atol=1e-9, rtol=1e-9, msg=name)
    for one, other in zip(logs, found, strict=True):
        assert one.keys() == other.keys()
        assert {k: v.item() for k, v in other.items()} == pytest.approx(
            {k: v.item() for k, v in one.items()}, rel=1e-9
        )
    running = next(v for k, v in whole.items() if k.endswith("running"))
    assert (running >= 1).all()


def test_the_step_learns_the_pseudo_labels_and_not_the_source_alone():
    _, before = trained([dict(type="PseudoLabel")], None, steps=1)
    state, _ = trained([], None, steps=1)
    other, _ = trained([dict(type="PseudoLabel")], None, steps=1)
    assert before[0]["loss_pseudo"] > 0
    assert any(not torch.equal(state[key], other[key]) for key in state)
