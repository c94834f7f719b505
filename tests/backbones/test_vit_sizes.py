"""Sizes, options and errors of `ViTBackbone`, and models at their real size."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from daseg.backbones import ViTBackbone
from daseg.backbones.vit import ARCHITECTURES, Architecture
from daseg.backbones.vit_layers import resize_kernel
from daseg.backbones.vit_weights import to_own_names
from daseg.utils.errors import CheckpointError, ConfigError

TINY = Architecture(16, 4, 2, 32, patch=14, registers=2, grid=4, scaled=True)


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setitem(ARCHITECTURES, "tiny", TINY)


def shaken(backbone: ViTBackbone) -> ViTBackbone:
    for parameter in backbone.parameters():
        nn.init.normal_(parameter, std=0.3)
    return backbone.eval()


@torch.no_grad()
def test_an_odd_size_is_padded_right_and_below():
    backbone = shaken(ViTBackbone("tiny", out_indices=(1, 3)))
    assert (backbone.strides, backbone.out_channels) == ((14, 14), (16, 16))
    image = torch.randn(1, 3, 50, 70)
    padded = F.pad(image, (0, 0, 0, 6))
    for one, other in zip(backbone(image), backbone(padded), strict=True):
        assert one.shape == (1, 16, 4, 5)
        assert torch.equal(one, other)


@torch.no_grad()
def test_the_resizing_of_vfm_uda():
    """Crops of 1024 become 80x80 patches of 14: VFM-UDA, section 4."""
    backbone = ViTBackbone("tiny", resize=1.1)
    assert backbone.fitted(torch.zeros(1, 3, 1024, 512)).shape[2:] == (1120, 560)
    image = torch.randn(1, 3, 64, 64)
    seen = F.interpolate(image, (70, 70), mode="bilinear")
    plain = ViTBackbone("tiny")
    plain.load_state_dict(backbone.state_dict())
    assert torch.equal(backbone.eval()(image)[0], plain.eval()(seen)[0])


@torch.no_grad()
def test_the_final_norm_is_where_it_is_asked_for():
    states = shaken(ViTBackbone("tiny", out_indices=(0, 3))).state_dict()
    image, found = torch.randn(1, 3, 56, 56), {}
    for kind in ("all", "last", "none"):
        backbone = ViTBackbone("tiny", out_indices=(0, 3), final_norm=kind).eval()
        own = backbone.state_dict().keys()
        backbone.load_state_dict({k: v for k, v in states.items() if k in own})
        found[kind] = backbone(image)

    def normed(x: Tensor) -> Tensor:
        tokens = F.layer_norm(x.permute(0, 2, 3, 1), (16,), states["norm.weight"],
                              states["norm.bias"], 1e-6)  # fmt: skip
        return tokens.permute(0, 3, 1, 2)

    for index, applied in enumerate([("all",), ("all", "last")]):
        bare = found["none"][index]
        for kind, maps in found.items():
            expected = normed(bare) if kind in applied else bare
            torch.testing.assert_close(maps[index], expected)


def test_all_parameters_learn_and_depths_count_from_the_image():
    backbone = shaken(ViTBackbone("tiny", out_indices=(0, 2), drop_path=0.5))
    sum(m.square().mean() for m in backbone(torch.randn(2, 3, 30, 30))).backward()
    assert [n for n, p in backbone.named_parameters() if p.grad is None] == []
    depths = backbone.layer_depths()
    assert depths.keys() == dict(backbone.named_parameters()).keys()
    assert {depths[n] for n in ("cls_token", "pos_embed", "patch_embed.proj.bias")} == {0}
    assert (depths["blocks.0.norm1.bias"], depths["blocks.2.ls2.gamma"]) == (1, 3)
    assert depths["norm.weight"] == 3
    assert [block.drop_path.p for block in backbone.blocks] == pytest.approx([0, 1 / 6, 1 / 3])


def test_branches_are_skipped_in_training_alone():
    backbone = shaken(ViTBackbone("tiny", drop_path=0.9))
    image = torch.randn(2, 3, 28, 28)
    assert torch.equal(backbone(image)[0], backbone(image)[0])
    backbone.train()
    assert not torch.equal(backbone(image)[0], backbone(image)[0])


def test_a_frozen_one():
    backbone = ViTBackbone("tiny", drop_path=0.9, frozen=True).train()
    assert not any(m.training for m in backbone.modules())
    assert not any(p.requires_grad for p in backbone.parameters())
    image = torch.randn(1, 3, 28, 28)
    assert torch.equal(backbone(image)[0], backbone(image)[0])


@torch.no_grad()
def test_another_patch_sees_the_same_in_a_resized_image():
    """FlexiViT's criterion: the embedding of a patch stays, where the image grows with it."""
    kernel, image = torch.randn(5, 3, 14, 14), torch.randn(2, 3, 14, 14)
    larger = F.interpolate(image, (16, 16), mode="bicubic", antialias=True)
    torch.testing.assert_close(
        F.conv2d(larger, resize_kernel(kernel, 16)), F.conv2d(image, kernel), rtol=1e-4, atol=1e-3
    )
    timm = pytest.importorskip("timm", reason="needs the extra daseg[timm]")
    theirs = timm.layers.resample_patch_embed(kernel, [16, 16])
    torch.testing.assert_close(resize_kernel(kernel, 16), theirs, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_weights_of_another_patch_and_grid(tmp_path):
    source = shaken(ViTBackbone("tiny"))
    state = source.state_dict()
    path = str(tmp_path / "w.pth")
    torch.save(state, path)
    backbone = ViTBackbone("tiny", patch_size=16, weights=path).eval()
    image = torch.nn.functional.interpolate(torch.randn(1, 3, 4, 4), (56, 56), mode="bicubic")
    larger = F.interpolate(image, (64, 64), mode="bicubic", antialias=True)
    assert backbone.strides == (16,)
    similarity = F.cosine_similarity(backbone(larger)[0], source(image)[0], dim=1)
    assert similarity.min() > 0.9
    state["pos_embed"] = torch.ones(1, 36, 16)
    torch.save(state, path)
    table = ViTBackbone("tiny", weights=path).pos_embed
    torch.testing.assert_close(table, torch.ones(1, 16, 16))


def test_bad_arguments_and_files(tmp_path):
    for arguments, message in [
        (dict(arch="dinov2_smal"), "no arch 'dinov2_smal'; did you mean 'dinov2_small'"),
        (dict(arch="tiny", out_indices=(0, 4)), r"\(0, 4\) are not increasing numbers of the 4"),
        (dict(arch="tiny", out_indices=(2, 1)), "not increasing"),
        (dict(arch="tiny", out_indices=(3, -1)), "not increasing"),
        (dict(arch="tiny", final_norm="first"), "final_norm is 'all', 'last' or 'none'"),
    ]:
        with pytest.raises(ConfigError, match=message):
            ViTBackbone(**arguments)
    with pytest.raises(CheckpointError, match=r"no weights file at .*backbones\.md"):
        ViTBackbone("tiny", weights=str(tmp_path / "none.pth"))
    state = ViTBackbone("tiny").state_dict()
    path = str(tmp_path / "w.pth")
    for changed, message in [
        (
            {k: v for k, v in state.items() if k != "blocks.1.norm1.bias"},
            r"missing in it: blocks\.1",
        ),
        (state | {"blocks.1.adapter": torch.zeros(1)}, r"no known use: blocks\.1\.adapter"),
        (state | {"cls_token": torch.zeros(1, 1, 8)}, "wrong shape: cls_token"),
        ({"conv1.weight": torch.zeros(1)}, "holds no vision transformer"),
        (state | {"norm.bias": torch.full((16,), torch.nan)}, "not finite: norm.bias"),
    ]:
        torch.save(changed, path)
        with pytest.raises(CheckpointError, match=message):
            ViTBackbone("tiny", weights=path)


REAL = {
    "dinov2_small": "vit_small_patch14_dinov2",
    "dinov2_small_reg4": "vit_small_patch14_reg4_dinov2",
    "dinov3_tiny": "vit_tiny_patch16_dinov3_qkvb",
    "dinov3_small": "vit_small_patch16_dinov3",
    "dinov3_small_plus": "vit_small_plus_patch16_dinov3",
    "dinov3_base": "vit_base_patch16_dinov3",
    "eva02_tiny": "eva02_tiny_patch14_224",
    "eva02_small": "eva02_small_patch14_224",
    "eva02_base": "eva02_base_patch14_224",
}
LARGE = {
    "dinov2_large_reg4": "vit_large_patch14_reg4_dinov2",
    "eva02_large": "eva02_large_patch14_224",
    "dinov3_large": "vit_large_patch16_dinov3",
    "eva02_large_clip": "eva02_large_patch14_clip_224",
}


@pytest.mark.slow
@pytest.mark.parametrize("arch", REAL)
@torch.no_grad()
def test_models_at_their_real_size_are_those_of_timm(arch, tmp_path):
    timm = pytest.importorskip("timm", reason="needs the extra daseg[timm]")
    options = dict(dynamic_img_size=True, num_classes=0)
    if arch.startswith("eva02"):
        options["global_pool"] = "token"
    model = timm.create_model(REAL[arch], **options).eval()
    torch.save(model.state_dict(), tmp_path / "w.pth")
    backbone = ViTBackbone(arch, weights=str(tmp_path / "w.pth"), out_indices=(2, -1)).eval()
    side = backbone.patch
    image = torch.randn(1, 3, 7 * side, 9 * side)
    expected = model.forward_intermediates(
        image, indices=[2, 11], norm=True, intermediates_only=True
    )
    for ours, theirs in zip(backbone(image), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("arch", LARGE)
def test_large_models_have_the_weights_of_timms(arch):
    timm = pytest.importorskip("timm", reason="needs the extra daseg[timm]")
    with torch.device("meta"):  # names and shapes alone
        model = timm.create_model(LARGE[arch], num_classes=0, global_pool="token")
        expected = ViTBackbone(arch).state_dict()
    own = to_own_names(model.state_dict(), "timm's file")
    if arch.startswith("dinov3"):  # whose biases of queries and values are zero
        expected = {k: v for k, v in expected.items() if not k.endswith(("q_bias", "v_bias"))}
    shapes = {name: value.shape for name, value in own.items()}
    differing = {k for k in shapes.keys() | expected if shapes.get(k) != expected[k].shape}
    assert differing <= {"pos_embed"}  # timm's has a place for the class token
