"""A step with all of self-training at once: parts of a batch, precision, memory, combinations."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from daseg.adaptation import DomainAdapter
from daseg.engine.optim import OptimizersByNetwork
from daseg.objectives import masking, mixing
from daseg.segmentor import Segmentor
from daseg.translation import FourierTranslator

K, COUNT, SIZE = 4, 4, (32, 40)
PLAIN = dict(jitter_prob=0.0, blur_prob=0.0)
PROJECTED = dict(projector=True, distance="cosine", domains=("source", "target"), name="wide")
GAME = dict(type="PixelDiscriminator", channels=8)


class Backbone(nn.Module):
    """Two convolutions and a group norm, which looks at one image at a time; counts its runs."""

    out_channels = (8, 8)

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.norm = nn.GroupNorm(2, 8)
        self.second = nn.Conv2d(8, 8, 4, stride=4)
        self.seen = []

    def layer_depths(self):
        return {n: int(n.startswith("second")) for n, _ in self.named_parameters()}

    def forward(self, image):
        self.seen.append((len(image), torch.is_autocast_enabled("cpu"), torch.is_grad_enabled()))
        first = self.norm(self.first(image)).relu()
        return first, self.second(first).relu()


class Head(nn.Conv2d):
    def __init__(self, index):
        super().__init__(8, K, 1)
        self.index = index

    def forward(self, features):
        return super().forward(features[self.index])


def objectives(*, weighting="pixel", look=PLAIN, images="both"):
    """All new objectives, beside adversarial ones, pseudo-labels and entropy."""
    torch.manual_seed(1)
    frozen = Backbone()
    taught = dict(loss="supervised", confidence=0.29, weighting=weighting, flip=True, **look)
    return [
        dict(type="Supervised", loss=dict(type="CrossEntropyLoss", mean="all")),
        dict(type="FeatureDistance", backbone=frozen, classes=(0, 2), weight=0.5),
        dict(type="ClassMix", classes_of="batch", paste_ignored=True, **taught),
        dict(type="MaskedConsistency", block=8, images=images, ignore_bottom=4, **taught),
        dict(type="OutputAdversarial", discriminator=GAME, weight=0.1),
        dict(type="PseudoLabel"),
        dict(type="EntropyMinimization", weight=0.1),
        dict(type="FeatureDistance", backbone=Backbone(), classes=None, **PROJECTED),
    ]


def make_batch(seed):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (2, COUNT, 3, *SIZE), generator=generator).byte()
    label = torch.randint(0, K, (COUNT, SIZE[0] // 8, SIZE[1] // 8), generator=generator)
    label = label.repeat_interleave(8, 1).repeat_interleave(8, 2)
    label[0, :20] = 255
    source = dict(image=images[0], label=label)
    return dict(source=source, target=dict(image=images[1] // 2, pseudo_label=label.flip(0)))


def train(
    made,
    *,
    steps=2,
    dtype=torch.float64,
    wrapper="OptimWrapper",
    change=dict,
    groups=(),
    **settings,
):
    torch.manual_seed(0)
    segmentor = Segmentor(Backbone(), Head(-1), Head(-2), num_classes=K)
    teacher = dict(teacher_momentum=0.1, teacher_start="initial") | settings
    adapter = DomainAdapter(segmentor, made, **teacher).to(dtype).train()
    sgd = dict(type=wrapper, optimizer=dict(type="SGD", lr=0.05, momentum=0.9))
    networks = adapter.trainable_networks()
    by_network = dict.fromkeys(networks, sgd) | {"segmentor": sgd | dict(groups)}
    wrappers = OptimizersByNetwork(by_network)(adapter)
    start = deepcopy(adapter.state_dict())
    logs = []
    for step in range(steps):
        torch.manual_seed(step)
        logs.append(adapter.train_step(change(make_batch(step)), wrappers))
    return adapter, start, logs


@pytest.fixture
def _same_draws(monkeypatch):
    """The same classes and blocks, however large the part of a batch."""
    monkeypatch.setattr(mixing, "class_mask", lambda label, *_, **__: label < 2)
    monkeypatch.setattr(
        masking,
        "block_mask",
        lambda n, size, *_: (torch.arange(size[1]) % 3 > 0).expand(n, 1, *size),
    )


@pytest.mark.usefixtures("_same_draws")
@pytest.mark.parametrize("micro_batch", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_a_batch_in_parts_makes_the_step_of_the_whole_batch(micro_batch):
    """With the weight of each pixel its own: a share of confident pixels is that of a part."""
    whole, start, expected = train(objectives())
    parts, _, found = train(objectives(), micro_batch=micro_batch)
    for name, value in whole.state_dict().items():
        step = (value - start[name]).abs().max()
        assert (parts.state_dict()[name] - value).abs().max() <= 1e-6 * step + 1e-16, name
    for one, other in zip(expected, found, strict=True):
        for name, value in one.items():
            assert other[name].item() == pytest.approx(value.item(), rel=1e-6), name
        assert one["loss_feature"] > 0
        assert 0 < one["mix_sure"] < 1


def test_networks_run_as_often_as_they_have_to():
    adapter, _, _ = train(objectives(), steps=1)
    runs = adapter.segmentor.backbone.seen  # source, target, mixture, masked images
    assert [count for count, _, _ in runs] == [4, 4, 4, 4]
    teacher = adapter.teacher.module.backbone.seen  # the target, and its mirror image
    assert [(count, grad) for count, _, grad in teacher] == [(4, False)] * 2
    frozen = adapter.objectives[1].frozen
    assert [(count, grad) for count, _, grad in frozen.seen] == [(4, False)]
    for network in (adapter.teacher.module, frozen):
        assert all(p.grad is None and not p.requires_grad for p in network.parameters())


def test_mixed_precision_holds_in_all_networks_and_trains_nearly_alike():
    look = dict(jitter_prob=1.0, blur_prob=1.0, colors="hsv", joint=True)
    made = dict(weighting="share", look=look)
    adapter, _, plain = train(objectives(**made), dtype=torch.float32)
    mixed, _, logs = train(objectives(**made), dtype=torch.float32, wrapper="AmpOptimWrapper")
    networks = mixed.segmentor, mixed.teacher.module, mixed.objectives[1].frozen
    for network in (n.backbone if isinstance(n, Segmentor) else n for n in networks):
        assert all(autocast for _, autocast, _ in network.seen)
    assert not any(autocast for _, autocast, _ in adapter.segmentor.backbone.seen)
    for one, other in zip(plain, logs, strict=True):
        for name, value in one.items():
            assert other[name].dtype is torch.float32
            if "loss" in name:
                assert other[name].item() == pytest.approx(value.item(), rel=0.1, abs=1e-3), name
    assert any(plain[-1][name] != logs[-1][name] for name in logs[-1])


@pytest.mark.parametrize("number", range(1, 4))
def test_an_objective_alone_trains_the_segmentor(number):
    made = objectives(images="target")
    made[2]["loss"] = made[3]["loss"] = None
    adapter, start, (log,) = train([made[number]], steps=1)
    moved = {
        n
        for n, v in adapter.segmentor.state_dict().items()
        if not torch.equal(v, start[f"segmentor.{n}"])
    }
    heads = set() if number == 1 else {"head.weight", "aux_head.weight"}
    assert {"backbone.first.weight", "backbone.second.weight"} | heads <= moved
    assert number > 1 or not any("head" in name for name in moved)
    assert all(value.isfinite() for value in log.values())


def test_translated_sources_clipped_gradients_and_rates_by_depth_hold_with_all_of_them():
    """As a step on images translated by hand, each change scaled by the norm and the depth."""
    fda = FourierTranslator(beta=0.1)

    def translated(batch):
        source, target = batch["source"], batch["target"]
        return batch | dict(source=source | dict(image=fda(source["image"], target["image"])))

    plain, start, (expected,) = train(objectives(), steps=1, change=translated)
    groups = dict(clip_grad=dict(max_norm=0.02), layer_decay=0.5)
    clipped, _, (log,) = train(objectives(), steps=1, translator=fda, groups=groups)
    for name, value in expected.items():
        assert log[name].item() == pytest.approx(value.item(), rel=1e-9), name
    trained = {n: p for n, p in plain.named_parameters() if p.requires_grad}
    moved = {n: p - start[n] for n, p in trained.items() if "discriminator" not in n}
    assert sum("projector" in name for name in moved) == 6
    norm = torch.stack([m.square().sum() for m in moved.values()]).sum().sqrt() / 0.05
    assert norm > 0.04
    for name, parameter in clipped.named_parameters():
        if name in moved:
            early = name.startswith("segmentor.backbone") and "second" not in name
            factor = (0.5 if early else 1) * 0.02 / (norm + 1e-6)
            change = parameter - start[name]
            assert torch.allclose(change, factor * moved[name], rtol=1e-6, atol=1e-12), name
