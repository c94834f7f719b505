"""Interlaced attention against a loop over groups, which slices cut out."""

import pytest
import torch
from torch import Tensor, nn

from daseg.heads import DAFormerHead
from daseg.heads.interlaced import GroupAttention, InterlacedAttention


def attended(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention among all pixels of a map (N,C,h,w)."""
    q, k, v = (maps.flatten(2) for maps in (query, key, value))
    share = (q.transpose(1, 2) @ k / q.shape[1] ** 0.5).softmax(-1)
    return (v @ share.transpose(1, 2)).view_as(value)


def groups(size: tuple[int, int], block: int, long_range: bool):
    """The rows and columns of each group, as slices."""
    height, width = size
    if long_range:
        return [
            (slice(y, None, block), slice(x, None, block))
            for y in range(min(block, height))
            for x in range(min(block, width))
        ]
    return [
        (slice(y, y + block), slice(x, x + block))
        for y in range(0, height, block)
        for x in range(0, width, block)
    ]


@pytest.mark.parametrize("size", [(6, 9), (7, 10), (2, 11), (1, 1)])
@pytest.mark.parametrize("long_range", [True, False])
def test_groups_attend_to_themselves(size, long_range) -> None:
    layer = GroupAttention(5, block=3, long_range=long_range, norm="bn").double().eval()
    for module in layer.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)
    x = torch.randn(2, 5, *size, dtype=torch.double, requires_grad=True)
    maps = layer.query(x), layer.key(x), layer.value(x)
    seen = torch.zeros_like(x)
    for rows, columns in groups(size, 3, long_range):
        seen[..., rows, columns] = attended(*(one[..., rows, columns] for one in maps))
    expected, found = layer.project(seen), layer(x)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    pull = torch.randn_like(found)
    own, (plain,) = torch.autograd.grad(found, x, pull), torch.autograd.grad(expected, x, pull)
    torch.testing.assert_close(own[0], plain, rtol=1e-9, atol=1e-9)


def test_each_pixel_hears_of_all_others() -> None:
    layer = InterlacedAttention(4, block=3).double().eval()
    x = torch.randn(1, 4, 7, 8, dtype=torch.double)
    before = layer(x)
    x[..., 0, 0] += 1
    assert ((layer(x) - before).abs().sum(1) > 0).all()


def test_the_head_has_the_parameters_of_the_public_settings() -> None:
    """256 channels throughout; each attention has three layers with a norm and one with a bias."""
    maps = 64 + 128 + 320 + 512
    embedding, fusion = 256 * maps + 4 * 256, 4 * 256 * 256 + 2 * 256
    attention = 3 * (256 * 256 + 2 * 256) + 256 * 256 + 256
    with torch.device("meta"):
        head = DAFormerHead((64, 128, 320, 512), 19, fusion="isa")
    found = sum(p.numel() for p in head.parameters())
    assert found == embedding + fusion + 2 * attention + 256 * 19 + 19 == 1_058_579
