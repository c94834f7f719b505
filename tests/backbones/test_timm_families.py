"""Networks of every family of timm are backbones: layout, sizes, norms, gradients."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from daseg.backbones import VGG16, ResNet, TimmBackbone
from daseg.heads import DeepLabV2Head
from daseg.segmentor import Segmentor
from daseg.utils.errors import ConfigError

timm = pytest.importorskip("timm", reason="needs the extra daseg[timm]")
PYRAMID = (4, 8, 16, 32)
# One small network of each family, its strides, and what its images are padded to.
FAMILIES: dict[str, tuple[tuple[int, ...], int]] = {
    "resnet10t": (PYRAMID, 1),
    "resnetv2_18": (PYRAMID, 1),
    "regnety_002": (PYRAMID, 1),
    "mobilenetv3_small_050": (PYRAMID, 1),
    "efficientnet_b0": (PYRAMID, 1),
    "ghostnet_050": (PYRAMID, 1),
    "hgnetv2_b0": (PYRAMID, 1),
    "repvit_m0_9": (PYRAMID, 1),
    "fastvit_t8": (PYRAMID, 1),
    "convnext_atto": (PYRAMID, 1),
    "pvt_v2_b0": (PYRAMID, 1),
    "mvitv2_tiny": (PYRAMID, 1),
    "tiny_vit_5m_224": (PYRAMID, 1),
    "davit_tiny": (PYRAMID, 1),
    "hrnet_w18_small": (PYRAMID, 32),
    "dla34": (PYRAMID, 32),
    "swin_tiny_patch4_window7_224": (PYRAMID, 32),
    "swinv2_tiny_window8_256": (PYRAMID, 32),
    "maxvit_rmlp_pico_rw_256": (PYRAMID, 256),
    "test_vit": ((16,) * 3, 16),
    "vit_small_patch14_reg4_dinov2": ((14,) * 3, 14),
    "vit_tiny_patch16_dinov3_qkvb": ((16,) * 3, 16),
    "eva02_tiny_patch14_224": ((14,) * 3, 14),
    "xcit_tiny_12_p8_224": ((8,) * 3, 1),
}
FLOOR = {"convnext_atto"}  # whose first layer drops the pixels that do not fill a patch


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_a_network_of_each_family_trains_at_an_odd_size(name: str) -> None:
    strides, divisor = FAMILIES[name]
    backbone = TimmBackbone(name)
    assert backbone.training
    assert (backbone.strides, backbone.size_divisor) == (strides, divisor)
    height, width = 97, 130
    maps = backbone(torch.randn(2, 3, height, width))
    for found, channels, stride in zip(maps, backbone.out_channels, strides, strict=True):
        size = (height // stride, width // stride)
        if name not in FLOOR:
            size = (-(-height // stride), -(-width // stride))
        assert found.shape == (2, channels, *size)
    head = DeepLabV2Head(backbone.out_channels, num_classes=4)
    loss = head(maps).square().mean() + sum(m.square().mean() for m in maps)
    loss.backward()
    # An unused one would stop a training of several processes.
    assert [n for n, p in backbone.named_parameters() if p.grad is None] == []
    assert all(p.grad.isfinite().all() for p in backbone.parameters())


@torch.no_grad()
def test_a_transformer_gives_normed_maps_without_prefix_tokens(tmp_path: Path) -> None:
    model = timm.create_model("test_vit").eval()
    for parameter in model.parameters():  # scales and shifts of norms too
        nn.init.normal_(parameter, std=0.1)
    torch.save(model.state_dict(), tmp_path / "w.pth")
    weights = str(tmp_path / "w.pth")
    backbone = TimmBackbone("test_vit", weights=weights, out_indices=(-1,)).eval()
    size = model.patch_embed.img_size[0]
    image = torch.randn(1, 3, size, size)
    tokens = model.forward_features(image)[:, model.num_prefix_tokens :]
    side = size // 16
    expected = tokens.transpose(1, 2).unflatten(2, (side, side))
    torch.testing.assert_close(backbone(image), (expected,))
    bare = TimmBackbone("test_vit", weights=weights, out_indices=(-1,), final_norm=False).eval()
    (unnormed,) = bare(image)
    normed = model.norm(unnormed.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    torch.testing.assert_close(normed, expected)
    assert not torch.allclose(unnormed, expected, atol=1e-2)


@torch.no_grad()
def test_an_image_is_padded_at_its_right_and_bottom_with_the_mean() -> None:
    backbone = TimmBackbone("test_vit").eval()
    image = torch.randn(1, 3, 50, 70)
    padded = torch.zeros(1, 3, 64, 80)
    padded[:, :, :50, :70] = image
    for small, large in zip(backbone(image), backbone(padded), strict=True):
        assert small.shape[2:] == (4, 5)
        torch.testing.assert_close(small, large)


@torch.no_grad()
def test_maps_of_padding_alone_are_cut_off() -> None:
    backbone = TimmBackbone("test_convnext", size_divisor=32).eval()
    image = torch.randn(1, 3, 33, 65)
    padded = torch.zeros(1, 3, 64, 96)
    padded[:, :, :33, :65] = image
    sizes = [(9, 17), (5, 9), (3, 5), (2, 3)]
    found = backbone(image)
    assert [tuple(m.shape[2:]) for m in found] == sizes
    for cut, full, (height, width) in zip(found, backbone(padded), sizes, strict=True):
        torch.testing.assert_close(cut, full[:, :, :height, :width])


def test_arguments_reach_the_network() -> None:
    arguments = dict(patch_size=8, drop_path_rate=0.5)
    backbone = TimmBackbone("test_vit", model_args=arguments, out_indices=(0, 2))
    assert backbone.strides == (8, 8)
    assert len(backbone.model.model.blocks) == 3
    assert backbone.model.model.blocks[2].drop_path1.drop_prob > 0
    with pytest.raises(ConfigError, match=r"test_vit .* arguments \{'depht': 2.* 'depht'"):
        TimmBackbone("test_vit", model_args=dict(depht=2))


def test_a_network_for_one_size_says_so() -> None:
    with pytest.raises(ConfigError, match=r"coat.*does not take images of any size.*img_s"):
        TimmBackbone("coat_tiny")
    backbone = TimmBackbone("coat_tiny", model_args=dict(img_size=(32, 64)))
    assert backbone(torch.zeros(1, 3, 32, 64))[0].shape[2:] == (8, 16)
    with pytest.raises(ConfigError, match=r"built for images of \(32, 64\).* none of \(32, 32\)"):
        backbone(torch.zeros(1, 3, 32, 32))


def test_strides_that_cannot_be_had() -> None:
    with pytest.raises(ConfigError, match=r"test_vit .*output_stride"):
        TimmBackbone("test_vit", output_stride=8)
    with pytest.raises(ConfigError, match="resnet10t has no final norm"):
        TimmBackbone("resnet10t", final_norm=True)


@pytest.mark.parametrize(
    "make",
    [
        lambda: TimmBackbone("test_efficientnet", frozen=True),
        lambda: TimmBackbone("test_vit", model_args=dict(drop_path_rate=0.9), frozen=True),
        lambda: ResNet(18, frozen=True),
        lambda: VGG16(frozen=True),
    ],
)
def test_a_frozen_backbone_never_changes(make) -> None:
    backbone = make()
    before = {k: v.clone() for k, v in backbone.state_dict().items()}
    segmentor = Segmentor(backbone, dict(type="DeepLabV2Head"), num_classes=3).train()
    assert segmentor.head.training
    assert not any(module.training for module in backbone.modules())
    image = torch.rand(1, 3, 40, 40) * 255
    first, second = segmentor(image), segmentor(image)
    for a, b in zip(first.features, second.features, strict=True):
        assert torch.equal(a, b)
    assert not first.features[-1].requires_grad
    first.logits.sum().backward()
    assert all(p.grad is None for p in backbone.parameters())
    assert any(p.grad is not None for p in segmentor.head.parameters())
    assert all(torch.equal(v, before[k]) for k, v in backbone.state_dict().items())


@pytest.mark.parametrize(
    "backbone",
    [ResNet(18), ResNet(18, output_stride=8), VGG16(), TimmBackbone("test_resnet")],
    ids=["resnet", "dilated", "vgg", "timm"],
)
@torch.no_grad()
def test_strides_are_those_of_the_maps(backbone: nn.Module) -> None:
    maps: tuple[Tensor, ...] = backbone.eval()(torch.zeros(1, 3, 64, 96))
    assert [tuple(m.shape[2:]) for m in maps] == [(64 // s, 96 // s) for s in backbone.strides]
