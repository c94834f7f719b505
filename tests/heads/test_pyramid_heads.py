"""Heads that read every map of a pyramid, and small ones on the last map."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from daseg.heads import (
    DAFormerHead,
    FPNHead,
    LightHead,
    LinearHead,
    SegFormerHead,
    UPerHead,
)
from daseg.heads.levels import ConvFusion, concatenated
from daseg.utils.errors import ConfigError

CHANNELS = (8, 16, 24, 32)
SIZES = ((17, 25), (9, 13), (5, 7), (3, 4))
SMALL = dict(channels=16)


def features() -> list[Tensor]:
    return [torch.randn(2, c, *size) for c, size in zip(CHANNELS, SIZES, strict=True)]


HEADS = [
    lambda: SegFormerHead(CHANNELS, 5, **SMALL),
    *(lambda f=f: DAFormerHead(CHANNELS, 5, **SMALL, fusion=f)
      for f in ("sepaspp", "aspp", "conv", "coarse_sepaspp", "isa")),
    lambda: FPNHead(CHANNELS, 5, **SMALL),
    lambda: FPNHead(CHANNELS, 5, **SMALL, norm=None),
    lambda: UPerHead(CHANNELS, 5, **SMALL),
]  # fmt: skip


@pytest.mark.parametrize("make", HEADS)
def test_logits_have_the_finest_size_and_all_is_trained(make) -> None:
    head = make()
    logits = head(features())
    assert logits.shape == (2, 5, *SIZES[0])
    (logits * torch.randn_like(logits)).sum().backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


def test_the_sum_of_levels_is_the_convolution_of_their_concatenation() -> None:
    maps = [torch.randn(2, 6, *size, dtype=torch.double) for size in SIZES]
    fusion = ConvFusion(4, 6, 10, norm="bn", align_corners=False).double().eval()
    nn.init.normal_(fusion.norm.bias)
    wide = concatenated(maps, align_corners=False)
    plain = torch.relu(fusion.norm(F.conv2d(wide, fusion.conv.weight)))
    torch.testing.assert_close(fusion(maps), plain, rtol=1e-12, atol=1e-12)


@torch.no_grad()
def test_fpn_adds_coarse_levels_to_fine_ones() -> None:
    """With the first convolutions as identities and constant maps, level i is the sum from i on."""
    head = FPNHead((3, 3, 3), 2, channels=3, norm=None).eval()
    for conv in head.lateral:
        conv.weight.copy_(torch.eye(3)[:, :, None, None])
        conv.bias.zero_()
    joined = []
    head.fuse.register_forward_hook(lambda module, args, output: joined.append(args[0]))
    head(
        [torch.full((1, 3, size, size), value) for size, value in ((8, 1.0), (4, 10.0), (2, 100.0))]
    )
    assert joined[0].shape == (1, 9, 8, 8)
    expected = torch.tensor([111.0] * 3 + [110.0] * 3 + [100.0] * 3)
    assert torch.equal(joined[0], expected[None, :, None, None].expand(1, 9, 8, 8))


def test_context_of_the_coarsest_map_alone() -> None:
    """The dilated convolutions see the last map only; a change of the first stays where it is.

    They are those of the finest's size: the public code resizes the map before its linear layer.
    """
    head, seen = DAFormerHead(CHANNELS, 5, **SMALL, fusion="coarse_sepaspp").eval(), []
    head.context.register_forward_hook(lambda module, args, output: seen.append(args[0]))
    maps = features()
    before = head(maps)
    large = F.interpolate(maps[3], SIZES[0], mode="bilinear", align_corners=False)
    layer = head.embed.layers[3]
    embedded = F.conv2d(large, layer.weight[:, :, None, None], layer.bias)
    torch.testing.assert_close(seen[0], embedded, atol=1e-5, rtol=1e-5)
    maps[0][:, :, 0, 0] += 1
    changed = (head(maps) - before).abs().sum((0, 1)) > 0
    assert changed.nonzero().tolist() == [[0, 0]]


def test_unknown_fusion() -> None:
    with pytest.raises(ConfigError, match="no fusion 'sepasp'; did you mean 'sepaspp'"):
        DAFormerHead(CHANNELS, 5, fusion="sepasp")


@pytest.mark.parametrize(("width", "parameters"), [(384, 454_176), (768, 1_811_520)])
def test_light_head_has_the_published_size_and_refines_four_times(width, parameters) -> None:
    head = LightHead((8, width), 19)
    assert sum(p.numel() for p in head.parameters()) == parameters
    assert head([torch.zeros(1), torch.randn(1, width, 3, 5)]).shape == (1, 19, 12, 20)


def test_linear_head_normalises_and_classifies() -> None:
    head = LinearHead((8, 16, 16), 5, in_index=(1, 2)).train()
    maps = [torch.randn(2, c, 9, 13) * 7 + 3 for c in (8, 16, 16)]
    joined = torch.cat(maps[1:], 1)
    centred = joined - joined.mean((0, 2, 3), keepdim=True)
    unit = centred / (centred.square().mean((0, 2, 3), keepdim=True) + 1e-5).sqrt()
    expected = F.conv2d(unit, head.classifier.weight, head.classifier.bias)
    torch.testing.assert_close(head(maps), expected, rtol=1e-4, atol=1e-5)
