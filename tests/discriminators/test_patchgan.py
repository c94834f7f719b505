"""The PatchGAN discriminator: its patches, its sizes; outputs are in test_parity.py."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from daseg.discriminators import PatchGANDiscriminator
from daseg.registry import DISCRIMINATORS
from daseg.utils.errors import ConfigError


def test_parameters():
    pairs = [(3, 64), (64, 128), (128, 256), (256, 512), (512, 1)]
    counted = sum(p.numel() for p in PatchGANDiscriminator().parameters())
    assert counted == sum(16 * a * b + b for a, b in pairs) == 2_764_737
    deep = DISCRIMINATORS.build(dict(type="PatchGANDiscriminator", channels=2, layers=5))
    widths = [m.weight.shape[:2] for m in deep.modules() if isinstance(m, nn.Conv2d)]
    assert widths == [(2, 3), (4, 2), (8, 4), (16, 8), (16, 16), (16, 16), (1, 16)]


@pytest.mark.parametrize(("size", "expected"), [
    ((256, 256), (30, 30)), ((64, 128), (6, 14)), ((24, 31), (1, 1)), ((88, 88), (9, 9)),
])  # fmt: skip
def test_sizes(size, expected):
    logits = PatchGANDiscriminator(channels=2)(torch.rand(2, 3, *size))
    assert logits.shape == (2, 1, *expected)


def test_a_logit_sees_a_patch_of_70_pixels():
    """Without the norms, which look at everything, a middle logit's gradient is 70x70 wide."""
    torch.manual_seed(0)
    net = PatchGANDiscriminator(channels=4)
    layers = [nn.Identity() if isinstance(m, nn.InstanceNorm2d) else m for m in net.model]
    image = torch.rand(1, 3, 256, 256, requires_grad=True)
    nn.Sequential(*layers)(image)[0, 0, 15, 15].backward()
    rows, columns = image.grad[0].abs().sum(0).nonzero().unbind(1)
    assert rows.max() - rows.min() + 1 == 70
    assert columns.max() - columns.min() + 1 == 70


def test_step_by_step():
    torch.manual_seed(0)
    net, x = PatchGANDiscriminator(channels=2), torch.randn(1, 3, 40, 33)
    y = x
    for number, stride in ((0, 2), (2, 2), (5, 2), (8, 1), (11, 1)):
        layer = net.model[number]
        y = F.conv2d(y, layer.weight, layer.bias, stride=stride, padding=1)
        if 0 < number < 11:
            var = y.var((2, 3), keepdim=True, correction=0)
            y = (y - y.mean((2, 3), keepdim=True)) / (var + 1e-5).sqrt()
        y = y if number == 11 else torch.where(y > 0, y, 0.2 * y)
    torch.testing.assert_close(net(x), y)


def test_initial_weights():
    torch.manual_seed(0)
    convs = [m for m in PatchGANDiscriminator(channels=32).modules() if isinstance(m, nn.Conv2d)]
    for conv in convs:
        assert conv.bias.eq(0).all()
        assert conv.weight.std().item() == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize(("layers", "smallest"), [(1, 6), (2, 12), (3, 24), (4, 48)])
def test_images_too_small_are_refused(layers, smallest):
    net = PatchGANDiscriminator(channels=2, layers=layers)
    assert net(torch.rand(1, 3, smallest, smallest)).numel() == 1
    message = rf"at least {smallest}x{smallest} pixels; this one is {smallest - 1}x99"
    with pytest.raises(ConfigError, match=message):
        net(torch.rand(1, 3, smallest - 1, 99))


def test_no_strided_convolution_is_refused():
    with pytest.raises(ConfigError, match="layers=0 is less than 1"):
        PatchGANDiscriminator(layers=0)
