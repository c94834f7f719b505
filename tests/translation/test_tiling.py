"""Tiles: what the whole image gives, however large it is, and without seams."""

import numpy as np
import pytest
import torch
from torch import nn

from daseg.generators import ResNetGenerator
from daseg.translation.tiling import TiledTranslation, receptive_field
from daseg.utils.errors import ConfigError


def image(height, width, seed=0, strength=0.2):
    """Noise on a ramp: what stands left is darker, so that tiles differ in their statistics."""
    noise = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(seed))
    return (noise * strength + torch.linspace(-1, 1, width)).clamp(-1, 1)


def generator(norm=True, channels=4, blocks=1):
    torch.manual_seed(0)
    network = ResNetGenerator(channels=channels, blocks=blocks).eval()
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.kaiming_normal_(module.weight)
    nn.init.normal_(network.last.weight, std=0.05)  # far from where tanh is flat
    if not norm:
        for module in network.modules():
            if hasattr(module, "norm"):
                module.norm = nn.Identity()
    return network


@torch.no_grad()
def naive(network, whole, tile):
    """Tiles side by side, each translated by itself."""
    rows = [network(strip) for strip in whole.split(tile, -1)]
    return torch.cat(rows, -1)


def jumps(picture):
    """Difference of each column's colour to the next column's, (W-1,)."""
    colours = picture.mean((0, 2))
    return (colours[:, 1:] - colours[:, :-1]).abs().mean(0).numpy()


@pytest.mark.parametrize("size", [(96, 160), (50, 131), (64, 64), (33, 210)])
def test_tiles_without_norms_equal_the_whole_image(size):
    network, whole = generator(norm=False), image(*size)
    with torch.no_grad():
        expected = network(whole)
    tiled = TiledTranslation(network, network, tile=64)
    assert (tiled(whole) - expected).abs().max() < 1e-5
    assert tiled.passes == 0


@pytest.mark.parametrize("size", [(96, 160), (50, 133), (33, 210)])
def test_tiles_with_norms_equal_the_whole_image(size):
    network, whole = generator(), image(*size)
    with torch.no_grad():
        expected = network(whole)
    tiled = TiledTranslation(network, network, tile=64)
    result = tiled(whole)
    assert result.shape == whole.shape
    assert (result - expected).abs().max() < 1e-4
    assert (naive(network, whole, 64) - expected).abs().max() > 0.2, "as naive tiles do not"
    assert tiled.passes == 7  # stem, two down, two in the block (of one module), two up


def test_the_statistics_are_those_of_the_whole_image():
    """The first norm's, by hand: of the convolution of the whole image."""
    torch.manual_seed(0)
    conv, norm = nn.Conv2d(3, 5, 3, padding=1), nn.InstanceNorm2d(5, affine=True)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    network, whole = nn.Sequential(conv, norm).eval(), image(20, 90)
    with torch.no_grad():
        maps = conv(whole).numpy().astype(np.float64)
        axes = dict(axis=(2, 3), keepdims=True)
        expected = (maps - maps.mean(**axes)) / np.sqrt(maps.var(**axes) + norm.eps)
        weight, bias = (p.numpy()[:, None, None] for p in (norm.weight, norm.bias))
    result = TiledTranslation(network, network, tile=16)(whole).numpy()
    np.testing.assert_allclose(result, expected * weight + bias, atol=1e-5)


@pytest.mark.parametrize(("overlap", "limit"), [(None, 1.001), (16, 1.1), (8, 1.25)])
def test_there_is_no_seam(overlap, limit):
    network, whole = generator(), image(48, 256, strength=0.02)
    with torch.no_grad():
        expected = network(whole)
    tiled = TiledTranslation(network, network, tile=64, overlap=overlap)
    result = tiled(whole)
    seams = [span.core_end - 1 for _, span in tiled._tiles(whole)[:-1]]
    assert len(seams) >= 4
    assert jumps(result)[seams].mean() < limit * jumps(expected)[seams].mean()
    assert (result - expected).abs().mean() < 0.03, "of a range of 2"
    steps = (result - expected).diff(dim=-1)[..., seams].abs().mean()
    broken = (naive(network, whole, 64) - expected).diff(dim=-1)[..., [63, 127, 191]].abs().mean()
    assert steps < 0.25 * broken, "the steps that tiles make on their own"


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_group_norms_share_their_statistics_too(groups):
    torch.manual_seed(0)
    norm = nn.GroupNorm(groups, 6)
    nn.init.normal_(norm.weight)
    network = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), norm, nn.Conv2d(6, 3, 1)).eval()
    whole = torch.cat([image(20, 90), image(20, 90, seed=1)])
    with torch.no_grad():
        expected = network(whole)
    assert (TiledTranslation(network, network, tile=16)(whole) - expected).abs().max() < 1e-5
    assert (naive(network, whole, 16) - expected).abs().max() > 0.2


def test_an_image_no_larger_than_a_tile_is_translated_at_once():
    network, whole, seen = generator(), image(64, 40), []
    tiled = TiledTranslation(network, network, tile=66)
    network.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape[-2:]))
    with torch.no_grad():
        assert torch.equal(tiled(whole), network(whole))
    assert seen == [(64, 40)] * 2
    assert tiled.passes == 0


def test_a_batch_is_translated_image_by_image():
    network = generator()
    both = torch.cat([image(40, 100, seed) for seed in (0, 1)])
    both[1] *= 0.3
    tiled = TiledTranslation(network, network, tile=64)
    alone = torch.cat([tiled(one[None]) for one in both])
    assert torch.allclose(tiled(both), alone, atol=1e-5)


def test_the_network_sees_no_more_than_a_tile_and_is_left_as_it_was():
    network, seen = generator(), []
    tiled = TiledTranslation(network, network, tile=64)
    hook = network.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape[-2:]))
    for side in (100, 300):
        tiled(image(side, side))
    hook.remove()
    assert len(seen) > 100
    assert max(side for shape in seen for side in shape) <= 64
    whole = image(40, 40)
    with torch.no_grad():
        assert torch.equal(network(whole), generator()(whole))
    assert not any("forward" in vars(module) for module in network.modules())


def test_the_norms_are_put_back_where_a_translation_fails():
    network = generator()

    def fails(_):
        raise RuntimeError("no memory")

    tiled = TiledTranslation(network, network, tile=64)
    tiled.function = fails
    with pytest.raises(RuntimeError, match="no memory"):
        tiled(image(100, 100))
    assert not any("forward" in vars(module) for module in network.modules())


@torch.enable_grad()
def looks(network, size):
    """How far the middle pixel of the result looks, from its gradient, which ReLU may hide."""
    whole = image(size, size).requires_grad_()
    at = size // 2
    network(whole)[0, :, at, at].sum().backward()
    columns = whole.grad[0].abs().sum((0, 1)).nonzero()
    return int(max(at - columns.min(), columns.max() - at))


@pytest.mark.parametrize("blocks", [1, 2, 4])
def test_the_receptive_field_is_what_gradients_reach(blocks):
    network = generator(norm=False, blocks=blocks)
    field = receptive_field(network, network)
    # 7x7; two strided 3x3; two 3x3 a block at a quarter of the size; two transposed; 7x7.
    assert field == (3 + 1 + 2 + 8 * blocks + 4 + 2 + 3, 4)
    assert field.radius - 6 <= looks(network, 128) <= field.radius


def test_dilated_and_pooled_networks_are_measured_too():
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=4, dilation=4),
        nn.AvgPool2d(2),
        nn.Conv2d(4, 3, 5, padding=2),
        nn.Upsample(scale_factor=2, mode="bilinear"),
    ).eval()
    field = receptive_field(network, network)
    assert field == (4 + 1 + 4 + 2, 2)
    assert looks(network, 64) <= field.radius
    whole = image(40, 100)
    with torch.no_grad():
        expected = network(whole)
    result = TiledTranslation(network, network, tile=32)(whole)
    assert (result - expected).abs().max() < 1e-5


def test_running_statistics_need_no_pass():
    norm = nn.InstanceNorm2d(4, track_running_stats=True)
    norm.running_mean = torch.randn(4)
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), norm).eval()
    whole = image(20, 60)
    tiled = TiledTranslation(network, network, tile=16)
    with torch.no_grad():
        assert torch.allclose(tiled(whole), network(whole), atol=1e-5)
    assert tiled.passes == 0


def test_a_tile_below_the_receptive_field_and_a_global_layer_are_refused():
    network = generator()
    message = (
        r"a tile of 40 pixels is too small: the network looks 23 pixels far, so that 24 at each "
        r"side are not kept; it takes at least 52"
    )
    with pytest.raises(ConfigError, match=message):
        TiledTranslation(network, network, tile=40)
    assert TiledTranslation(network, network, tile=52)(image(60, 60)).shape == (1, 3, 60, 60)
    squeezed = nn.Sequential(network, nn.AdaptiveAvgPool2d(1))
    with pytest.raises(ConfigError, match=r"in tiles: its AdaptiveAvgPool2d sees the whole image"):
        TiledTranslation(squeezed, squeezed, tile=64)
