"""UPerNet's head against one written with torch's functions alone."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from daseg.heads import UPerHead
from daseg.heads.upernet import _shares, grid_means
from daseg.utils.errors import ConfigError

CHANNELS = (8, 16, 24, 32)
SIZES = ((17, 25), (9, 13), (5, 7), (3, 4))


def features(images: int = 2) -> list[Tensor]:
    pairs = zip(CHANNELS, SIZES, strict=True)
    return [torch.randn(images, c, *size, dtype=torch.double) for c, size in pairs]


def block(x: Tensor, made: nn.Module, padding: int = 0) -> Tensor:
    """Convolution, batch norm of the batch's own statistics, ReLU."""
    y = F.conv2d(x, made.conv.weight, padding=padding)
    y = y - y.mean((0, 2, 3), keepdim=True)
    y = y / (y.square().mean((0, 2, 3), keepdim=True) + 1e-5).sqrt()
    return torch.relu(y * made.norm.weight[:, None, None] + made.norm.bias[:, None, None])


def up(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, like.shape[2:], mode="bilinear", align_corners=False)


def test_it_is_the_pyramid_of_the_paper() -> None:
    head = UPerHead(CHANNELS, 5, channels=6, dropout=0.0).double().train()
    for module in head.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.normal_(module.bias)
    f0, f1, f2, f3 = maps = features()
    pooled = [f3]
    for cells, branch in zip((1, 2, 3, 6), head.pooling.branches, strict=True):
        own = branch.block if cells == 1 else branch
        pooled.append(up(block(F.adaptive_avg_pool2d(f3, cells), own), f3))
    p3 = block(torch.cat(pooled, 1), head.pooling.project, 1)
    l0, l1, l2 = (block(f, own) for f, own in zip((f0, f1, f2), head.lateral, strict=True))
    p2 = l2 + up(p3, l2)
    p1 = l1 + up(p2, l1)
    p0 = l0 + up(p1, l0)
    q0, q1, q2 = (block(p, own, 1) for p, own in zip((p0, p1, p2), head.smooth, strict=True))
    joined = block(torch.cat([q0, up(q1, q0), up(q2, q0), up(p3, q0)], 1), head.fuse, 1)
    expected = F.conv2d(joined, head.classifier.weight, head.classifier.bias)
    torch.testing.assert_close(head(maps), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (6, 12), (13, 32)])
def test_means_over_a_grid_are_those_of_adaptive_pooling(size) -> None:
    x = torch.randn(2, 3, *size, dtype=torch.double)
    for cells in (1, 2, 3, 6):
        torch.testing.assert_close(grid_means(x, cells), F.adaptive_avg_pool2d(x, cells))


def test_means_in_16_bits_are_rounded_once() -> None:
    """Also under autocast, where the shares of a product would be rounded before the sum."""
    # Of a fixed seed: a mean may lie so near the middle of two numbers that float32 cannot tell.
    x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        ones, means = grid_means(torch.ones_like(x), 6), grid_means(x, 6)
    assert torch.equal(ones, torch.ones(2, 3, 6, 6, dtype=torch.bfloat16))
    assert torch.equal(means, F.adaptive_avg_pool2d(x.double(), 6).bfloat16())


def test_nothing_is_copied_to_the_device() -> None:
    """Such a copy waits until the device has it."""
    made = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            made.append(out.device.type)
            return out

    x = torch.empty(1, device="meta")
    with Watch():
        _shares(32, 6, x)
    assert set(made) == {"meta"}


def test_the_published_head_has_29_6_million_parameters() -> None:
    """As mmsegmentation has it, on MiT-B5; a norm has two numbers a channel."""
    pooling = 4 * (512 * 512 + 2 * 512) + (512 + 4 * 512) * 512 * 9 + 2 * 512
    lateral = (64 + 128 + 320) * 512 + 3 * 2 * 512
    smooth, fuse = 3 * (512 * 512 * 9 + 2 * 512), 4 * 512 * 512 * 9 + 2 * 512
    with torch.device("meta"):
        found = sum(p.numel() for p in UPerHead((64, 128, 320, 512), 19).parameters())
    assert found == pooling + lateral + smooth + fuse + 512 * 19 + 19 == 29_644_307


def test_one_image_a_batch_needs_pooling_without_norm() -> None:
    with pytest.raises(ConfigError, match="pool_norm=False"):
        UPerHead(CHANNELS, 5, channels=6).double()(features(1))
    logits = UPerHead(CHANNELS, 5, channels=6, pool_norm=False).double()(features(1))
    assert logits.shape == (1, 5, *SIZES[0])


@pytest.mark.parametrize("scales", [(), (0, 1), (1.5, 2)])
def test_grids_without_cells_are_refused(scales) -> None:
    with pytest.raises(ConfigError, match="pool_scales are whole numbers of at least 1"):
        UPerHead(CHANNELS, 5, pool_scales=scales)
