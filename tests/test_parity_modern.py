"""MiT, SegFormer, DAFormer and their heads give the published codes' outputs, key by key."""

import pytest
import torch
from torch import Tensor, nn

from daseg.backbones import MiT
from daseg.compat.convert import convert_state_dict
from daseg.ops.resize import resize
from daseg.registry import HEADS
from daseg.segmentor import Segmentor
from published import (
    assert_as_published,
    modern_fixtures,
    normal,
    published_shapes,
    published_state,
)

MODELS = modern_fixtures()["models"]
B0 = (32, 64, 160, 256)
HEADS_OF = {
    "daformer_head_b0": ("daformer", dict(type="DAFormerHead"), B0),
    "segformer_head_daformer_fork_b0": ("segformer", dict(type="SegFormerHead"), B0),
    "dlv2red_head": ("daformer", dict(type="DeepLabV2Head", dilations=(6, 12), branches=2), [2048]),
    "dlv2_head": ("daformer", dict(type="DeepLabV2Head"), [2048]),
}
SEGMENTORS = {
    "daformer_mitb0": ("daformer", dict(type="DAFormerHead")),
    "segformer_b0_nvlabs": ("segformer", dict(type="SegFormerHead")),
}


def mit(published: dict[str, Tensor], arch: str, tmp_path) -> MiT:
    """A backbone whose weights come from a file."""
    path = tmp_path / "mit.pth"
    torch.save(published, path)
    return MiT(arch, weights=str(path)).eval()


@pytest.mark.parametrize("arch", ["b0", "b2"])
@torch.no_grad()
def test_backbone(arch, tmp_path) -> None:
    published = published_state(f"mit_{arch}")
    classifier = {"head.weight": torch.zeros(1000, 256), "head.bias": torch.zeros(1000)}
    backbone = mit(published | classifier, arch, tmp_path)
    assert backbone.initial_weights is not None
    fixture = MODELS[f"mit_{arch}"]
    assert sum(p.numel() for p in backbone.parameters()) == fixture["n_numbers"]
    case = fixture["cases"][0]
    maps = backbone(normal(case["input_seed"], case["input_shape"]))
    for own, expected in zip(maps, case["outputs"], strict=True):
        assert_as_published(own, expected)


def with_head(name: str, source: str, head: dict, channels) -> nn.Module:
    """A head alone, its weights brought in through the converter."""
    published = {f"decode_head.{key}": value for key, value in published_state(name).items()}
    built = HEADS.build(dict(head), in_channels=channels, num_classes=19)
    target = {f"head.{key}": value for key, value in built.state_dict().items()}
    state, report = convert_state_dict(published, source, target)
    assert report.mapped.keys() | report.dropped.keys() == published.keys()
    assert set(report.dropped) <= {"decode_head.conv_seg.weight", "decode_head.conv_seg.bias"}
    built.load_state_dict({key.removeprefix("head."): value for key, value in state.items()})
    return built.eval()


@pytest.mark.parametrize("name", HEADS_OF)
@torch.no_grad()
def test_head(name) -> None:
    head = with_head(name, *HEADS_OF[name])
    case = MODELS[name]["cases"][0]
    shapes = case["input_shape"]
    shapes = shapes if isinstance(shapes[0], list) else [shapes]
    maps = [normal(case["input_seed"] + i, shape) for i, shape in enumerate(shapes)]
    assert_as_published(head(maps), case["outputs"][0])


@pytest.mark.parametrize("name", SEGMENTORS)
@torch.no_grad()
def test_segmentor(name) -> None:
    source, head = SEGMENTORS[name]
    segmentor = Segmentor(dict(type="MiT", arch="b0"), dict(head)).eval()
    published = published_state(name)
    state, report = convert_state_dict(published, source, segmentor.state_dict())
    assert report.mapped.keys() | report.dropped.keys() == published.keys()
    segmentor.load_state_dict(state)
    case = MODELS[name]["cases"][0]
    image = normal(case["input_seed"], case["input_shape"])
    logits = segmentor.head(segmentor.backbone(image))
    outputs = [logits, resize(logits, (image.shape[2], image.shape[3]), align_corners=False)]
    for own, expected in zip(outputs, case["outputs"], strict=False):
        assert_as_published(own, expected)


def mmseg(published: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same weights under the names of mmsegmentation 1.x, by its documented layout."""
    renamed, packed = {}, {}
    for key, value in published.items():
        first, _, rest = key.partition(".")
        stage, kind = int(first[-1]) - 1, first[:-1]
        layer = f"layers.{stage}.{dict(patch_embed=0, block=1, norm=2)[kind]}."
        rest = rest.replace("proj.", "projection.") if kind == "patch_embed" else rest
        for theirs, number in (("mlp.fc1", 0), ("mlp.dwconv.dwconv", 1), ("mlp.fc2", 4)):
            rest = rest.replace(theirs, f"ffn.layers.{number}")
        rest = rest.replace("attn.proj.", "attn.attn.out_proj.")
        if ".attn.q." in rest or ".attn.kv." in rest:
            place = rest.replace(".attn.q.", ".attn.attn.in_proj_").replace(
                ".attn.kv.", ".attn.attn.in_proj_"
            )
            packed.setdefault(layer + place, []).append(value)
            continue
        if rest.endswith("weight") and ("ffn.layers.0" in rest or "ffn.layers.4" in rest):
            value = value[:, :, None, None]
        renamed[layer + rest] = value
    return renamed | {key: torch.cat(values) for key, values in packed.items()}


def test_weights_of_mmsegmentation_are_the_same(tmp_path) -> None:
    published = published_state("mit_b0")
    theirs = mmseg(published)
    assert theirs["layers.2.1.1.attn.attn.in_proj_weight"].shape == (480, 160)
    own = mit(published, "b0", tmp_path).state_dict()
    for state in (theirs, {f"backbone.{key}": value for key, value in theirs.items()}):
        loaded = mit(state, "b0", tmp_path).state_dict()
        assert all(torch.equal(value, loaded[key]) for key, value in own.items())
    wrapped = {f"segmentor.backbone.{key}": value for key, value in own.items()}
    loaded = mit(wrapped, "b0", tmp_path).state_dict()
    assert all(torch.equal(value, loaded[key]) for key, value in own.items())


def test_b5_has_the_published_shapes() -> None:
    with torch.device("meta"):
        backbone = MiT("b5")
    published = published_shapes("hrda_mitb5")
    count = sum(key.startswith("backbone.") for key in published)
    assert (count, len(backbone.state_dict())) == (1052, 1052)
    assert sum(p.numel() for p in backbone.parameters()) == 81_443_008
