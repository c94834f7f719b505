"""A training step of AdaptSegNet, beside one written from its publication in plain PyTorch."""

import copy
import re

import pytest
import torch
from torch import nn

import reference_adaptsegnet as reference
from daseg.adaptation import DomainAdapter
from daseg.backbones import resnet
from daseg.compat.convert import convert_state_dict
from daseg.engine.lr_schedules import PolyDecay
from daseg.engine.optim import OptimizersByNetwork
from daseg.segmentor import Segmentor

STEPS, SOURCE_SIZE, TARGET_SIZE = 3, (40, 72), (33, 64)
PUBLISHED = {"BCEGANLoss": (0.0002, 0.001), "LSGANLoss": (0.002, 0.01)}  # auxiliary, main


def batches(count=STEPS):
    generator = torch.Generator().manual_seed(1)
    for _ in range(count):
        source = torch.randint(0, 256, (1, 3, *SOURCE_SIZE), generator=generator).byte()
        label = torch.randint(0, reference.CLASSES, (1, *SOURCE_SIZE), generator=generator)
        label[:, :7] = 255
        target = torch.randint(0, 200, (1, 3, *TARGET_SIZE), generator=generator).byte()
        yield source, label, target


def make_adapter(kind, weights):
    torch.manual_seed(0)
    segmentor = Segmentor(
        dict(type="ResNet", depth=50, style="caffe", output_stride=8, frozen_affine=True),
        dict(type="DeepLabV2Head", branches=2),
        dict(type="DeepLabV2Head", branches=2, in_index=-2),
        num_classes=reference.CLASSES,
        mean=(122.67891434, 116.66876762, 104.00698793),
        std=(1, 1, 1),
        to_bgr=True,
        align_corners=True,
    )
    for module in segmentor.modules():  # or the affine parameters would be 1 and 0
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1, 0.1)
            nn.init.normal_(module.bias, 0, 0.1)
    game = dict(type="OutputAdversarial", loss=dict(type=kind))
    objectives = [
        dict(type="Supervised", aux_weight=reference.SEG_WEIGHT),
        *(
            dict(**game, level=level, weight=weight, discriminator=dict(type="FCDiscriminator"))
            for level, weight in zip(("aux", "main"), weights, strict=True)
        ),
    ]
    return DomainAdapter(segmentor, objectives)


def train(adapter, *, duplicates=False):
    sgd = dict(type="SGD", lr=reference.LR, momentum=0.9, weight_decay=5e-4)
    wrappers = OptimizersByNetwork(
        dict(
            segmentor=dict(
                optimizer=sgd,
                lr_mult=dict(head=10, aux_head=10),
                emulate_duplicate_groups=duplicates,
            ),
            discriminators=dict(optimizer=dict(type="Adam", lr=reference.LR_D, betas=(0.9, 0.99))),
        )
    )(adapter)
    schedules = [PolyDecay(wrapper, end=reference.MAX_ITERS) for wrapper in wrappers.values()]
    adapter.train()
    for source, label, target in batches():
        data = dict(source=dict(image=source, label=label), target=dict(image=target))
        adapter.train_step(data, wrappers)
        for schedule in schedules:
            schedule.step()


def other_labels(state, kind):
    """A discriminator that answers 0 where this one says 1, and the other way round.

    The reference has the published labels, source 0 and target 1; daseg has source 1. The answers
    are mirrored by the last layer alone: -x for binary cross-entropy, 1 - x for least squares. It
    and its gradients keep the mirrored values of the other's through Adam, and nothing else in the
    training differs.
    """
    centre = 0.0 if kind == "BCEGANLoss" else 1.0
    mirrored = dict(state)
    mirrored["classifier.weight"] = -state["classifier.weight"]
    mirrored["classifier.bias"] = centre - state["classifier.bias"]
    return mirrored


def make_reference(adapter, kind):
    """The reference with the adapter's weights; the key mapping is inverted by its report."""
    net, dtype = reference.DeepLab(), adapter.segmentor.mean.dtype
    own = adapter.segmentor.state_dict()
    _, report = convert_state_dict(net.state_dict(), "adaptsegnet", own)
    assert len(report.mapped) == len(own) - 2  # but mean and std
    net.to(dtype).load_state_dict({theirs: own[ours] for theirs, ours in report.mapped.items()})
    discs = nn.ModuleList(reference.Discriminator() for _ in adapter.adversaries).to(dtype)
    for disc, objective in zip(discs, adapter.adversaries, strict=True):
        disc.load_state_dict(other_labels(objective.discriminator.state_dict(), kind))
    return net, discs


def both_states(adapter, net, discs, kind):
    """All weights and statistics of daseg's networks and of the reference's, under one name."""
    own = adapter.segmentor.state_dict()
    converted, _ = convert_state_dict(net.state_dict(), "adaptsegnet", own)
    ours = {f"segmentor.{k}": v for k, v in own.items()}
    theirs = {f"segmentor.{k}": v for k, v in converted.items()}
    for number, (disc, objective) in enumerate(zip(discs, adapter.adversaries, strict=True)):
        mirrored = other_labels(disc.state_dict(), kind)
        ours |= {f"{number}.{k}": v for k, v in objective.discriminator.state_dict().items()}
        theirs |= {f"{number}.{k}": v for k, v in mirrored.items()}
    return ours, theirs


def worst(ours, theirs):
    """The largest difference, absolute up to 1 and relative above, over all tensors."""
    assert ours.keys() == theirs.keys()
    return max(
        float(((ours[k].double() - t.double()).abs() / t.double().abs().clamp(min=1)).max())
        for k, t in theirs.items()
    )


@pytest.fixture(autouse=True)
def _few_blocks(monkeypatch):
    monkeypatch.setitem(resnet.BLOCKS, 50, (resnet.Bottleneck, reference.BLOCKS))


def stays(key):
    """Whether a tensor is not trained: affine parameters, two branches, the normalisation."""
    affine = re.search(r"(bn\d|downsample\.1)\.(weight|bias)$", key)
    return bool(affine or re.search(r"conv2d_list\.[23]|\.(mean|std)$", key))


def differences(kind, factor, dtype, references, *, duplicates=False):
    """Train daseg's networks, and from the same start the reference in each of several ways."""
    weights = [factor * w for w in PUBLISHED[kind]]
    adapter = make_adapter(kind, weights).to(dtype)
    made = [make_reference(adapter, kind) for _ in references]
    start = copy.deepcopy(adapter.state_dict())
    train(adapter, duplicates=duplicates)
    for key, value in adapter.state_dict().items():
        assert torch.equal(value, start[key]) == stays(key), key
    found = []
    for (net, discs), changes in zip(made, references, strict=True):
        reference.training(net, discs, batches(), kind, weights, **changes)
        found.append(worst(*both_states(adapter, net, discs, kind)))
    return found


PASSIVE = dict(adversarial=False)


def test_in_single_precision_a_large_adversarial_weight_shows():
    """The running statistics, source first, are compared too."""
    equal, without = differences("BCEGANLoss", 1000, torch.float32, [{}, PASSIVE])
    assert equal < 1e-5
    assert without > 1e-4


@pytest.mark.parametrize("kind", PUBLISHED)
def test_in_double_precision_the_published_weights_show_too(kind):
    equal, without = differences(kind, 1, torch.float64, [{}, PASSIVE])
    assert equal < 1e-11
    assert without > 1e-8


def test_weights_listed_several_times_are_emulated():
    repeated, once = differences(
        "LSGANLoss", 1, torch.float64, [dict(repeated=True), {}], duplicates=True
    )
    assert repeated < 1e-11
    assert once > 1e-4
