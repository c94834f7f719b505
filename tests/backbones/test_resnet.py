import pytest
import torch
import torchvision
from torch import nn

from daseg.backbones import ResNet
from daseg.registry import BACKBONES
from daseg.utils.errors import ConfigError

STAGES = ("layer1", "layer2", "layer3", "layer4")


def randomize(module: nn.Module) -> None:
    """Draw the norm layers' numbers, too, which start as ones and zeros."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in module.state_dict().items():
        if tensor.ndim == 1:
            tensor.copy_(0.1 * torch.randn(tensor.shape, generator=generator))
            if name.endswith(("weight", "running_var")):
                tensor.copy_(1 + tensor.abs())


def torchvision_features(network: nn.Module, image: torch.Tensor) -> list[torch.Tensor]:
    x = network.maxpool(network.relu(network.bn1(network.conv1(image))))
    features = []
    for stage in STAGES:
        x = getattr(network, stage)(x)
        features.append(x)
    return features


@pytest.mark.parametrize(
    ("depth", "output_stride", "dilate"),
    [
        (18, 32, None),
        (34, 32, None),
        (50, 32, None),
        (50, 16, [False, False, True]),
        (50, 8, [False, True, True]),
        (101, 8, [False, True, True]),
    ],
)
@torch.no_grad()
def test_equals_torchvision(depth: int, output_stride: int, dilate: list[bool] | None) -> None:
    theirs = torchvision.models.get_model(
        f"resnet{depth}",
        weights=None,
        **({"replace_stride_with_dilation": dilate} if dilate else {}),
    ).eval()
    randomize(theirs)
    ours = ResNet(depth, output_stride=output_stride).eval()
    ours.load_state_dict({k: v for k, v in theirs.state_dict().items() if k[:3] != "fc."})
    image = torch.randn(1, 3, 65, 97)
    for a, b in zip(ours(image), torchvision_features(theirs, image), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("style", ["torchvision", "caffe"])
@pytest.mark.parametrize("depth", [18, 50])
@torch.no_grad()
def test_dilated_maps_hold_the_values_of_the_coarse_ones(depth: int, style: str) -> None:
    coarse = ResNet(depth, style=style, output_stride=32).eval().double()
    randomize(coarse)
    image = torch.randn(1, 3, 65, 97).double()
    for output_stride in (16, 8):
        dense = ResNet(depth, style=style, output_stride=output_stride).eval().double()
        dense.load_state_dict(coarse.state_dict())
        for stride, a, b in zip((4, 8, 16, 32), dense(image), coarse(image), strict=True):
            step = max(stride // output_stride, 1)
            torch.testing.assert_close(a[:, :, ::step, ::step], b)


@pytest.mark.parametrize("depth", [18, 50])
def test_sizes_and_channels(depth: int) -> None:
    # 34 and 50 behind the stem, pooled by 3 with stride 2 and one row of padding: 17 and 25 rounded
    # down, 18 and 26 rounded up.
    sizes = {
        ("torchvision", 32): [(17, 25), (9, 13), (5, 7), (3, 4)],
        ("caffe", 32): [(18, 26), (9, 13), (5, 7), (3, 4)],
        ("torchvision", 16): [(17, 25), (9, 13), (5, 7), (5, 7)],
        ("caffe", 8): [(18, 26), (9, 13), (9, 13), (9, 13)],
    }
    for (style, output_stride), expected in sizes.items():
        backbone = ResNet(depth, style=style, output_stride=output_stride)
        features = backbone(torch.randn(1, 3, 68, 100))
        assert [tuple(f.shape[2:]) for f in features] == expected
        assert tuple(f.shape[1] for f in features) == backbone.out_channels


def test_where_the_styles_stride_and_dilate() -> None:
    caffe = ResNet(50, style="caffe", output_stride=8)
    assert caffe.layer2[0].conv1.stride == (2, 2)
    assert caffe.layer2[0].conv2.stride == (1, 1)
    assert [b.conv2.dilation[0] for b in caffe.layer3] == [2] * 6  # in the first block, too
    assert [b.conv2.dilation[0] for b in caffe.layer4] == [4] * 3
    modern = ResNet(50, output_stride=8)
    assert modern.layer2[0].conv1.stride == (1, 1)
    assert modern.layer2[0].conv2.stride == (2, 2)
    assert [b.conv2.dilation[0] for b in modern.layer3] == [1] + [2] * 5
    assert [b.conv2.dilation[0] for b in modern.layer4] == [2, 4, 4]


def test_frozen_affine_leaves_statistics_moving() -> None:
    backbone = ResNet(18, frozen_affine=True).train()
    before = {k: v.clone() for k, v in backbone.state_dict().items()}
    sum(f.sum() for f in backbone(torch.randn(2, 3, 64, 64))).backward()
    trained = {name for name, p in backbone.named_parameters() if p.requires_grad}
    convs = {f"{n}.weight" for n, m in backbone.named_modules() if isinstance(m, nn.Conv2d)}
    assert trained == convs
    assert all(p.grad is not None for p in backbone.parameters() if p.requires_grad)
    moved = {k for k, v in backbone.state_dict().items() if not torch.equal(v, before[k])}
    assert moved == {k for k in before if "running" in k or "tracked" in k}


def test_update_stats_false_normalises_by_the_running_statistics() -> None:
    backbone = ResNet(18, update_stats=False)
    randomize(backbone)
    before = {k: v.clone() for k, v in backbone.state_dict().items()}
    image = torch.randn(2, 3, 64, 64)
    in_eval = backbone.eval()(image)
    in_training = backbone.train()(image)
    assert backbone.training
    assert backbone.layer1.training
    for a, b in zip(in_eval, in_training, strict=True):
        torch.testing.assert_close(a, b)
    assert all(torch.equal(v, before[k]) for k, v in backbone.state_dict().items())
    in_training[-1].sum().backward()
    assert backbone.bn1.weight.grad is not None  # the affine part is trained all the same


def test_group_norm_does_not_depend_on_the_batch() -> None:
    backbone = ResNet(18, norm="gn").train()
    image = torch.randn(2, 3, 64, 64)
    whole = backbone(image)[-1]
    torch.testing.assert_close(backbone(image[:1])[-1], whole[:1], rtol=1e-4, atol=1e-5)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in backbone.modules())


def test_is_registered() -> None:
    assert isinstance(BACKBONES.build(dict(type="ResNet", depth=18)), ResNet)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(depth=20), r"depth=20 is not one of \(18, 34, 50, 101\)"),
        (dict(style="keras"), "style='keras' is not one of"),
        (dict(output_stride=4), "output_stride=4 is not one of"),
        (dict(norm="ln"), "norm='ln' is not one of"),
        (dict(norm="gn", update_stats=False), "update_stats=False needs norm='bn'"),
    ],
)
def test_bad_arguments(arguments: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ResNet(**arguments)


@torch.no_grad()
def test_deep_stem_of_three_convolutions(tmp_path) -> None:
    backbone = ResNet(18, deep_stem=True).eval()
    names = [name for name in backbone.state_dict() if name.startswith("stem.")]
    assert [name for name in names if name.endswith("weight")] == [
        f"stem.{i}.weight" for i in (0, 1, 3, 4, 6, 7)
    ]
    assert backbone(torch.randn(1, 3, 64, 96))[0].shape[2:] == (16, 24)
    torch.save(backbone.state_dict(), tmp_path / "r18_v1c.pth")
    again = ResNet(18, deep_stem=True, weights=str(tmp_path / "r18_v1c.pth"))
    assert torch.equal(again.stem[3].weight, backbone.stem[3].weight)
    with pytest.raises(ConfigError, match="torchvision has no weights for deep_stem"):
        ResNet(18, deep_stem=True, weights="imagenet")
