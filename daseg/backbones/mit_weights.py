"""Weights of mix transformers under the names of their authors and of mmsegmentation 1.x."""

import re
from collections.abc import Mapping

from torch import Tensor

# The authors count stages from 1, mmsegmentation from 0.
AUTHORS = re.compile(r"(^|\.)(patch_embed|block|norm)([1-4])\.")
MMSEG = re.compile(r"(^|\.)layers\.([0-3])\.([012])\.")
OWN = re.compile(r"(^|\.)stages\.[0-3]\.")
PARTS = {"patch_embed": "embed", "block": "blocks", "norm": "norm"}
MMSEG_PARTS = ("embed", "blocks", "norm")
INSIDE = (
    (r"\.attn\.sr\.", ".attn.reduce."),
    (r"\.mlp\.dwconv\.dwconv\.", ".mlp.dwconv."),
    (r"\.embed\.projection\.", ".embed.proj."),
    (r"\.attn\.attn\.out_proj\.", ".attn.proj."),
    (r"\.ffn\.layers\.0\.", ".mlp.fc1."),
    (r"\.ffn\.layers\.1\.", ".mlp.dwconv."),
    (r"\.ffn\.layers\.4\.", ".mlp.fc2."),
)
CLASSIFIER = re.compile(r"(module\.)?head\.(weight|bias)")  # of ImageNet, in the authors' files
QKV = re.compile(r"\.attn\.attn\.in_proj_(weight|bias)$")


def own_name(name: str) -> str:
    """The name that a weight has in `MiT`, its prefix kept; one of no known kind stays as it is."""
    if OWN.search(name):
        return name
    if found := MMSEG.search(name):
        place = f"{found[1]}stages.{found[2]}.{MMSEG_PARTS[int(found[3])]}."
    elif found := AUTHORS.search(name):
        place = f"{found[1]}stages.{int(found[3]) - 1}.{PARTS[found[2]]}."
    else:
        return name
    name = name[: found.start()] + place + name[found.end() :]
    for theirs, ours in INSIDE:
        name = re.sub(theirs, ours, name)
    return name


def to_own_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a file under the names of `MiT`, without ImageNet's classifier.

    mmsegmentation has queries, keys and values in one matrix, and linear layers as convolutions.
    """
    own: dict[str, Tensor] = {}
    for key, value in state.items():
        name = own_name(key)
        if packed := QKV.search(name):
            before = name[: packed.start()]
            channels = len(value) // 3
            own[f"{before}.attn.q.{packed[1]}"] = value[:channels]
            own[f"{before}.attn.kv.{packed[1]}"] = value[channels:]
        elif not CLASSIFIER.fullmatch(key):
            is_linear = name.endswith((".mlp.fc1.weight", ".mlp.fc2.weight"))
            own[name] = value.flatten(1) if is_linear and OWN.search(name) else value
    return own
