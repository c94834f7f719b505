"""Files of DAFormer, HRDA, MIC, SegFormer and MiT: which of their networks is taken."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from daseg.compat.convert import convert_file, convert_state_dict, differences
from daseg.hrda import HRDASegmentor
from daseg.segmentor import Segmentor
from daseg.utils.errors import CheckpointError
from published import published_shapes, published_state

MIT, HEAD = dict(type="MiT", arch="b0"), dict(type="DAFormerHead")
TOOL = Path(__file__).parents[2] / "tools/convert_checkpoint.py"


def trained(name: str) -> dict[str, Tensor]:
    """A file as a training writes it: student, teacher and the frozen ImageNet network."""
    shapes = published_shapes(name)
    parts = dict(model=1.0, ema_model=2.0, imnet_model=3.0)
    return {
        f"{part}.{key}": torch.full(shape, value if shape else 1)
        for part, value in parts.items()
        for key, shape in shapes.items()
    }


def hrda(**options) -> HRDASegmentor:
    return HRDASegmentor(MIT, HEAD, dict(HEAD, fusion="conv"), **options)


@pytest.mark.parametrize(("source", "name"), [
    ("daformer", "daformer_mitb0"), ("hrda", "hrda_mitb0"), ("mic", "hrda_mitb0"),
    ("mic", "daformer_mitb0"),
])  # fmt: skip
def test_the_student_is_taken(source, name) -> None:
    network = hrda() if name.startswith("hrda") else Segmentor(MIT, HEAD)
    file = trained(name)
    state, report = convert_state_dict(file, source, network.state_dict())
    network.load_state_dict(state)
    assert set(report.mapped) == {key for key in file if key.startswith("model.")}
    assert all(value.unique().tolist() == [1] for key, value in state.items()
               if key not in ("mean", "std"))  # fmt: skip
    reasons = {key.split(".")[0]: why for key, why in report.dropped.items()}
    assert reasons == {
        "ema_model": "the teacher; the student is what was evaluated",
        "imnet_model": "the frozen ImageNet network of the feature distance",
    }


def test_one_attention_for_all_classes() -> None:
    network = hrda(classwise=False)
    published = published_state("hrda_mitb0_singleatt")
    state, _ = convert_state_dict(published, "hrda", network.state_dict())
    network.load_state_dict(state)
    with pytest.raises(CheckpointError, match=r"attention\.classifier\.weight is \(1, 256, 1, 1\)"):
        convert_state_dict(published, "hrda", hrda().state_dict())


def test_the_deep_stem_of_resnets() -> None:
    """DAFormer's code has the same names as daseg there, and its own for DeepLab v2's head."""
    backbone = dict(type="ResNet", depth=18, deep_stem=True, output_stride=8)
    network = Segmentor(backbone, dict(type="DeepLabV2Head", dilations=(6, 12), branches=2))
    file = {}
    for key, value in network.state_dict().items():
        if key.startswith("backbone."):
            file[f"model.{key}"] = value
        elif key.startswith("head."):
            branch, part = key.split(".")[2:]
            file[f"model.decode_head.aspp_modules.{branch}.conv.{part}"] = value
    state, report = convert_state_dict(file, "daformer", network.state_dict())
    network.load_state_dict(state)
    assert len(report.mapped) == len(file)


def test_an_encoder_of_a_segmentor_is_a_backbone() -> None:
    published = published_state("segformer_b0_nvlabs")
    state, report = convert_state_dict(published, "mit", Segmentor(MIT, HEAD).state_dict())
    assert report.backbone_only
    assert set(report.dropped.values()) == {"a head"}
    assert len(state) == 176


def test_the_input_channels_of_segformers_fusion_are_reordered() -> None:
    network = Segmentor(MIT, dict(type="SegFormerHead"))
    published = published_state("segformer_b0_nvlabs")
    key = "decode_head.linear_fuse.conv.weight"
    published[key][:] = torch.arange(1024.0)[None, :, None, None]
    state, report = convert_state_dict(published, "segformer", network.state_dict())
    own = state["head.fuse.conv.weight"][0, :, 0, 0]
    assert own[::256].tolist() == [768, 512, 256, 0]
    assert published[key][0, 0].item() == 0  # the file's own tensors stay
    assert report.dropped.keys() == {"decode_head.conv_seg.weight", "decode_head.conv_seg.bias"}


def test_what_does_not_fit() -> None:
    target = Segmentor(MIT, HEAD).state_dict()
    file = trained("daformer_mitb0")
    del file["model.decode_head.embed_layers.2.proj.bias"]
    with pytest.raises(CheckpointError, match=r"missing in it: head\.embed\.layers\.2\.bias"):
        convert_state_dict(file, "daformer", target)
    with pytest.raises(CheckpointError, match=r"missing in it: head\.embed\.layers\.0\.weight"):
        convert_state_dict(published_state("hrda_mitb0"), "daformer", target)


def test_settings_that_no_weight_shows_are_compared() -> None:
    assert differences(hrda(), "hrda") == []
    wrong = hrda(context_scale=0.25, align_corners=True, std=(1, 1, 1))
    assert [text.split("have ")[1].split("=")[0] for text in differences(wrong, "hrda")] == [
        *("std", "align_corners", "context_scale")
    ]


@pytest.mark.slow
def test_command(tmp_path) -> None:
    file, out = tmp_path / "mit_b5.pth", tmp_path / "ours.pth"
    shapes = {k: v for k, v in published_shapes("hrda_mitb5").items() if k.startswith("backbone.")}
    torch.save({k.removeprefix("backbone."): torch.zeros(v) for k, v in shapes.items()}, file)
    command = [sys.executable, TOOL, "mit", file, out, "--config"]
    done = subprocess.run(
        [*map(str, command), "segformer/segformer_supervised"], capture_output=True, text=True
    )
    assert "1052 tensors mapped, 0 left out" in done.stdout, done.stderr
    assert "it holds the backbone alone: start from it with" in done.stdout
    assert torch.load(out, weights_only=True)["meta"]["source"] == "mit"


def test_file(tmp_path) -> None:
    network = Segmentor(MIT, HEAD)
    torch.save({"state_dict": trained("daformer_mitb0"), "meta": {"CLASSES": ("road",)}},
               tmp_path / "theirs.pth")  # fmt: skip
    report = convert_file("daformer", tmp_path / "theirs.pth", tmp_path / "ours.pth", network)
    assert report.warnings == []
    lines = str(report).splitlines()
    assert lines[0] == "234 tensors mapped, 468 left out"
    assert lines[1].startswith("  left out: ema_model.backbone.patch_embed1.proj.weight (the teac")
    assert lines[9] == "  and 226 more (the teacher; the student is what was evaluated)"
