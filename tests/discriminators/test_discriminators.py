"""Discriminators: sizes and names worked out by hand, and what a single logit depends on."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from daseg.discriminators import FCDiscriminator, MultiScaleDiscriminator, PixelDiscriminator
from daseg.registry import DISCRIMINATORS
from daseg.utils.errors import ConfigError


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_parameters():
    # 16 weights of each pair of channels, and biases.
    widths = (19, 64, 128, 256, 512, 1)
    pairs = list(itertools.pairwise(widths))
    assert count(FCDiscriminator(19)) == sum(16 * a * b + b for a, b in pairs) == 2_781_121
    assert count(MultiScaleDiscriminator(19)) == 1_041_699
    assert count(PixelDiscriminator(19, channels=8)) == (19 * 8 + 8) + (8 * 16 + 16) + (16 + 1)


def test_a_config_is_given_the_channels():
    built = DISCRIMINATORS.build(dict(type="FCDiscriminator", channels=4), in_channels=5)
    assert built.conv1.weight.shape == (4, 5, 4, 4)
    assert built.classifier.weight.shape == (1, 32, 4, 4)


@pytest.mark.parametrize("size", [(32, 32), (65, 129), (72, 128)])
def test_patch_logits_are_a_32nd_of_the_map(size):
    logits = FCDiscriminator(3, channels=2)(torch.rand(2, 3, *size))
    assert logits.shape == (2, 1, size[0] // 32, size[1] // 32)


def test_patch_discriminator_step_by_step():
    torch.manual_seed(0)
    net, x = FCDiscriminator(3, channels=2), torch.randn(1, 3, 40, 33)
    y = x
    for i, name in enumerate(("conv1", "conv2", "conv3", "conv4", "classifier")):
        conv = getattr(net, name)
        y = F.conv2d(y, conv.weight, conv.bias, stride=2, padding=1)
        y = y if i == 4 else torch.where(y > 0, y, 0.2 * y)
    torch.testing.assert_close(net(x), y)


@pytest.mark.parametrize("size", [(31, 64), (64, 31), (9, 17)])
def test_maps_too_small_for_the_strides_are_refused(size):
    message = rf"at least 32x32.*is {size[0]}x{size[1]}.*PixelDiscriminator"
    with pytest.raises(ConfigError, match=message):
        FCDiscriminator(3, channels=2)(torch.rand(1, 3, *size))


def test_pixels_are_judged_one_by_one():
    torch.manual_seed(0)
    net, x = PixelDiscriminator(3, channels=4), torch.randn(1, 3, 5, 7)
    logits = net(x)
    assert logits.shape == (1, 1, 5, 7)
    alone = net(x[:, :, 2:3, 4:5])
    torch.testing.assert_close(logits[..., 2:3, 4:5], alone)
    changed = x.clone()
    changed[..., 0, 0] += 1
    moved = (net(changed) - logits).abs() > 0
    assert moved.sum() == 1
    assert moved[0, 0, 0, 0]
    assert not torch.allclose(net(2 * x), 2 * logits)  # there is a rectifier in between


@pytest.mark.parametrize(
    ("size", "expected"),
    [((64, 128), [(8, 16), (4, 8), (2, 4)]), ((65, 129), [(9, 17), (5, 9), (3, 5)])],
)
def test_scales_are_an_eighth_and_halves_of_it_rounded_up(size, expected):
    logits = MultiScaleDiscriminator(3, channels=2, num_blocks=1)(torch.rand(2, 3, *size))
    assert isinstance(logits, tuple)
    assert [tuple(scale.shape) for scale in logits] == [(2, 1, *s) for s in expected]


def test_each_scale_has_its_own_network_on_a_halved_map():
    torch.manual_seed(0)
    net = MultiScaleDiscriminator(3, channels=2, num_blocks=1, num_scales=2)
    for parameter in net.parameters():
        parameter.data.mul_(20)  # or the logits hardly depend on the map
    x = torch.randn(1, 3, 16, 24)
    ones = torch.ones_like(x)
    # An average over the pixels that are there: sums divided by the sums of ones.
    halved = F.avg_pool2d(x, 3, 2, 1) / F.avg_pool2d(ones, 3, 2, 1)
    fine, coarse = net(x)
    torch.testing.assert_close(fine, net.cnns[0](x))
    torch.testing.assert_close(coarse, net.cnns[1](halved))
    assert not torch.equal(net.cnns[0][0].conv.weight, net.cnns[1][0].conv.weight)


def test_weights_start_small_and_biases_at_zero():
    torch.manual_seed(0)
    state = MultiScaleDiscriminator(19).state_dict()
    weights = torch.cat([v.flatten() for k, v in state.items() if k.endswith("weight")])
    assert weights.std().item() == pytest.approx(0.02, rel=0.01)
    assert all(v.abs().max() == 0 for k, v in state.items() if k.endswith("bias"))


def test_at_least_one_scale():
    with pytest.raises(ConfigError, match=r"num_scales=0 is less than 1"):
        MultiScaleDiscriminator(3, num_scales=0)
