"""`ViTBackbone` computes what timm's models do from the same weights, under any of their names."""

import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from daseg.backbones import ViTBackbone
from daseg.backbones.vit import ARCHITECTURES, Architecture

DIM, DEPTH, HEADS = 32, 3, 2
COMMON = dict(embed_dim=DIM, depth=DEPTH, num_heads=HEADS, num_classes=0)
LEARNT = Architecture(DIM, DEPTH, HEADS, 4 * DIM, patch=14, grid=4, scaled=True)
ROTARY = Architecture(
    DIM, DEPTH, HEADS, 4 * DIM, patch=16, registers=4, rope="dinov3", bias="qv", scaled=True,
    eps=1e-5,
)  # fmt: skip
GATED = Architecture(
    DIM, DEPTH, HEADS, int(DIM * 8 / 3), patch=14, grid=4, rope="eva", bias="qv", gated=True
)
# A small model of each kind, and the arguments with which timm makes it.
VIT = dict(COMMON, patch_size=14, img_size=56, init_values=1e-5, dynamic_img_size=True)
DINOV3 = dict(COMMON, patch_size=16, init_values=1e-5, rope_type="dinov3", rope_temperature=100,
              rope_rotate_half=True, use_rot_pos_emb=True, use_abs_pos_emb=False, num_reg_tokens=4,
              use_fc_norm=False, norm_layer=partial(nn.LayerNorm, eps=1e-5), dynamic_img_size=True,
              img_size=64)  # fmt: skip
EVA = dict(COMMON, patch_size=14, img_size=56, mlp_ratio=8 / 3, swiglu_mlp=True,
           global_pool="token", use_rot_pos_emb=True, ref_feat_shape=(16, 16),
           dynamic_img_size=True)  # fmt: skip
EVA_LARGE = dict(EVA, scale_mlp=True, qkv_fused=False)
KINDS: dict[str, tuple[Architecture, str, dict]] = {
    "dinov2": (LEARNT, "VisionTransformer", VIT),
    "dinov2_reg4": (
        replace(LEARNT, registers=4),
        "VisionTransformer",
        dict(VIT, reg_tokens=4, no_embed_class=True),
    ),
    "dinov3": (ROTARY, "Eva", dict(DINOV3, qkv_bias=False)),
    "dinov3_qkvb": (ROTARY, "Eva", dict(DINOV3, qkv_bias=True)),
    "dinov3_plus": (
        replace(ROTARY, gated=True),
        "Eva",
        dict(DINOV3, qkv_bias=False, swiglu_mlp=True, swiglu_align_to=8),
    ),
    "eva02": (GATED, "Eva", EVA),
    "eva02_large": (replace(GATED, mlp_norm=True), "Eva", EVA_LARGE),
    "eva02_clip": (
        replace(GATED, mlp_norm=True, attn_norm=True),
        "Eva",
        dict(EVA_LARGE, scale_attn_inner=True),
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Let the small models be architectures."""
    for name, (architecture, _, _) in KINDS.items():
        monkeypatch.setitem(ARCHITECTURES, name, architecture)


def shaken(model: nn.Module) -> nn.Module:
    """The model with every parameter at random, also scales, biases and tokens."""
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model.eval()


def theirs(name: str) -> nn.Module:
    """The small model of a kind, as timm builds it."""
    timm = pytest.importorskip("timm", reason="needs the extra daseg[timm]")
    _, kind, arguments = KINDS[name]
    return shaken(getattr(timm.models, kind)(**arguments))


def saved(state: dict[str, Tensor], folder: Path) -> str:
    torch.save(state, folder / "weights.pth")
    return str(folder / "weights.pth")


def features(model: nn.Module, image: Tensor, indices: list[int], norm: bool) -> list[Tensor]:
    return model.forward_intermediates(
        image, indices=indices, norm=norm, intermediates_only=True, output_fmt="NCHW"
    )


@pytest.mark.parametrize("name", KINDS)
@torch.no_grad()
def test_outputs_are_those_of_timm(name, tmp_path):
    model = theirs(name)
    patch = ARCHITECTURES[name].patch
    image = torch.randn(2, 3, 5 * patch, 3 * patch)  # another grid than the table's
    weights = saved(model.state_dict(), tmp_path)
    ours = ViTBackbone(name, weights=weights, out_indices=(0, -1)).eval()
    for mine, other in zip(ours(image), features(model, image, [0, 2], True), strict=True):
        assert mine.shape == (2, DIM, 5, 3)
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-5)
    bare = ViTBackbone(name, weights=weights, out_indices=(1,), final_norm="none").eval()
    (expected,) = features(model, image, [1], False)
    torch.testing.assert_close(bare(image)[0], expected, rtol=1e-5, atol=1e-5)
    assert len(bare.blocks) == 2
    assert "blocks.2.norm1.weight" in bare.initial_weights.dropped


def original(state: dict[str, Tensor], kind: str) -> dict[str, Tensor]:
    """A small model's weights under the names of its authors."""
    names = [
        (r"reg_token", "register_tokens"),
        (r"mlp\.fc1_g", "mlp.w1"),
        (r"mlp\.fc1_x", "mlp.w2"),
    ]
    if kind.startswith("dinov3"):
        names += [(r"gamma_(\d)", r"ls\1.gamma"), ("register_tokens", "storage_tokens")]
    if kind.startswith("eva02"):
        names += [(r"mlp\.norm", "mlp.ffn_ln"), (r"attn\.norm", "attn.inner_attn_ln"),
                  (r"attn\.([qv])_proj\.bias", r"attn.\1_bias")]  # fmt: skip
    if "w1" in str(state) or any("fc1_g" in key for key in state):
        names += [(r"mlp\.fc2", "mlp.w3")]
    renamed = {}
    for key, value in state.items():
        for pattern, name in names:
            key = re.sub(pattern, name, key)
        renamed[key] = value
    renamed["mask_token"] = torch.zeros(1, DIM)
    return renamed


@pytest.mark.parametrize("name", ["dinov2", "dinov3_plus", "eva02", "eva02_clip"])
@torch.no_grad()
def test_names_of_the_authors(name, tmp_path):
    state = theirs(name).state_dict()
    image = torch.randn(1, 3, 112, 112)
    expected = ViTBackbone(name, weights=saved(state, tmp_path)).eval()(image)
    named = original(state, name)
    if name == "dinov3_plus":
        named["rope_embed.periods"] = torch.ones(4)
        for i in range(DEPTH):
            named[f"blocks.{i}.attn.qkv.bias"] = torch.zeros(3 * DIM)
            named[f"blocks.{i}.attn.qkv.bias_mask"] = torch.ones(3 * DIM)
    assert named.keys() != state.keys()
    found = ViTBackbone(name, weights=saved(named, tmp_path))
    assert "mask_token" in found.initial_weights.dropped
    assert torch.equal(found.eval()(image)[0], expected[0])


@torch.no_grad()
def test_dinov2_with_registers_has_a_place_for_the_class_token_in_its_authors_file(tmp_path):
    state = theirs("dinov2_reg4").state_dict()
    image = torch.randn(1, 3, 56, 56)
    expected = ViTBackbone("dinov2_reg4", weights=saved(state, tmp_path)).eval()(image)
    place = torch.randn(1, 1, DIM)
    named = original(state, "dinov2_reg4")
    named["pos_embed"] = torch.cat([place, state["pos_embed"]], 1)
    named["cls_token"] = state["cls_token"] - place
    found = ViTBackbone("dinov2_reg4", weights=saved(named, tmp_path)).eval()(image)
    torch.testing.assert_close(found[0], expected[0], rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_biases_of_queries_and_values_are_taken_out_of_dinov3s_file(tmp_path):
    state = theirs("dinov3_qkvb").state_dict()
    image = torch.randn(1, 3, 64, 64)
    expected = ViTBackbone("dinov3_qkvb", weights=saved(state, tmp_path)).eval()(image)
    named = original(state, "dinov3")
    for i in range(DEPTH):
        q, v = (named.pop(f"blocks.{i}.attn.{letter}_bias") for letter in "qv")
        named[f"blocks.{i}.attn.qkv.bias"] = torch.cat([q, torch.full_like(q, torch.nan), v])
        named[f"blocks.{i}.attn.qkv.bias_mask"] = torch.ones(3 * DIM)
        named.pop(f"blocks.{i}.attn.k_bias", None)
    found = ViTBackbone("dinov3_qkvb", weights=saved(named, tmp_path)).eval()(image)
    assert torch.equal(found[0], expected[0])
