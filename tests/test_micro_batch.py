"""A batch that goes through the networks in parts makes the step of the whole batch."""

import pytest
import torch
from torch import nn

from daseg.adaptation import DomainAdapter
from daseg.engine.optim import OptimizersByNetwork
from daseg.objectives import View
from daseg.segmentor import Segmentor

COUNT, CLASSES, SIZE = 5, 4, (32, 40)


class Backbone(nn.Module):
    """Two convolutions and a group norm, which looks at one image at a time."""

    out_channels = (8, 8)

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.norm = nn.GroupNorm(2, 8)
        self.second = nn.Conv2d(8, 8, 3, padding=1)
        self.sizes = []

    def forward(self, image):
        self.sizes.append(len(image))
        first = self.norm(self.first(image)).relu()
        return first, self.second(first).relu()


class Head(nn.Conv2d):
    """A linear classifier of one feature map."""

    def __init__(self, index):
        super().__init__(8, CLASSES, 1)
        self.index = index

    def forward(self, features):
        return super().forward(features[self.index])


def objectives(kind):
    """Everything at once: two heads, class weights, three games, a penalty, measures."""
    game = dict(type="OutputAdversarial", loss=dict(type=kind), weight=1.0)
    pixel = dict(type="PixelDiscriminator", channels=8)
    scales = dict(type="MultiScaleDiscriminator", channels=4, num_scales=2, num_blocks=1)
    weights = [0.5, 1.0, 3.0, 7.0]
    return [
        dict(
            type="Supervised",
            loss=dict(type="CrossEntropyLoss", class_weights=weights),
            aux_weight=0.5,
        ),
        game | dict(discriminator=pixel, gradient_penalty=0.01),
        game | dict(discriminator=scales, level="aux", source_map="mean"),
        dict(type="FeatureAdversarial", discriminator=pixel, loss=dict(type=kind), weight=1.0),
        dict(type="EntropyMinimization", weight=1.0, aux_weight=0.5),
        dict(type="MaxSquare", weight=1.0, aux_weight=0.5, balance=0.2),
        dict(type="MemoryRegularization", weight=1.0, begin=0),
    ]


def batch(seed):
    """Five images; one without any label, the others with very different numbers of them."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (2, COUNT, 3, *SIZE), generator=generator).byte()
    label = torch.randint(0, CLASSES, (COUNT, *SIZE), generator=generator)
    for index, rows in enumerate((32, 31, 16, 0, 5)):
        label[index, :rows] = 255
    label[4][label[4] == 3] = 255  # and different classes
    return dict(source=dict(image=images[0], label=label), target=dict(image=images[1] // 2))


def train(kind, micro_batch, dtype, steps=2):
    """Weights before and after, and the logs of two steps of SGD with momentum."""
    torch.manual_seed(0)
    segmentor = Segmentor(Backbone(), Head(-1), Head(-2), num_classes=CLASSES)
    adapter = DomainAdapter(segmentor, objectives(kind), micro_batch=micro_batch).to(dtype).train()
    sgd = dict(optimizer=dict(type="SGD", lr=0.05, momentum=0.9, weight_decay=0.01))
    wrappers = OptimizersByNetwork(dict(segmentor=sgd, discriminators=sgd))(adapter)
    start = {name: value.clone() for name, value in adapter.state_dict().items()}
    logs = [adapter.train_step(batch(seed), wrappers) for seed in range(steps)]
    return start, adapter.state_dict(), logs, segmentor.backbone.sizes


@pytest.fixture(scope="module")
def whole():
    """The step of the whole batch, made once for each loss and precision."""
    made = {}

    def get(kind, dtype):
        if (kind, dtype) not in made:
            made[kind, dtype] = train(kind, None, dtype)
        return made[kind, dtype]

    return get


@pytest.mark.parametrize("kind", ["BCEGANLoss", "LSGANLoss", "HingeGANLoss"])
@pytest.mark.parametrize(
    ("micro_batch", "sizes"),
    [(1, [1] * 10), (2, [2, 2, 2, 2, 1, 1]), (3, [3, 3, 2, 2]), (7, [5, 5])],
)
def test_the_step_is_that_of_the_whole_batch(whole, kind, micro_batch, sizes):
    """To a millionth of the step; in double precision, where rounding does not hide more."""
    start, expected, expected_logs, _ = whole(kind, torch.float64)
    _, found, logs, ran = train(kind, micro_batch, torch.float64)
    assert ran == 2 * sizes
    for name, value in expected.items():
        step = (value - start[name]).abs().max()
        assert (found[name] - value).abs().max() <= 1e-6 * step + 1e-16, name
        still = name.endswith(("mean", "std")) or (kind == "HingeGANLoss" and "bias" in name)
        assert step > 0 or still, name
    for log, other in zip(expected_logs, logs, strict=True):
        assert log.keys() == other.keys()
        for name, value in log.items():
            assert other[name].item() == pytest.approx(value.item(), rel=1e-6, abs=1e-12), name


@pytest.mark.parametrize("micro_batch", [1, 2, 3])
def test_in_single_precision_the_step_differs_by_rounding_alone(whole, micro_batch):
    """Rounding depends on the CPU's instructions: it is small beside the step, not beside 1."""
    start, expected, _, _ = whole("BCEGANLoss", torch.float32)
    _, found, _, _ = train("BCEGANLoss", micro_batch, torch.float32)
    for name, value in expected.items():
        step = (value - start[name]).abs().max()
        assert (found[name] - value).abs().max() <= 1e-3 * step + 1e-8, name


@pytest.mark.parametrize("rows", [slice(0, 2), slice(4, 5)])
def test_a_part_is_divided_by_the_labelled_pixels_of_the_whole_batch(rows):
    whole = batch(0)["source"]
    segmentor = Segmentor(Backbone(), Head(-1), num_classes=CLASSES)
    view = View(segmentor, whole["image"][rows], whole["label"], align_corners=False, rows=rows)
    share = (rows.stop - rows.start) / COUNT
    count = (whole["label"] != 255).sum().item()
    assert view.normalizer().item() == pytest.approx(count * share)
    assert view.normalizer(whole["label"] * 0).item() == pytest.approx(COUNT * 32 * 40 * share)
    assert torch.equal(view.label, whole["label"][rows])


def test_each_part_has_its_own_margins(monkeypatch):
    """`IgnoreMargins` marks pixels of the whole batch; each part learns where its images count."""
    segmentor = Segmentor(Backbone(), Head(0), num_classes=CLASSES)
    mixing = dict(type="ClassMix", confidence=0.0, jitter_prob=0.0, blur_prob=0.0)
    teaching = dict(teacher_momentum=0.1, micro_batch=2)
    adapter = DomainAdapter(segmentor, [dict(type="Supervised"), mixing], **teaching).train()
    data = batch(0)
    trusted = torch.rand(COUNT, *SIZE) < 0.5
    data["target"]["trusted"] = trusted
    derive, seen = adapter.objectives[1].derive, []

    def noted(source, target):
        seen.append(derive(source, target))
        return seen[-1]

    monkeypatch.setattr(adapter.objectives[1], "derive", noted)
    wrapper = dict(segmentor=dict(optimizer=dict(type="SGD", lr=0.1)))
    adapter.train_step(data, OptimizersByNetwork(wrapper)(adapter))
    images, weights = (torch.cat([getattr(v, k) for v in seen]) for k in ("image", "weight"))
    kept = (images == data["target"]["image"]).all(1) & (images != data["source"]["image"]).any(1)
    assert [len(view.image) for view in seen] == [2, 2, 1]
    assert 0 < kept.sum() < kept.numel()
    assert torch.equal(weights[kept] > 0, trusted[kept])
