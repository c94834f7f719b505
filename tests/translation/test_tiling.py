"""Tiles: near the whole image, however large it is, and without seams."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from daseg.generators import ResNetGenerator
from daseg.translation.tiling import TiledTranslation
from daseg.utils.errors import ConfigError

SIZES = [(96, 160), (50, 131), (64, 64), (33, 210), (200, 97)]


def image(height, width, seed=0):
    """Noise on a ramp: what stands left is darker, so that tiles differ in their statistics."""
    noise = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(seed))
    return (noise * 0.2 + torch.linspace(-1, 1, width)).clamp(-1, 1)


def by_column(part):
    """The mean of the columns' own place in the image, everywhere: another one in each tile."""
    return torch.full_like(part, part.mean().item())


@pytest.mark.parametrize("size", SIZES)
def test_what_does_not_change_a_pixel_gives_the_image_back(size):
    whole = image(*size)
    result = TiledTranslation(lambda part: part, tile=64)(whole)
    assert result.shape == whole.shape
    torch.testing.assert_close(result, whole)


def test_one_tile_fades_into_the_next_linearly():
    """Two tiles of 64 over 112 columns share 16; each has a value of its own."""
    whole = torch.arange(112.0).expand(1, 3, 64, 112)
    found = TiledTranslation(by_column, tile=64, overlap=16)(whole)[0, 0, 0].numpy()
    first, second = np.arange(64).mean(), np.arange(48, 112).mean()
    share = (np.arange(16) + 0.5) / 16
    expected = np.concatenate(
        [
            np.full(48, first),
            (1 - share) * first + share * second,
            np.full(48, second),
        ]
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(("length", "overlap"), [(65, 16), (1000, 16), (1024, 32), (777, 24)])
def test_every_pixel_is_seen_and_neighbours_share_enough(length, overlap):
    seen = []
    tiled = TiledTranslation(lambda part: seen.append(part) or part, tile=64, overlap=overlap)
    tiled(torch.arange(float(length)).expand(1, 3, 8, length))
    ranges = [(int(part.min()), int(part.max()) + 1) for part in seen]
    assert ranges[0][0] == 0
    assert ranges[-1][1] == length
    shared = [a[1] - b[0] for a, b in pairwise(ranges)]
    assert min(shared) >= overlap // 16 * 16
    assert all(begin % 16 == 0 and end - begin <= 64 for begin, end in ranges)
    assert len(ranges) == -(-(length - overlap // 16 * 16) // (64 - overlap // 16 * 16))


@pytest.mark.parametrize("norm", [True, False])
def test_a_generators_tiles_are_nearer_to_the_whole_image_than_tiles_side_by_side(norm):
    torch.manual_seed(0)
    network, whole = (
        ResNetGenerator(channels=4, blocks=1, global_skip=not norm).eval(),
        image(48, 256),
    )
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.kaiming_normal_(module.weight)
    nn.init.normal_(network.last.weight, std=0.05)
    with torch.no_grad():
        expected = network(whole)
        naive = torch.cat([network(strip) for strip in whole.split(64, -1)], -1)
    result = TiledTranslation(network, tile=64, overlap=32)(whole)
    limit = 0.9 if norm else 0.3  # without norm it is the padding alone that differs
    assert (result - expected).abs().mean() < limit * (naive - expected).abs().mean()
    if not norm:
        assert (result - expected).abs().max() < 0.3 * (naive - expected).abs().max()


def test_memory_is_that_of_a_tile_and_an_image_no_larger_is_translated_at_once():
    seen = []
    tiled = TiledTranslation(lambda part: seen.append(part.shape[-2:]) or part.float(), tile=79)
    assert (tiled.tile, tiled.overlap) == (64, 16)
    assert tiled(torch.zeros(2, 3, 300, 100, dtype=torch.uint8)).dtype == torch.float32
    assert max(side for shape in seen for side in shape) == 64
    seen.clear()
    tiled(image(64, 40))
    assert seen == [(64, 40)]


@pytest.mark.parametrize(("tile", "overlap"), [(63, None), (64, 15), (64, 48), (128, 80)])
def test_tiles_that_cannot_be_blended_are_refused(tile, overlap):
    with pytest.raises(ConfigError, match=rf"tiles of {tile} pixels .*at least 64 pixels, the ov"):
        TiledTranslation(lambda part: part, tile=tile, overlap=overlap)
