import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor

from daseg.backbones import ResNet
from daseg.compat.convert import convert_file, convert_state_dict
from daseg.engine.checkpoint import load_segmentor
from daseg.segmentor import Segmentor
from daseg.utils.errors import CheckpointError, ConfigError

TOOL = Path(__file__).parents[2] / "tools/convert_checkpoint.py"
MODEL = dict(
    type="Segmentor",
    backbone=dict(type="ResNet", depth=18, style="caffe", output_stride=8, weights="imagenet"),
    head=dict(type="DeepLabV2Head", branches=2),
    aux_head=dict(type="DeepLabV2Head", branches=2, in_index=-2),
    num_classes=3,
    mean=(122.67891434, 116.66876762, 104.00698793),
    std=(1, 1, 1),
    to_bgr=True,
    align_corners=True,
)


def segmentor(**changes: object) -> Segmentor:
    arguments = {k: v for k, v in {**MODEL, **changes}.items() if k != "type"}
    arguments["backbone"] = {**MODEL["backbone"], "weights": None}
    return Segmentor(**arguments)


def published(prefix: str = "", classes: int = 3) -> dict[str, Tensor]:
    """A file as AdaptSegNet writes it, of a small network."""
    state = dict(ResNet(18).state_dict())
    for layer, channels in (("layer5", 256), ("layer6", 512)):
        for i in range(4):
            state[f"{layer}.conv2d_list.{i}.weight"] = torch.randn(classes, channels, 3, 3)
            state[f"{layer}.conv2d_list.{i}.bias"] = torch.randn(classes)
    return {prefix + k: v for k, v in state.items()}


@pytest.mark.parametrize("prefix", ["", "module."])
def test_every_key_finds_its_place(prefix: str) -> None:
    network, file = segmentor(), published(prefix)
    state, report = convert_state_dict(file, "adaptsegnet", network.state_dict())
    network.load_state_dict(state)  # strict
    assert len(report.mapped) == len(file)
    assert not report.dropped
    assert report.kept == ["mean", "std"]
    for theirs, ours in (
        ("bn1.running_var", "backbone.bn1.running_var"),
        ("layer3.1.conv2.weight", "backbone.layer3.1.conv2.weight"),
        ("layer5.conv2d_list.2.bias", "aux_head.conv2d_list.2.bias"),
        ("layer6.conv2d_list.0.weight", "head.conv2d_list.0.weight"),
    ):
        assert report.mapped[prefix + theirs] == ours
        assert torch.equal(state[ours], file[prefix + theirs])


def test_single_output_file_goes_to_the_main_head() -> None:
    network = segmentor(aux_head=None)
    file = {k.replace("layer6", "layer5"): v for k, v in published().items() if "layer5" not in k}
    state, _ = convert_state_dict(file, "adaptsegnet", network.state_dict())
    network.load_state_dict(state)
    assert torch.equal(network.head.conv2d_list[1].bias, file["layer5.conv2d_list.1.bias"])


def test_auxiliary_head_that_the_config_lacks_is_left_out_and_listed() -> None:
    network = segmentor(aux_head=None)
    state, report = convert_state_dict(published(), "adaptsegnet", network.state_dict())
    network.load_state_dict(state)
    assert set(report.dropped) == {k for k in published() if k.startswith("layer5.")}
    assert "left out: layer5.conv2d_list.0.weight (the config has no aux_head)" in str(report)


def test_counters_may_be_absent_and_nothing_else() -> None:
    network = segmentor()
    old = {k: v for k, v in published().items() if "num_batches_tracked" not in k}
    state, report = convert_state_dict(old, "adaptsegnet", network.state_dict())
    network.load_state_dict(state)
    assert len(report.absent) == 20  # the batch norms of a ResNet-18
    del old["layer4.0.bn2.running_mean"]
    with pytest.raises(
        CheckpointError, match=r"missing in it: backbone\.layer4\.0\.bn2\.running_m"
    ):
        convert_state_dict(old, "adaptsegnet", network.state_dict())


@pytest.mark.parametrize("source", ["adaptsegnet", "seg-uncertainty"])
def test_initial_weights_give_the_backbone_alone(source: str) -> None:
    """The DeepLab-v2 file: prefix "Scale.", one classifier, of 21 classes."""
    file = published("Scale.", classes=21)
    file = {k: v for k, v in file.items() if "layer6" not in k}
    network = segmentor()
    state, report = convert_state_dict(file, source, network.state_dict())
    assert all(k.startswith("backbone.") for k in state)
    assert report.backbone_only
    assert set(report.dropped) == {k for k in file if "layer5" in k}
    network.backbone.load_state_dict({k.removeprefix("backbone."): v for k, v in state.items()})


def test_torchvision_file() -> None:
    file = torchvision.models.resnet18(weights=None).state_dict()
    state, report = convert_state_dict(file, "torchvision", segmentor().state_dict())
    assert set(report.dropped) == {"fc.weight", "fc.bias"}
    assert report.backbone_only
    assert torch.equal(state["backbone.conv1.weight"], file["conv1.weight"])


def test_what_does_not_fit_is_an_error() -> None:
    target = segmentor().state_dict()
    with pytest.raises(CheckpointError, match=r"none of its keys fits. It has model\.1\.weight"):
        convert_state_dict({"model.1.weight": torch.zeros(1)}, "adaptsegnet", target)
    with pytest.raises(CheckpointError, match=r"no known use: layer7\.weight$"):
        convert_state_dict({**published(), "layer7.weight": torch.zeros(1)}, "adaptsegnet", target)
    with pytest.raises(CheckpointError, match=r"head\.conv2d_list\.0\.weight is \(19, 256, 3, 3\)"):
        convert_state_dict(published(classes=19), "adaptsegnet", target)
    with pytest.raises(CheckpointError, match=r"module\.conv1\.weight and .*both mean|both mean"):
        convert_state_dict({**published(), **published("module.")}, "adaptsegnet", target)
    with pytest.raises(ConfigError, match="no source is called 'adaptseg'; did you mean 'adaptse"):
        convert_state_dict(published(), "adaptseg", target)


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
def test_file(wrapper: str | None, tmp_path: Path) -> None:
    file, out = tmp_path / "theirs.pth", tmp_path / "new" / "ours.pth"
    torch.save({wrapper: published(), "epoch": 3} if wrapper else published(), file)
    network = segmentor()
    report = convert_file("adaptsegnet", file, out, network)
    assert report.warnings == []
    written = torch.load(out, weights_only=True)
    assert written["meta"] == dict(
        source="adaptsegnet",
        source_file="theirs.pth",
        source_sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
    )
    load_segmentor(network, out)
    assert [p.name for p in out.parent.iterdir()] == ["ours.pth"]  # no temporary file is left


def test_an_existing_file_is_kept_unless_forced(tmp_path: Path) -> None:
    file, out = tmp_path / "theirs.pth", tmp_path / "ours.pth"
    torch.save(published(), file)
    out.write_text("precious")
    with pytest.raises(CheckpointError, match=r"ours\.pth exists; .* --force"):
        convert_file("adaptsegnet", file, out, segmentor())
    assert out.read_text() == "precious"
    torch.save({"a": torch.zeros(1)}, file)
    with pytest.raises(CheckpointError, match=r"theirs\.pth: this adaptsegnet file: none of its"):
        convert_file("adaptsegnet", file, out, segmentor(), force=True)
    assert out.read_text() == "precious"  # a failed conversion leaves it, too
    torch.save(published(), file)
    convert_file("adaptsegnet", file, out, segmentor(), force=True)
    assert "state_dict" in torch.load(out, weights_only=True)


def test_tool(tmp_path: Path) -> None:
    config = tmp_path / "config.py"
    config.write_text(f"model = {MODEL!r}\n")
    torch.save(published("Scale.", classes=21), tmp_path / "init.pth")
    out = tmp_path / "out.pth"
    arguments = ["adaptsegnet", tmp_path / "init.pth", out, "--config", config]
    command = [sys.executable, TOOL, *arguments]
    done = subprocess.run(
        [str(c) for c in command], capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert "120 tensors mapped, 16 left out" in done.stdout
    assert f"model.segmentor.backbone.weights={out}" in done.stdout
    assert ResNet(18, weights=str(out)).initial_weights is not None


def test_a_discriminator_is_refused_and_what_it_means_is_said():
    from daseg.discriminators import FCDiscriminator
    from daseg.losses.gan import BCEGANLoss, LSGANLoss

    torch.manual_seed(0)
    theirs = FCDiscriminator(2, channels=4)
    published = {f"module.{k}": v for k, v in theirs.state_dict().items()}
    with pytest.raises(CheckpointError, match=r"AdaptSegNet's discriminators.* 0 for the source "):
        convert_state_dict(published, "adaptsegnet", {})
    # What the page says: inverted, it is as wrong about the source as it was with label 0.
    maps = torch.randn(1, 2, 64, 64)
    for loss, shift, measure in (
        (BCEGANLoss(), 0, lambda x: torch.nn.functional.binary_cross_entropy_with_logits(x, 0 * x)),
        (LSGANLoss(), 1, lambda x: x.square().mean()),
    ):
        ours = FCDiscriminator(2, channels=4)
        ours.load_state_dict(theirs.state_dict())
        with torch.no_grad():
            ours.classifier.weight.neg_()
            ours.classifier.bias.neg_().add_(shift)
            torch.testing.assert_close(loss(ours(maps), True), measure(theirs(maps)))
