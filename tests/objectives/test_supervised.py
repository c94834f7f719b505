"""The supervised objective: the losses of both heads, weighted."""

import pytest
import torch
import torch.nn.functional as F

from daseg.objectives import Objective, Supervised, View
from daseg.utils.errors import ConfigError
from outputs import seg_output


class Fixed:
    """A segmentor of fixed logits that counts its runs."""

    def __init__(self, aux=False):
        generator = torch.Generator().manual_seed(0)
        self.logits = torch.randn(2, 4, 3, 3, generator=generator)
        self.aux_logits = torch.randn(2, 4, 2, 2, generator=generator) if aux else None
        self.runs = 0

    def __call__(self, image):
        self.runs += 1
        return seg_output(self.logits, self.aux_logits)


def view(segmentor, label=True, align_corners=False):
    labels = torch.randint(0, 4, (2, 6, 6), generator=torch.Generator().manual_seed(1))
    labels[0, :2] = 255
    image = torch.zeros(2, 3, 6, 6)
    return View(segmentor, image, labels if label else None, align_corners=align_corners)


def cross_entropy(logits, label, align_corners):
    logits = F.interpolate(logits, (6, 6), mode="bilinear", align_corners=align_corners)
    return F.cross_entropy(logits, label, ignore_index=255)


@pytest.mark.parametrize("align_corners", [False, True])
def test_both_heads_are_compared_with_the_labels_at_full_size(align_corners):
    segmentor = Fixed(aux=True)
    source = view(segmentor, align_corners=align_corners)
    losses = Supervised(aux_weight=0.4).source_losses(source)
    assert losses.keys() == {"loss_seg", "loss_seg_aux"}
    main = cross_entropy(segmentor.logits, source.label, align_corners)
    aux = cross_entropy(segmentor.aux_logits, source.label, align_corners)
    torch.testing.assert_close(losses["loss_seg"], main)
    torch.testing.assert_close(losses["loss_seg_aux"], 0.4 * aux)


def test_without_the_head_there_is_no_auxiliary_loss():
    assert Supervised().source_losses(view(Fixed())).keys() == {"loss_seg"}


def test_any_loss_can_be_given_built_or_as_a_config():
    def zero(logits, label, weight, normalizer):
        return logits.sum() * 0

    source = view(Fixed())
    assert Supervised(zero).source_losses(source)["loss_seg"] == 0
    dice = Supervised(dict(type="DiceLoss")).source_losses(source)["loss_seg"]
    assert 0 < dice < 1
    own_mean = Supervised(lambda logits, label, weight: logits.sum() * 0 + 3)
    assert own_mean.source_losses(source)["loss_seg"] == 3
    with pytest.raises(ConfigError, match=r"called as loss\(logits, target, weight=None, nor"):
        Supervised(lambda logits, label: logits.sum())


def test_a_source_without_labels_says_what_to_change():
    with pytest.raises(ConfigError, match=r"Supervised needs labels.*remove labels=False"):
        Supervised().source_losses(view(Fixed(), label=False))


def test_the_network_runs_once_and_only_when_asked():
    segmentor = Fixed(aux=True)
    source = view(segmentor)
    assert segmentor.runs == 0
    assert source.logits.shape == (2, 4, 6, 6)
    assert source.head("aux").shape == (2, 4, 6, 6)
    assert source.output.logits is segmentor.logits
    assert segmentor.runs == 1


def test_an_objective_has_no_losses_of_its_own():
    source = view(Fixed())
    with pytest.raises(ConfigError, match=r"^Objective reads 'source', but has no method source_l"):
        Objective().source_losses(source)


def test_logits_without_a_label_have_the_images_size_and_full_precision():
    segmentor = Fixed()
    segmentor.logits = segmentor.logits.bfloat16()
    found = view(segmentor, label=False).logits
    assert found.shape == (2, 4, 6, 6)
    assert found.dtype is torch.float32


def test_running_class_weights_move_once_a_batch_for_all_its_parts_and_heads():
    objective = Supervised(dict(type="BalancedCrossEntropyLoss", num_classes=4, max_weight=7.0))
    labels = torch.tensor([0, 1])[:, None, None].expand(2, 6, 6)  # no class 2, no class 3
    for rows in (slice(0, 1), slice(1, 2)):
        image, options = torch.zeros(1, 3, 6, 6), dict(align_corners=False, rows=rows)
        segmentor = Fixed(aux=True)
        segmentor.logits, segmentor.aux_logits = segmentor.logits[rows], segmentor.aux_logits[rows]
        losses = objective.source_losses(View(segmentor, image, labels, **options))
        assert losses.keys() == {"loss_seg", "loss_seg_aux"}
    assert objective.loss.running.tolist() == pytest.approx([1, 1, 1.6, 1.6])  # 0.9 + 0.1 * 7
