"""Tables of published networks: what becomes of each key, and what they were trained with."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from daseg.backbones.mit_weights import CLASSIFIER, QKV, own_name, to_own_names

State = Mapping[str, Tensor]
Rule = tuple[str, str]  # regular expression for the start of a key, what to put in its place


@dataclass(frozen=True)
class System:
    """A code that has published weights.

    Attributes:
        rules: The first whose pattern fits is applied to a key.
        inside: Then parts of the key are replaced by others.
        left_out: Patterns of keys that are not used, and why.
        trained_with: Settings of the networks that no weight shows: attribute path -> value.
        backbone_only: The files hold initial weights without a head.
    """

    rules: list[Rule]
    inside: Mapping[str, str] = field(default_factory=dict)
    left_out: list[Rule] = field(default_factory=list)
    trained_with: Mapping[str, Any] = field(default_factory=dict)
    backbone_only: bool = False


RESNET = r"(?=conv1\.|bn1\.|layer[1-4]\.)"
SEGMENTRON: list[Rule] = [
    (rf"encoder\.{RESNET}", "backbone."),
    (r"head\.aspp\.image_pooling\.conv\.", "head.aspp.pool.block.conv."),
    (r"head\.aspp\.image_pooling\.bn\.", "head.aspp.pool.block.norm."),
    (r"head\.aspp\.aspp0\.conv\.", "head.aspp.branches.0.conv."),
    (r"head\.aspp\.aspp0\.bn\.", "head.aspp.branches.0.norm."),
    (r"head\.aspp\.aspp([123])\.block\.", r"head.aspp.branches.\1."),
    (r"head\.aspp\.conv\.", "head.aspp.project.conv."),
    (r"head\.aspp\.bn\.", "head.aspp.project.norm."),
    (r"head\.c1_block\.conv\.", "head.low.conv."),
    (r"head\.c1_block\.bn\.", "head.low.norm."),
    (r"head\.block\.([01])\.block\.", r"head.decoder.\1."),
    (r"head\.block\.2\.", "head.classifier."),
]
# The parts of a separable convolution, once the rule above has placed it.
SEPARABLE = {
    ".bn_depth.": ".depthwise.norm.",
    ".bn_point.": ".pointwise.norm.",
    ".depthwise.weight": ".depthwise.conv.weight",
    ".pointwise.weight": ".pointwise.conv.weight",
}
ONE_HEAD: list[Rule] = [(RESNET, "backbone."), (r"layer5\.", "head.")]
VGG: list[Rule] = [(r"(?=features\.)", "backbone."), (r"classifier\.", "head.")]
TWO_HEADS: list[Rule] = [(RESNET, "backbone."), (r"layer5\.", "aux_head."), (r"layer6\.", "head.")]
# The keys of AdaptSegNet's discriminator, which no segmentor has.
DISCRIMINATOR = {
    f"{layer}.{part}"
    for layer in ("conv1", "conv2", "conv3", "conv4", "classifier")
    for part in ("weight", "bias")
}


def daformer_head(theirs: str, ours: str) -> list[Rule]:
    """Rules of a head of DAFormer's code that is called so there and here."""
    return [
        (rf"{theirs}\.embed_layers\.([0-3])\.proj\.", rf"{ours}.embed.layers.\1."),
        (rf"{theirs}\.fuse_layer\.aspp_modules\.", f"{ours}.context.branches."),
        (rf"{theirs}\.fuse_layer\.bottleneck\.", f"{ours}.context.project."),
        (rf"{theirs}\.fuse_layer\.(?=conv\.|bn\.)", f"{ours}.fuse."),
        (rf"{theirs}\.conv_seg\.", f"{ours}.classifier."),
        (rf"{theirs}\.aspp_modules\.(\d)\.conv\.", rf"{ours}.conv2d_list.\1."),
    ]


DAFORMER = daformer_head(r"decode_head", "head")
HRDA = [
    *daformer_head(r"decode_head\.head", "head"),
    *daformer_head(r"decode_head\.scale_attention", "attention"),
]
LAYERS = {".depthwise_conv.": ".depthwise.", ".pointwise_conv.": ".pointwise.", ".bn.": ".norm."}
SEGFORMER: list[Rule] = [
    (r"decode_head\.linear_c\.([0-3])\.proj\.", r"head.embed.layers.\1."),
    *((rf"decode_head\.linear_c{i + 1}\.proj\.", f"head.embed.layers.{i}.") for i in range(4)),
    (r"decode_head\.linear_fuse\.", "head.fuse."),
    (r"decode_head\.linear_pred\.", "head.classifier."),
]
OF_TRAINING: list[Rule] = [
    (r"ema_model\.", "the teacher; the student is what was evaluated"),
    (r"imnet_model\.", "the frozen ImageNet network of the feature distance"),
    (r"mic\.", "the teacher of the masked images"),
]
CLASSIFIER_REASON = "the ImageNet classifier"
RESNET_CLASSIFIER: list[Rule] = [(r"(encoder\.)?fc\.", CLASSIFIER_REASON)]

IMAGENET = {"to_bgr": False, "mean": (123.675, 116.28, 103.53), "std": (58.395, 57.12, 57.375)}
CAFFE = {
    "backbone.style": "caffe",
    "backbone.output_stride": 8,
    "align_corners": True,
    "to_bgr": True,
    "mean": (122.679, 116.669, 104.007),  # red, green, blue
    "std": (1.0, 1.0, 1.0),
}
MODERN = {**IMAGENET, "align_corners": False, "head.align_corners": False}
SYSTEMS = {
    "segmentron": System(
        SEGMENTRON,
        SEPARABLE,
        RESNET_CLASSIFIER,
        {
            **IMAGENET,
            "backbone.style": "torchvision",
            "backbone.output_stride": 16,
            "head.align_corners": True,
            "align_corners": True,
        },
    ),
    "adaptsegnet": System(
        ONE_HEAD + VGG,
        left_out=RESNET_CLASSIFIER,
        trained_with={**CAFFE, "head.branches": 2, "aux_head.branches": 2},
    ),
    "seg-uncertainty": System(ONE_HEAD, left_out=RESNET_CLASSIFIER, trained_with=CAFFE),
    "torchvision": System(
        ONE_HEAD[:1],
        left_out=RESNET_CLASSIFIER,
        trained_with={**IMAGENET, "backbone.style": "torchvision"},
        backbone_only=True,
    ),
    "daformer": System(DAFORMER, LAYERS, OF_TRAINING, MODERN),
    "hrda": System(HRDA, LAYERS, OF_TRAINING, {**MODERN, "context_scale": 0.5}),
    "mic": System(HRDA + DAFORMER, LAYERS, OF_TRAINING, MODERN),
    "segformer": System(
        SEGFORMER,
        LAYERS,
        [(r"decode_head\.conv_seg\.", "a layer that the published code makes and does not use")],
        MODERN,
    ),
    "mit": System(
        [(r"(?=stages\.)", "backbone."), (r"backbone\.(?=stages\.)", "backbone.")],
        left_out=[
            (CLASSIFIER.pattern, CLASSIFIER_REASON),
            (r"(model\.)?decode_head\.", "a head"),
            *OF_TRAINING,
        ],
        trained_with=IMAGENET,
        backbone_only=True,
    ),
}


def strip(key: str) -> str:
    """Take the wrappers' prefixes from a key."""
    return re.sub(r"^((module|Scale)\.)+", "", key)


def prepared(published: State, source: str) -> dict[str, Tensor]:
    """A published file whose tensors are those of the segmentor, where names alone do not do."""
    state = dict(published)
    if source == "mit" and any(QKV.search(key) for key in state):
        return to_own_names(state)
    if source == "segformer" and any(".linear_c4." in key for key in state):
        for key in [k for k in state if k.endswith("decode_head.linear_fuse.conv.weight")]:
            # SegFormer's code concatenates the maps coarse to fine, DAFormer's fine to coarse.
            state[key] = torch.cat(state[key].chunk(4, dim=1)[::-1], dim=1)
    return state


def rename(name: str, source: str, two_heads: bool) -> str:
    """The segmentor's key for a published one; the published one itself where no rule knows it."""
    system = SYSTEMS[source]
    name = own_name(name.removeprefix("model.")) if is_modern(source) else name
    for pattern, replacement in TWO_HEADS if two_heads else system.rules:
        new, count = re.subn(f"^{pattern}", replacement, name)
        if not count:
            continue
        for theirs, ours in system.inside.items():
            new = new.replace(theirs, ours)
        return new
    return name


def is_modern(source: str) -> bool:
    """Whether the code is one of those on the mix transformer."""
    return source in ("daformer", "hrda", "mic", "segformer", "mit")


def why_left_out(name: str, new: str, source: str, initial: bool, target: State) -> str:
    """The reason to leave a key out, or "" to keep it."""
    for pattern, reason in SYSTEMS[source].left_out:
        if re.match(pattern, name):
            return reason
    if initial and re.match(r"layer[56]\.", name):
        return "the initial weights' classifier, of other classes; heads start at random"
    if new.startswith("aux_head.") and not any(k.startswith("aux_head.") for k in target):
        return "the config has no aux_head"
    return ""
