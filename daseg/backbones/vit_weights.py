"""Weights of plain vision transformers under the names of their authors and of timm."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from daseg.backbones.vit_layers import resize_kernel, resize_positions
from daseg.backbones.weights import InitialWeights, check_fit, read_state_dict, some
from daseg.utils.errors import CheckpointError
from daseg.weights.files import sha256_file

PREFIXES = ("", "module.", "model.", "visual.", "visual.trunk.", "backbone.", "segmentor.backbone.")
# What the training of a backbone needs and its features do not.
UNUSED = re.compile(
    r"mask_token|head\..*|fc_norm\..*|rope.*|.*\.bias_mask|local_cls_norm\..*|projectors\..*"
    r"|.*attn\.rope\..*|dino_head\..*|ibot_head\..*|text\..*|logit_scale"
)
RENAMED = (
    (r"^(register_tokens|storage_tokens)$", "reg_token"),
    (r"\.gamma_([12])$", r".ls\1.gamma"),
    (r"\.mlp\.(w1|fc1_g)\.", ".mlp.gate."),
    (r"\.mlp\.(w2|w12|fc1_x)\.", ".mlp.fc1."),
    (r"\.mlp\.w3\.", ".mlp.fc2."),
    (r"\.mlp\.ffn_ln\.", ".mlp.norm."),
    (r"\.attn\.inner_attn_ln\.", ".attn.norm."),
    (r"\.attn\.([qv])_proj\.bias$", r".attn.\1_bias"),
)


def load_vit_weights(backbone: Any, path: str) -> InitialWeights:
    """Load a file into a `ViTBackbone`, strictly; return where the weights came from.

    Raises:
        CheckpointError: There is no such file, or a weight is missing, unknown or of another shape.
    """
    if not Path(path).is_file():
        raise CheckpointError(
            f"no weights file at {path}: put the model's weights there (docs/backbones.md says how "
            "to get them), or train without: --cfg-options model.segmentor.backbone.weights=None"
        )
    state = read_state_dict(path)
    own = to_own_names(state, path)
    kept = {k: v for k, v in own.items() if not is_left_out(k, backbone)}
    kept = fit_sizes(kept, backbone)
    expected = backbone.state_dict()
    if backbone.architecture.rope == "dinov3" and "blocks.0.attn.q_bias" not in kept:
        # timm leaves these out where all of them are zero.
        biases = [name for name in expected if name.endswith(("q_bias", "v_bias"))]
        kept |= {name: torch.zeros_like(expected[name]) for name in biases}
    check_fit(kept, expected, path)
    backbone.load_state_dict(kept)
    dropped = tuple(k for k in state if UNUSED.fullmatch(k)) + tuple(own.keys() - kept.keys())
    return InitialWeights(path, sha256_file(path), dropped)


def to_own_names(state: Mapping[str, Tensor], path: str) -> dict[str, Tensor]:
    """The weights of a vision transformer under the names of `ViTBackbone`."""
    prefix = max(PREFIXES, key=lambda p: (f"{p}patch_embed.proj.weight" in state, len(p)))
    own: dict[str, Tensor] = {}
    for key, value in state.items():
        name = key.removeprefix(prefix)
        if not key.startswith(prefix) or UNUSED.fullmatch(name):
            continue
        for pattern, replacement in RENAMED:
            name = re.sub(pattern, replacement, name)
        own[name] = value
    for name in list(own):
        if name.endswith("attn.q_proj.weight"):
            names = [name.replace("q_proj", f"{letter}_proj") for letter in "qkv"]
            own[name.replace("q_proj", "qkv")] = torch.cat([own.pop(n) for n in names])
        elif ".mlp.fc1." in name:
            hidden = own[f"{name.partition('fc1')[0]}fc2.weight"].shape[1]
            if len(own[name]) == 2 * hidden:  # SwiGLU's two layers in one
                own[name.replace("fc1", "gate")], own[name] = own[name].chunk(2)
    if any(key.endswith("bias_mask") for key in state):  # DINOv3: keys have a bias of zero
        for name in [n for n in own if n.endswith("attn.qkv.bias")]:
            query, _, value = own.pop(name).chunk(3)
            own[name.replace("qkv.bias", "q_bias")] = query
            own[name.replace("qkv.bias", "v_bias")] = value
    if "cls_token" not in own or "patch_embed.proj.weight" not in own:
        raise CheckpointError(
            f"{path} holds no vision transformer with the names of its authors or of timm: "
            f"cls_token or patch_embed.proj.weight is missing (it has {some(list(state))})"
        )
    return own


def is_left_out(name: str, backbone: Any) -> bool:
    """Whether a weight belongs to a block or norm that the backbone was built without."""
    block = re.match(r"blocks\.(\d+)\.", name)
    if block:
        return len(backbone.blocks) <= int(block[1]) < backbone.architecture.depth
    return name.startswith("norm.") and backbone.final_norm == "none"


def fit_sizes(state: dict[str, Tensor], backbone: Any) -> dict[str, Tensor]:
    """Resize the patch's kernel and the table of positions; the class token takes its own in."""
    fitted = dict(state)
    kernel = "patch_embed.proj.weight"
    fitted[kernel] = resize_kernel(state[kernel], backbone.patch)
    table, grid = state.get("pos_embed"), backbone.architecture.grid
    if table is not None and grid:
        if round((table.shape[1] - 1) ** 0.5) ** 2 == table.shape[1] - 1:
            fitted["cls_token"] = state["cls_token"] + table[:, :1]
            table = table[:, 1:]
        fitted["pos_embed"] = resize_positions(table, (grid, grid), antialias=True)
    return fitted
