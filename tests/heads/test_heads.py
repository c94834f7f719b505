import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from daseg.heads import DeepLabV2Head, DeepLabV3Head, DeepLabV3PlusHead, SegUncertaintyHead
from daseg.heads.aspp import ASPP, ImagePooling
from daseg.heads.seg_uncertainty import SqueezeExcitation
from daseg.ops.layers import SeparableConv
from daseg.registry import HEADS
from daseg.utils.errors import ConfigError

CHANNELS = (8, 16, 24, 32)
SMALL = dict(channels=16)


def features(batch: int = 2) -> list[Tensor]:
    """Four maps as of a backbone of output stride 8."""
    sizes = [(17, 25), (9, 13), (9, 13), (9, 13)]
    return [torch.randn(batch, c, *size) for c, size in zip(CHANNELS, sizes, strict=True)]


def heads() -> list[nn.Module]:
    return [
        DeepLabV2Head(CHANNELS, 5),
        DeepLabV2Head(CHANNELS, 5, in_index=1, branches=1),
        DeepLabV3Head(CHANNELS, 5, **SMALL),
        DeepLabV3Head(CHANNELS, 5, **SMALL, in_index=-2, separable=True, norm="gn"),
        DeepLabV3PlusHead(CHANNELS, 5, **SMALL),
        DeepLabV3PlusHead(CHANNELS, 5, **SMALL, separable=False, norm="gn", pool_norm=False),
        SegUncertaintyHead(CHANNELS, 5, channels=32, bottleneck_channels=64),
        SegUncertaintyHead(CHANNELS, 5, in_index=-2, norm="bn", use_se=False),
        SegUncertaintyHead(CHANNELS, 5, in_index=2, norm="in"),
    ]


@pytest.mark.parametrize("index", range(9))
def test_shape_and_gradients(index: int) -> None:
    head = heads()[index].train()
    logits = head(features())
    size = (17, 25) if isinstance(head, DeepLabV3PlusHead) else (9, 13)
    assert logits.shape == (2, 5, *size)
    (logits * torch.randn_like(logits)).sum().backward()
    for name, parameter in head.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name
        if parameter.requires_grad:
            assert parameter.grad.abs().sum() > 0, name
    frozen = {n.split(".")[1] for n, p in head.named_parameters() if not p.requires_grad}
    used = getattr(head, "branches", 4) if isinstance(head, DeepLabV2Head) else 4
    assert frozen == {str(i) for i in range(used, 4)}


@pytest.mark.parametrize("branches", [2, 4])
@torch.no_grad()
def test_deeplabv2_is_the_sum_of_its_first_branches(branches: int) -> None:
    head = DeepLabV2Head(CHANNELS, 5, branches=branches)
    maps = features()
    state = head.state_dict()
    assert set(state) == {f"conv2d_list.{i}.{n}" for i in range(4) for n in ("weight", "bias")}
    expected = torch.zeros(2, 5, 9, 13)
    for i, d in list(enumerate((6, 12, 18, 24)))[:branches]:
        weight, bias = (state[f"conv2d_list.{i}.{n}"] for n in ("weight", "bias"))
        expected += F.conv2d(maps[3], weight, bias, padding=d, dilation=d)
    torch.testing.assert_close(head(maps), expected)


def test_deeplabv2_starts_from_small_weights() -> None:
    head = DeepLabV2Head((2048,), 19)
    for conv in head.conv2d_list:
        assert conv.weight.std().item() == pytest.approx(0.01, rel=0.01)


@torch.no_grad()
def test_aspp_equals_torchvisions() -> None:
    theirs = torchvision.models.segmentation.deeplabv3.ASPP(32, [6, 12, 18], 16).eval()
    for tensor in theirs.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor) + 0.1)
    ours = ASPP(32, 16, rates=(6, 12, 18)).eval()
    # Theirs concatenates 1x1, dilated, pooled; ours pooled, 1x1, dilated.
    branches = [*ours.branches, ours.pool.block]
    for block, their_block in zip(branches, theirs.convs, strict=True):
        start = 1 if len(their_block) == 4 else 0
        block.conv.load_state_dict(their_block[start].state_dict())
        block.norm.load_state_dict(their_block[start + 1].state_dict())
    weight = theirs.project[0].weight
    ours.project.conv.weight.copy_(torch.cat([weight[:, 64:], weight[:, :64]], dim=1))
    ours.project.norm.load_state_dict(theirs.project[1].state_dict())
    x = torch.randn(2, 32, 9, 13)
    torch.testing.assert_close(ours(x), theirs(x))


@torch.no_grad()
def test_deeplabv3plus_refines_the_coarse_map_with_the_fine_one() -> None:
    maps = features()
    results = {}
    for align_corners in (True, False):
        torch.manual_seed(0)
        head = DeepLabV3PlusHead(CHANNELS, 5, **SMALL, align_corners=align_corners).eval()
        coarse = head.aspp(maps[3])
        up = F.interpolate(coarse, (17, 25), mode="bilinear", align_corners=align_corners)
        x = torch.cat([up, head.low(maps[0])], dim=1)
        expected = head.classifier(head.decoder[1](head.decoder[0](x)))
        results[align_corners] = head(maps)
        torch.testing.assert_close(results[align_corners], expected)
    assert not torch.allclose(results[True], results[False])


@torch.no_grad()
def test_separable_convolution_by_hand() -> None:
    block = SeparableConv(2, 3, dilation=2, norm="bn").eval()
    x = torch.randn(1, 2, 7, 7)
    scale = (1 + 1e-5) ** -0.5  # of a fresh batch norm
    depth = torch.cat(
        [
            F.conv2d(x[:, i : i + 1], block.depthwise.conv.weight[i : i + 1], padding=2, dilation=2)
            for i in range(2)
        ],
        dim=1,
    )
    depth = (depth * scale).clamp(min=0)
    point = torch.einsum("oi,nihw->nohw", block.pointwise.conv.weight[:, :, 0, 0], depth)
    torch.testing.assert_close(block(x), (point * scale).clamp(min=0))


@torch.no_grad()
def test_squeeze_and_excitation_by_hand() -> None:
    block = SqueezeExcitation(4, reduction=2)
    x = torch.randn(2, 4, 3, 5)
    hidden = torch.relu(x.mean((2, 3)) @ block.se[0].weight.T + block.se[0].bias)
    gate = torch.sigmoid(hidden @ block.se[2].weight.T + block.se[2].bias)
    torch.testing.assert_close(block(x), x * gate.view(2, 4, 1, 1))


@torch.no_grad()
def test_main_and_auxiliary_maps_stand_in_the_stated_order() -> None:
    head = SegUncertaintyHead(CHANNELS, 5, in_index=(-1, -2)).eval()
    maps = features()
    swapped = SegUncertaintyHead(CHANNELS, 5, in_index=(-2, -1)).eval()
    state = head.state_dict()
    for i in range(5):  # layer4's 32 channels come first, then layer3's 24
        key = f"conv2d_list.{i}.0.weight"
        state[key] = torch.cat([state[key][:, 32:], state[key][:, :32]], dim=1)
    swapped.load_state_dict(state)
    torch.testing.assert_close(head(maps), swapped(maps), rtol=1e-4, atol=1e-6)


def test_image_pooling_of_one_image_in_training() -> None:
    x = torch.randn(1, 4, 5, 5)
    with pytest.raises(ConfigError, match="two images or more, or set pool_norm=False"):
        ImagePooling(4, 8)(x)
    ImagePooling(4, 8).eval()(x)
    ImagePooling(4, 8)(torch.randn(2, 4, 5, 5))
    pooled = ImagePooling(4, 8, norm=None)
    conv = pooled.block[0]
    by_hand = torch.relu(conv.weight[:, :, 0, 0] @ x.mean((0, 2, 3)) + conv.bias)
    torch.testing.assert_close(pooled(x), by_hand.view(1, 8, 1, 1).expand(1, 8, 5, 5))


def test_group_norm_heads_do_not_depend_on_the_batch() -> None:
    head = DeepLabV3PlusHead(CHANNELS, 5, **SMALL, norm="gn", dropout=0.0).train()
    maps = features()
    torch.testing.assert_close(head([m[:1] for m in maps]), head(maps)[:1], rtol=1e-4, atol=1e-6)


def test_dropout_drops_whole_channels() -> None:
    aspp = ASPP(8, 64, norm="gn", dropout=0.5).train()
    torch.nn.init.ones_(aspp.project.norm.bias)  # so that ReLU leaves hardly a zero
    result = aspp(torch.randn(1, 8, 5, 5))
    dropped = (result == 0).all(dim=(2, 3)).sum().item()
    assert 16 <= dropped <= 48
    assert not (aspp.eval()(torch.randn(1, 8, 5, 5)) == 0).all(dim=(2, 3)).any()


def test_are_registered() -> None:
    names = ["DeepLabV2Head", "DeepLabV3Head", "DeepLabV3PlusHead", "SegUncertaintyHead"]
    assert set(names) <= set(HEADS.names())
    head = HEADS.build(dict(type="DeepLabV2Head", branches=2), in_channels=CHANNELS, num_classes=3)
    assert head(features()).shape == (2, 3, 9, 13)


@pytest.mark.parametrize(
    ("head", "arguments", "message"),
    [
        (DeepLabV2Head, dict(branches=5), r"branches=5 is not within 1\.\.4"),
        (DeepLabV2Head, dict(branches=0), r"branches=0 is not within 1\.\.4"),
        (DeepLabV2Head, dict(in_index=4), r"asks for feature map 4, but the backbone has 4 "),
        (DeepLabV3PlusHead, dict(low_index=-5), "asks for feature map -5"),
        (DeepLabV3Head, dict(norm="in"), "turns into zero: set pool_norm=False or norm='gn'"),
        (DeepLabV3Head, dict(norm="layer"), "norm='layer' is not known; choose 'bn', 'gn' or 'in'"),
    ],
)
def test_bad_arguments(head: type[nn.Module], arguments: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        head(CHANNELS, 5, **arguments)


def test_maps_of_different_sizes_cannot_be_concatenated() -> None:
    head = SegUncertaintyHead(CHANNELS, 5, in_index=(-1, 0))
    with pytest.raises(ConfigError, match=r"feature maps \(-1, 0\) differ in size"):
        head(features())
