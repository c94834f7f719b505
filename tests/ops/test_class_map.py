"""The largest class of resized maps is that of the plain way, bit for bit."""

import pytest
import torch
import torch.nn.functional as F

from daseg.ops import class_map
from daseg.ops.class_map import largest_class


def plain(maps, size, align_corners):
    """What anybody would write."""
    if tuple(maps.shape[-2:]) != size:
        maps = F.interpolate(
            maps.contiguous(), size=size, mode="bilinear", align_corners=align_corners
        )
    return maps.argmax(1).byte()


SIZES = [((9, 17), (64, 128)), ((33, 20), (41, 77)), ((40, 60), (13, 60)), ((12, 30), (12, 90))]
SIZES += [((1, 1), (7, 5)), ((16, 9), (16, 9)), ((5, 8), (40, 3))]


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize(("size", "wanted"), SIZES)
@pytest.mark.parametrize("block", [50, 700, 1 << 20])
def test_it_is_the_plain_way(size, wanted, align_corners, block, monkeypatch):
    monkeypatch.setattr(class_map, "BLOCK", block)
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn((2, 19, *size), generator=generator)
    for layout in (torch.contiguous_format, torch.channels_last):
        own = maps.to(memory_format=layout)
        assert torch.equal(
            largest_class(own, wanted, align_corners), plain(own, wanted, align_corners)
        )


@pytest.mark.parametrize("align_corners", [True, False])
def test_of_equal_logits_the_first_counts(align_corners):
    generator = torch.Generator().manual_seed(1)
    maps = torch.randint(0, 3, (2, 7, 12, 15), generator=generator).float()  # many are equal
    for size in ((12, 15), (48, 60), (37, 101)):
        found = largest_class(maps, size, align_corners)
        assert torch.equal(found, plain(maps, size, align_corners))
    same = torch.full((1, 5, 6, 6), 2.5)
    assert largest_class(same, (50, 50), align_corners).eq(0).all()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("size", [(8, 9), (20, 31)])
def test_numbers_that_are_not_finite(value, size):
    maps = torch.randn((2, 4, 8, 9), generator=torch.Generator().manual_seed(2))
    maps[1, 2, 3, 4] = value
    maps[0, :, 0, 0] = value
    assert torch.equal(largest_class(maps, size, True), plain(maps, size, True))


@pytest.mark.parametrize("count", [2, 255, 256])
def test_numbers_of_classes(count):
    maps = torch.randn((1, count, 6, 5), generator=torch.Generator().manual_seed(3))
    assert torch.equal(largest_class(maps, (30, 20), False), plain(maps, (30, 20), False))
    assert largest_class(maps, (30, 20), False).max() > (count - 1) // 2


@pytest.mark.parametrize("align_corners", [True, False])
def test_maps_that_are_clear_nearly_everywhere(align_corners, monkeypatch):
    """Smooth maps, as networks give them: few columns are resized in full, and none is wrong."""
    generator = torch.Generator().manual_seed(4)
    coarse = 3 * torch.randn((1, 19, 5, 9), generator=generator)
    maps = F.interpolate(coarse, (33, 65), mode="bicubic")
    maps[:, 7] = maps[:, 3]  # equal everywhere: wherever they win, rounding could tell them apart
    maps[:, 3, :, 40:] -= 1.0
    unclear = []

    def watched(*arguments):
        unclear.append(clear_pixels(*arguments))
        return unclear[-1]

    clear_pixels = class_map._clear_pixels
    monkeypatch.setattr(class_map, "_clear_pixels", watched)
    found = largest_class(maps, (260, 512), align_corners)
    assert torch.equal(found, plain(maps, (260, 512), align_corners))
    assert 0 < len(unclear[0]) < 400
    maps[:, 5] = 50.0
    assert largest_class(maps, (260, 512), align_corners).eq(5).all()
    assert len(unclear[1]) == 0


def test_two_classes_that_cross_between_two_rows():
    """They are equal half-way, where another order of adding up tells them apart."""
    ends = torch.randn((2, 1, 1, 200), generator=torch.Generator().manual_seed(5))
    maps = torch.cat([torch.cat([*ends, ends[0]], 1), torch.cat([*ends.flip(0), ends[1]], 1)])
    maps = maps[None].clone()  # (1,2,3,200)
    found = largest_class(maps, (17, 200), True)
    assert torch.equal(found, plain(maps, (17, 200), True))
    assert found[0, 4].eq(0).all()
