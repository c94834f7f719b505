"""A pyramid of maps on a plain vision transformer."""

import pytest
import torch
from torch import nn

from daseg.backbones import PyramidBackbone, ViTBackbone
from daseg.backbones.vit import ARCHITECTURES, Architecture
from daseg.segmentor import Segmentor, without_initial_weights
from daseg.utils.errors import ConfigError

TINY = Architecture(32, 4, 2, 128, patch=16, grid=4, scaled=True)


@pytest.fixture(autouse=True)
def _tiny(monkeypatch):
    monkeypatch.setitem(ARCHITECTURES, "tiny", TINY)


def vit(**options) -> dict:
    return dict(type="ViTBackbone", arch="tiny", **options)


@pytest.mark.parametrize("indices", [(-1,), (0, 1, 2, 3)])
def test_maps_of_four_strides(indices) -> None:
    backbone = PyramidBackbone(vit(out_indices=indices))
    assert backbone.out_channels == (32,) * 4
    assert backbone.strides == (4, 8, 16, 32)
    maps = backbone(torch.randn(1, 3, 48, 80))
    assert [tuple(m.shape[2:]) for m in maps] == [(12, 20), (6, 10), (3, 5), (2, 3)]
    head = dict(type="DAFormerHead", channels=8)
    assert Segmentor(backbone, head).predict(torch.zeros(1, 3, 48, 80)).shape == (1, 19, 48, 80)


def test_the_third_map_is_the_backbones_own_and_the_last_its_maximum() -> None:
    backbone, image = PyramidBackbone(vit()).eval(), torch.randn(1, 3, 64, 64)
    (own,) = backbone.backbone(image)
    maps = backbone(image)
    assert torch.equal(maps[2], own)
    assert torch.equal(maps[3], own.unflatten(3, (2, 2)).unflatten(2, (2, 2)).amax((3, 5)))


def test_a_frozen_backbone_has_a_pyramid_that_is_trained() -> None:
    backbone = PyramidBackbone(vit(frozen=True)).train()
    trained = {name.split(".")[0] for name, p in backbone.named_parameters() if p.requires_grad}
    assert trained == {"scale"}
    assert not backbone.backbone.training


def test_layers_and_initial_weights_are_the_backbones() -> None:
    backbone = PyramidBackbone(vit())
    depths = backbone.layer_depths()
    assert depths.keys() == dict(backbone.named_parameters()).keys()
    assert depths["backbone.blocks.1.attn.qkv.weight"] == 2
    assert depths["scale.1.weight"] == 4
    inner = vit(weights="somewhere.pth")
    model = dict(segmentor=dict(backbone=dict(type="PyramidBackbone", backbone=inner)))
    without_initial_weights(model)
    assert inner["weights"] is None


def test_other_backbones_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"ViTBackbone has strides \(16, 16\)"):
        PyramidBackbone(vit(out_indices=(1, 3)))
    with pytest.raises(ConfigError, match=r"ResNet has strides \(4, 8, 16, 32\)"):
        PyramidBackbone(dict(type="ResNet", depth=18))
    assert isinstance(PyramidBackbone(ViTBackbone("tiny")).scale[2], nn.Identity)
