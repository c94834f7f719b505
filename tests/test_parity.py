"""Published networks, filled with known weights through the key mapping, give known outputs.

The fixtures hold what the original implementations computed. Every tensor was drawn from a random
generator seeded by the checksum of its published key, so that a swap of two keys shows.
"""

import json

import numpy as np
import pytest
import torch
from torch import nn

from daseg.compat.convert import convert_state_dict, differences
from daseg.compat.cyclegan import convert_network
from daseg.discriminators import (
    FCDiscriminator,
    MultiScaleDiscriminator,
    PatchGANDiscriminator,
)
from daseg.generators import ResNetGenerator
from daseg.ops.resize import resize
from daseg.registry import LOSSES
from daseg.segmentor import Segmentor
from published import FIXTURES, fill, published_state

OUTPUTS = json.loads((FIXTURES / "parity_fixtures.json").read_text())
CAFFE = dict(type="ResNet", depth=101, style="caffe", output_stride=8)
FILES = {
    "adaptsegnet_deeplab_multi": (
        "adaptsegnet",
        dict(
            backbone=CAFFE,
            head=dict(type="DeepLabV2Head", branches=2),
            aux_head=dict(type="DeepLabV2Head", branches=2, in_index=-2),
        ),
    ),
    "adaptsegnet_deeplab_single": (
        "adaptsegnet",
        dict(backbone=CAFFE, head=dict(type="DeepLabV2Head", branches=2)),
    ),
    "seguncertainty_deeplab_multi_gn_se": (
        "seg-uncertainty",
        dict(
            backbone=CAFFE,
            head=dict(type="SegUncertaintyHead"),
            aux_head=dict(type="SegUncertaintyHead", in_index=-2),
        ),
    ),
    "seguncertainty_deeplab_multi_bn_nose": (
        "seg-uncertainty",
        dict(
            backbone=CAFFE,
            head=dict(type="SegUncertaintyHead", norm="bn", use_se=False),
            aux_head=dict(type="SegUncertaintyHead", in_index=-2, norm="bn", use_se=False),
        ),
    ),
    "segmentron_deeplabv3plus_resnet101": (
        "segmentron",
        dict(
            backbone=dict(type="ResNet", depth=101, output_stride=16),
            head=dict(type="DeepLabV3PlusHead"),
        ),
    ),
}
DISCRIMINATORS_OF = {
    "adaptsegnet_fcdiscriminator": (FCDiscriminator, 19, 2_781_121),
    "seguncertainty_ms_discriminator": (MultiScaleDiscriminator, 19, 1_041_699),
    "cyclegan_nlayer_discriminator": (PatchGANDiscriminator, 3, 2_764_737),
}
PARAMETERS = {
    "adaptsegnet_deeplab_multi": 44_601_560,
    "adaptsegnet_deeplab_single": 43_901_068,
    "seguncertainty_deeplab_multi_gn_se": 93_536_480,
    # The published count includes the unused ImageNet classifier: 1000 x 2048 and 1000.
    "segmentron_deeplabv3plus_resnet101": 47_736_747 - 2_049_000,
}


def build(name: str) -> Segmentor:
    with torch.device("meta"):  # the weights come from the recipe
        segmentor = Segmentor(**FILES[name][1], align_corners=True)
    return segmentor.to_empty(device="cpu").eval()


def compare(logits: torch.Tensor, expected: dict) -> None:
    assert list(logits.shape) == expected["shape"]
    values = logits.double()
    scale = expected["std"]
    picked = values.flatten()[expected["flat_index"]]
    torch.testing.assert_close(
        picked, torch.tensor(expected["values"]).double(), rtol=1e-4, atol=1e-4 * scale
    )
    assert values.mean().item() == pytest.approx(expected["mean"], rel=1e-4, abs=1e-4 * scale)
    assert values.std().item() == pytest.approx(expected["std"], rel=1e-4)


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("name", FILES)
@torch.no_grad()
def test_published_network(name: str) -> None:
    source = FILES[name][0]
    published = published_state(name)
    segmentor = build(name)
    state, report = convert_state_dict(published, source, segmentor.state_dict())
    segmentor.load_state_dict(state)
    assert report.mapped.keys() | report.dropped.keys() == published.keys()
    if name in PARAMETERS:
        assert count(segmentor) == PARAMETERS[name]

    fixture = OUTPUTS[name]
    image = np.random.RandomState(7).standard_normal(fixture["input_shape"]).astype(np.float32)
    features = segmentor.backbone(torch.from_numpy(image))
    outputs = [head(features) for head in (segmentor.aux_head, segmentor.head) if head is not None]
    if source == "segmentron":  # it returns logits at the size of the input
        outputs = [resize(outputs[0], image.shape[2:], align_corners=True)]
    assert len(outputs) == len(fixture["outputs"])
    for logits, expected in zip(outputs, fixture["outputs"], strict=True):
        compare(logits, expected)


@pytest.mark.parametrize("name", DISCRIMINATORS_OF)
@torch.no_grad()
def test_published_discriminator(name: str) -> None:
    """Its files load without a conversion: the names are the published ones."""
    cls, channels, parameters = DISCRIMINATORS_OF[name]
    discriminator, published = cls(channels), published_state(name)
    assert {k: v.shape for k, v in discriminator.state_dict().items()} == {
        k: v.shape for k, v in published.items()
    }
    discriminator.load_state_dict(published)
    assert count(discriminator) == parameters

    fixture = OUTPUTS[name]
    maps = np.random.RandomState(7).standard_normal(fixture["input_shape"]).astype(np.float32)
    logits = discriminator(torch.from_numpy(maps))
    scales = (logits,) if isinstance(logits, torch.Tensor) else logits
    for scale, expected in zip(scales, fixture["outputs"], strict=True):
        compare(scale, expected)


@pytest.mark.parametrize("variant", ["", "_trackstats"])
@torch.no_grad()
def test_published_generator(variant: str) -> None:
    """Old files have running statistics beside the same weights."""
    published = published_state(f"cyclegan_resnet9_generator{variant}")
    generator = ResNetGenerator()
    state, report = convert_network(published, "source_to_target", generator.state_dict())
    generator.load_state_dict({k.removeprefix("source_to_target."): v for k, v in state.items()})
    assert count(generator) == 11_378_179
    assert len(report.mapped) == 48
    assert len(report.dropped) == (69 if variant else 0)  # 3 of each of 23 norm layers
    assert report.warnings == []
    fixture = OUTPUTS["cyclegan_resnet9_generator"]
    image = np.random.RandomState(7).standard_normal(fixture["input_shape"]).astype(np.float32)
    compare(generator(torch.from_numpy(image)), fixture["outputs"][0])


def test_published_generator_with_dropout() -> None:
    """Dropout before the second convolution of a block moves its number by one."""
    published = published_state("cyclegan_resnet9_generator_dropout")
    shapes = ResNetGenerator().state_dict()
    state, report = convert_network(published, "target_to_source", shapes)
    assert report.mapped["model.18.conv_block.6.bias"] == "target_to_source.blocks.8.conv2.bias"
    found = state["target_to_source.blocks.8.conv2.bias"]
    assert torch.equal(found, published["model.18.conv_block.6.bias"])
    assert {k.removeprefix("target_to_source.") for k in state} == shapes.keys()
    assert report.warnings == ["this network was trained with dropout; ResNetGenerator has none"]


@torch.no_grad()
def test_published_vgg_network() -> None:
    """Every key has its place; there is no stored output of this network to compare with."""
    published = published_state("adaptsegnet_deeplab_vgg")
    head = dict(type="DeepLabV2Head", branches=2)
    with torch.device("meta"):
        segmentor = Segmentor(dict(type="VGG16"), head, align_corners=True)
    segmentor = segmentor.to_empty(device="cpu")
    state, report = convert_state_dict(published, "adaptsegnet", segmentor.state_dict())
    segmentor.load_state_dict(state)
    assert report.mapped.keys() == published.keys()
    assert count(segmentor) == 29_573_004
    for theirs, ours in (
        ("features.27.bias", "backbone.features.27.bias"),
        ("features.31.weight", "backbone.features.31.weight"),
        ("classifier.conv2d_list.3.weight", "head.conv2d_list.3.weight"),
    ):
        assert report.mapped[theirs] == ours
        assert torch.equal(state[ours], published[theirs])
    assert segmentor(torch.zeros(1, 3, 64, 128)).logits.shape == (1, 19, 8, 16)


@torch.no_grad()
def test_all_four_branches_are_another_network() -> None:
    """Branches 2 and 3 of the published files change the output only where they are summed."""
    head = build("adaptsegnet_deeplab_single").head
    for name, tensor in head.state_dict().items():
        tensor.copy_(fill(name, tuple(tensor.shape)))
    features = [torch.randn(1, 2048, 9, 9)]
    two = head(features)
    head.branches = 4
    assert not torch.allclose(head(features), two, rtol=0.1)
    for conv in head.conv2d_list[2:]:
        conv.weight.zero_()
        conv.bias.zero_()
    torch.testing.assert_close(head(features), two)


def test_a_config_unlike_the_published_training_is_named() -> None:
    backbone, head = dict(CAFFE, depth=18), dict(type="DeepLabV2Head", branches=2)
    mean = (122.67891434, 116.66876762, 104.00698793)
    right = Segmentor(
        backbone, head, mean=mean, std=(1, 1, 1), to_bgr=True, align_corners=True, num_classes=2
    )
    assert differences(right, "adaptsegnet") == []
    wrong = Segmentor(dict(type="ResNet", depth=18), dict(type="DeepLabV2Head"), num_classes=2)
    messages = differences(wrong, "adaptsegnet")
    assert len(messages) == 7
    for text in (
        "backbone.style='caffe', the config 'torchvision'",
        "backbone.output_stride=8, the config 32",
        "head.branches=2, the config 4",
        "align_corners=True, the config False",
        "to_bgr=True, the config False",
        "mean=(122.679, 116.669, 104.007), the config (123.675, 116.28, 103.53)",
        "std=(1.0, 1.0, 1.0), the config (58.395, 57.12, 57.375)",
    ):
        assert any(text in message for message in messages), text
    assert differences(wrong, "torchvision") == []


def test_cross_entropy() -> None:
    """The loss of a published training on fixed numbers: mean over the pixels not ignored."""
    shape = (2, 9, 17)
    logits = np.random.RandomState(2).standard_normal((2, 19, 9, 17))
    target = np.random.RandomState(3).randint(0, 19, shape)
    target[np.random.RandomState(4).rand(*shape) < 0.1] = 255
    loss = LOSSES.build(dict(type="CrossEntropyLoss"))
    value = loss(torch.from_numpy(logits).float(), torch.from_numpy(target))
    assert value.item() == pytest.approx(OUTPUTS["losses"]["ce_main"], rel=1e-5)


def test_memory_regularization() -> None:
    """The divergence of a published training, of two heads drawn at random."""
    aux, main = (np.random.RandomState(i).standard_normal((2, 19, 9, 17)) for i in (1, 2))
    loss = LOSSES.build(dict(type="MemoryRegularizationLoss"))
    value = loss(torch.from_numpy(main).float(), torch.from_numpy(aux).float())
    assert value.item() == pytest.approx(OUTPUTS["losses"]["memory_reg_code"], rel=1e-5)
