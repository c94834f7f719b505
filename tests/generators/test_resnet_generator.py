"""The generator: sizes, weights and borders worked out by hand; outputs are in test_parity.py."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from daseg.generators import ResNetGenerator
from daseg.registry import GENERATORS
from daseg.utils.errors import ConfigError


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("blocks", [1, 6, 9])
def test_parameters(blocks):
    def conv(a, b, side):
        return a * b * side**2 + b

    c = 64
    ends = conv(3, c, 7) + conv(c, 3, 7)
    scales = conv(c, 128, 3) + conv(128, 256, 3) + conv(256, 128, 3) + conv(128, c, 3)
    expected = ends + scales + blocks * 2 * conv(256, 256, 3)
    assert count(ResNetGenerator(blocks=blocks)) == expected
    assert expected == 11_378_179 or blocks != 9


@pytest.fixture
def small():
    torch.manual_seed(0)
    return ResNetGenerator(channels=4, blocks=2).requires_grad_(False)


def test_initial_weights():
    torch.manual_seed(0)
    net = ResNetGenerator(channels=32, blocks=2)
    layers = [m for m in net.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))]
    assert len(layers) == 1 + 2 + 4 + 2 + 1
    for layer in layers:
        assert layer.bias.eq(0).all()
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05)
        assert abs(layer.weight.mean().item()) < 0.001
    assert set(net.state_dict()) == {name for name, _ in net.named_parameters()}, "no statistics"


@pytest.mark.parametrize("size", [(8, 8), (5, 5), (7, 13), (30, 45), (16, 9)])
def test_an_image_keeps_its_size_and_its_range(small, size):
    image = torch.rand(2, 3, *size) * 2 - 1
    translated = small(image)
    assert translated.shape == image.shape
    assert translated.abs().max() <= 1
    assert translated.std() > 0


def test_a_global_skip_adds_to_the_image():
    torch.manual_seed(0)
    skipping = ResNetGenerator(channels=4, blocks=2, global_skip=True).requires_grad_(False)
    image = torch.rand(2, 3, 7, 13) * 2 - 1
    assert 0 < (skipping(image) - image).abs().mean() < 0.2, "it begins near the image"
    skipping.last.weight.zero_()
    assert (skipping(image) - image).abs().max() <= 0.005 + 1e-6, "white and black lose 0.6 of 255"
    skipping.last.bias.fill_(-1.5)  # dusk
    middle = 0.995 * image.numpy()
    # tanh(a + b) by the addition theorem.
    expected = (middle + np.tanh(-1.5)) / (1 + middle * np.tanh(-1.5))
    assert np.allclose(skipping(image).numpy(), expected, atol=1e-5)


def test_no_pixel_is_beyond_learning_with_a_global_skip():
    torch.manual_seed(0)
    network = ResNetGenerator(channels=4, blocks=2, global_skip=True)
    image = torch.tensor([-1.0, 0.0, 1.0]).repeat(1, 3, 8, 3)
    network.last.weight.data.zero_()
    for bias in (-3.0, 0.0, 3.0):
        network.last.bias.data.fill_(bias)
        made = network(image)
        assert made.abs().max() < 1
        (slope,) = torch.autograd.grad(made.sum(), network.last.bias)
        assert slope.min() > 0


def test_a_change_may_be_weak_everywhere_with_a_global_skip():
    """Without norm: the change to an image is as strong as its contrast, not always the same."""
    torch.manual_seed(0)
    network = ResNetGenerator(channels=4, blocks=2, global_skip=True).requires_grad_(False)
    image = torch.rand(1, 3, 16, 16) * 1e-3
    weak, strong = ((network(k * image) - k * image).abs().mean() for k in (1, 100))
    assert strong / weak == pytest.approx(100, rel=0.05)
    names = [type(module).__name__ for module in network.modules()]
    assert "InstanceNorm" not in names


def test_sizes_between_multiples_of_4_are_reflected_and_cut_back(small):
    image = torch.rand(1, 3, 14, 17) * 2 - 1
    rows = torch.cat([image, image[:, :, [12, 11]]], dim=2)  # mirrored at the last row
    whole = torch.cat([rows, rows[..., [15, 14, 13]]], dim=3)
    torch.testing.assert_close(small(image), small(whole)[..., :14, :17])


def test_a_batch_is_translated_as_each_image_alone(small):
    images = torch.rand(3, 3, 12, 16) * 2 - 1
    images[1] *= 0.1
    alone = torch.cat([small(image[None]) for image in images])
    torch.testing.assert_close(small(images), alone)
    torch.testing.assert_close(small.eval()(images), alone)


def test_step_by_step(small):
    """Every layer in functions of torch: what stands where, and how borders are made."""

    def norm(x):
        mean, var = x.mean((2, 3), keepdim=True), x.var((2, 3), keepdim=True, correction=0)
        return (x - mean) / (var + 1e-5).sqrt()

    def conv(x, layer, pad):
        return F.conv2d(F.pad(x, [pad] * 4, mode="reflect"), layer.weight, layer.bias)

    image = torch.rand(1, 3, 16, 20) * 2 - 1
    x = norm(conv(image, small.stem.conv, 3)).relu()
    for part in small.down:
        x = norm(F.conv2d(x, part.conv.weight, part.conv.bias, stride=2, padding=1)).relu()
    for block in small.blocks:
        x = x + norm(conv(norm(conv(x, block.conv1, 1)).relu(), block.conv2, 1))
    for part in small.up:
        w, b = part.conv.weight, part.conv.bias
        x = norm(F.conv_transpose2d(x, w, b, stride=2, padding=1, output_padding=1)).relu()
    expected = torch.tanh(conv(x, small.last, 3))
    torch.testing.assert_close(small(image), expected)


@pytest.mark.parametrize("size", [(4, 16), (16, 3)])
def test_tiny_images_are_refused(small, size):
    message = rf"the image is {size[0]}x{size[1]}, but at least 5x5 pixels are needed"
    with pytest.raises(ConfigError, match=message):
        small(torch.rand(1, 3, *size))


def test_a_config_builds_it():
    assert len(GENERATORS.build(dict(type="ResNetGenerator", channels=2, blocks=6)).blocks) == 6
    with pytest.raises(ConfigError, match="blocks=0 is less than 1"):
        ResNetGenerator(blocks=0)
