"""The step on two domains: who gets which gradient, in parts or whole, and the teacher."""

import copy
import weakref

import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import nn

from daseg.adaptation import DomainAdapter
from daseg.engine.checkpoint import segmentor_weights
from daseg.engine.optim import AmpOptimWrapper
from daseg.losses import CrossEntropyLoss
from daseg.objectives import (
    EntropyMinimization,
    FeatureAdversarial,
    MaxSquare,
    MemoryRegularization,
    OutputAdversarial,
    Supervised,
)
from daseg.segmentor import Segmentor
from daseg.utils.errors import ConfigError, LabelFirewallError
from daseg.utils.freeze import frozen

PIXEL = dict(type="PixelDiscriminator", channels=4)
OBJECTIVES = {
    "output": lambda: OutputAdversarial(PIXEL),
    "output_aux": lambda: OutputAdversarial(PIXEL, dict(type="LSGANLoss"), level="aux"),
    "entropy_map": lambda: OutputAdversarial(PIXEL, map="entropy", gradient_penalty=0.1),
    "mean_map": lambda: OutputAdversarial(PIXEL, dict(type="HingeGANLoss"), source_map="mean"),
    "feature": lambda: FeatureAdversarial(PIXEL),
    "entropy": lambda: EntropyMinimization(),
    "max_square": lambda: MaxSquare(),
    "memory": lambda: MemoryRegularization(begin=0),
}


class Backbone(nn.Module):
    """Two convolutions, of which the first is frozen; optionally batch norm between them."""

    out_channels = (4, 6)

    def __init__(self, norm=False):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.first.weight.requires_grad_(False)
        self.norm = nn.BatchNorm2d(4) if norm else nn.Identity()
        self.second = nn.Conv2d(4, 6, 3, padding=1)
        self.seen = []

    def forward(self, image):
        self.seen.append(image.shape[0])
        first = self.norm(self.first(image)).relu()
        return first, self.second(first).relu()


class Head(nn.Module):
    """A linear classifier of one feature map."""

    def __init__(self, channels, index):
        super().__init__()
        self.linear, self.index = nn.Conv2d(channels, 3, 1), index

    def forward(self, features):
        return self.linear(features[self.index])


def adapter(*objectives, norm=False, **options):
    torch.manual_seed(0)
    segmentor = Segmentor(Backbone(norm), Head(6, -1), Head(4, -2), num_classes=3)
    return DomainAdapter(segmentor, [Supervised(), *objectives], **options)


def batch(size=5):
    generator = torch.Generator().manual_seed(1)
    source = torch.randint(0, 256, (size, 3, 12, 16), generator=generator).byte()
    target = torch.randint(0, 256, (size, 3, 10, 14), generator=generator).byte()
    label = torch.randint(0, 3, (size, 12, 16), generator=generator)
    for index in range(size):
        label[index, : 2 * index] = 255  # labelled unevenly: a mean of means would be wrong
    return dict(
        source=dict(image=source, label=label, meta=[{}] * size),
        target=dict(image=target, meta=[{}] * size),
    )


def sgd(network, lr=0.1, wrapper=OptimWrapper, **options):
    parameters = [p for p in network.parameters() if p.requires_grad]
    return wrapper(optimizer=torch.optim.SGD(parameters, lr=lr, momentum=0.9), **options)


def optimizers(model, **options):
    networks = model.trainable_networks()
    return OptimWrapperDict(**{name: sgd(n, **options) for name, n in networks.items()})


def gradients(network):
    return [p.grad for p in network.parameters() if p.grad is not None]


class Watched(OptimWrapper):
    """Notes, at its step, whether a network that is not its own holds a gradient."""

    def step(self, **kwargs):
        self.stray = [name for name, network in self.others.items() if gradients(network)]
        super().step(**kwargs)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_each_step_leaves_gradients_in_its_own_network_alone(name):
    model = adapter(OBJECTIVES[name]())
    networks = model.trainable_networks()
    wrappers = optimizers(model, wrapper=Watched)
    for own, wrapper in wrappers.items():
        wrapper.others = {other: n for other, n in networks.items() if other != own}
    before = copy.deepcopy(model.state_dict())
    trainable = {key: p.requires_grad for key, p in model.named_parameters()}
    for _ in range(2):
        model.train_step(batch(), wrappers)
        assert [wrapper.stray for wrapper in wrappers.values()] == [[]] * len(wrappers)
        assert not gradients(model)
    assert {key: p.requires_grad for key, p in model.named_parameters()} == trainable
    after = model.state_dict()
    frozen_key = "segmentor.backbone.first.weight"
    assert torch.equal(before[frozen_key], after[frozen_key])
    for network in networks:
        prefix = "segmentor." if network == "segmentor" else "objectives."
        moved = [k for k in before if k.startswith(prefix) and not before[k].equal(after[k])]
        assert moved, f"{network} has not learnt"


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_moves_the_segmentor_by_the_target(name):
    plain, adapted = adapter(), adapter(OBJECTIVES[name]())
    for model in (plain, adapted):
        model.train_step(batch(), optimizers(model, lr=1.0))
    key = "second.weight" if name != "output_aux" else "first.bias"
    one, other = (m.segmentor.backbone.state_dict()[key] for m in (plain, adapted))
    assert not torch.equal(one, other)


def test_frozen_networks_are_free_again_after_an_error():
    network = nn.Linear(2, 2)
    network.bias.requires_grad_(False)
    seen = []

    def fail():
        with frozen([network]):
            seen.append(network.weight.requires_grad)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert seen == [False]
    assert (network.weight.requires_grad, network.bias.requires_grad) == (True, False)


def test_the_target_is_not_looked_at_where_nobody_asks():
    source_only = adapter()
    source_only.train_step(batch(), optimizers(source_only))
    assert source_only.segmentor.backbone.seen == [5]
    assert not source_only.views["target"].has_run


def test_memory_regularisation_looks_at_the_target_from_its_beginning_on():
    model = adapter(MemoryRegularization(begin=2))
    wrappers, hub = optimizers(model), MessageHub.get_current_instance()
    runs = []
    try:
        for iteration in range(4):
            hub.update_info("iter", iteration)
            model.train_step(batch(), wrappers)
            runs.append(len(model.segmentor.backbone.seen))
    finally:
        hub.update_info("iter", 0)
    assert runs == [1, 2, 4, 6]


def test_a_target_label_cannot_be_had():
    model = adapter(EntropyMinimization())
    model.train_step(batch(), optimizers(model))
    with pytest.raises(LabelFirewallError, match="a target image has no label in training"):
        _ = model.views["target"].label


def test_an_adaptation_without_a_target_says_what_to_write():
    model = adapter(EntropyMinimization())
    with pytest.raises(ConfigError, match=r"type='DomainPair'.*type='PairSampler'"):
        model.train_step(batch()["source"], optimizers(model))


def everything():
    weighted = Supervised(CrossEntropyLoss(class_weights=[1.0, 2.0, 5.0]))
    torch.manual_seed(2)
    segmentor = Segmentor(Backbone(), Head(6, -1), Head(4, -2), num_classes=3)
    games = [
        OutputAdversarial(PIXEL, weight=0.1, gradient_penalty=0.5),
        OutputAdversarial(PIXEL, dict(type="LSGANLoss"), level="aux", weight=0.1, map="entropy"),
        EntropyMinimization(weight=0.1),
        MemoryRegularization(begin=0),
    ]
    return segmentor, [weighted, *games]


@pytest.mark.parametrize("micro_batch", [1, 2, 3, 7])
def test_a_batch_in_parts_equals_the_whole(micro_batch):
    segmentor, objectives = everything()
    whole = DomainAdapter(segmentor, objectives)
    parts = copy.deepcopy(whole)
    parts.micro_batch = micro_batch
    logs = []
    for model in (whole, parts):
        wrappers = optimizers(model)
        for _ in range(3):
            log = model.train_step(batch(), wrappers)
        logs.append(log)
    assert logs[0].keys() == logs[1].keys()
    for key, value in logs[0].items():
        assert logs[1][key].item() == pytest.approx(value.item(), abs=2e-6), key
    other = parts.state_dict()
    for key, value in whole.state_dict().items():
        torch.testing.assert_close(other[key], value, rtol=1e-5, atol=1e-6, msg=key)
    assert max(parts.segmentor.backbone.seen[-6:]) == min(micro_batch, 5)


@pytest.mark.parametrize("domains", ["both", "source"])
def test_which_domain_updates_the_running_statistics(domains):
    model = adapter(EntropyMinimization(), norm=True, norm_statistics=domains)
    data, network = batch(), model.segmentor
    expected = torch.zeros(4)
    with torch.no_grad():
        for domain in ("source", "target") if domains == "both" else ("source",):
            features = network.backbone.first(network.normalize(data[domain]["image"]))
            expected = 0.9 * expected + 0.1 * features.mean((0, 2, 3))
    model.train_step(data, optimizers(model))
    torch.testing.assert_close(network.backbone.norm.running_mean, expected)
    assert network.backbone.norm.track_running_stats


def test_the_teacher_is_the_mean_of_the_first_students_and_is_what_is_evaluated():
    model = adapter(EntropyMinimization(), norm=True, teacher_momentum=0.01)
    wrappers, students = optimizers(model), []
    assert model.evaluated_network is model.segmentor
    for _ in range(3):
        model.train()
        assert not model.teacher.module.training
        model.train_step(batch(), wrappers)
        students.append(model.segmentor.head.linear.weight.detach().clone())
    teacher = model.teacher.module
    # mmengine's momentum 1 / (1 + steps): the first copies, then halves, then thirds.
    expected = students[0] + (students[1] - students[0]) / 2
    expected = expected + (students[2] - expected) / 3
    torch.testing.assert_close(teacher.head.linear.weight, expected)
    assert torch.equal(
        teacher.backbone.norm.running_mean, model.segmentor.backbone.norm.running_mean
    )
    assert model.evaluated_network is teacher
    saved = segmentor_weights(dict(state_dict=model.state_dict()))
    assert torch.equal(saved["head.linear.weight"], teacher.head.linear.weight)
    assert saved.keys() == model.segmentor.state_dict().keys()
    assert not [name for name, p in model.teacher.named_parameters() if p.requires_grad]


class Saved:
    """A tensor that a graph keeps for its backward pass."""

    def __init__(self, tensor):
        self.tensor = tensor


class Graphs(nn.Module):
    """Counts, at each run, how many tensors the graphs of earlier runs still keep."""

    def __init__(self, network):
        super().__init__()
        self.network, self.out_channels = network, network.out_channels
        self.kept, self.alive = weakref.WeakSet(), []

    def forward(self, image):
        self.alive.append(len(self.kept))
        with torch.autograd.graph.saved_tensors_hooks(self.pack, lambda saved: saved.tensor):
            return self.network(image)

    def pack(self, tensor):
        saved = Saved(tensor)
        self.kept.add(saved)
        return saved


@pytest.mark.parametrize("micro_batch", [None, 2])
def test_one_graph_is_in_memory_at_a_time(micro_batch):
    model = adapter(OBJECTIVES["output"](), micro_batch=micro_batch)
    model.segmentor.backbone = Graphs(model.segmentor.backbone)
    output = model.segmentor(batch()["source"]["image"])
    assert len(model.segmentor.backbone.kept) > 3, "a graph that lives is not counted"
    (output.logits.sum() + output.aux_logits.sum()).backward()
    model.zero_grad()
    model.segmentor.backbone.alive.clear()
    model.train_step(batch(), optimizers(model))
    assert model.segmentor.backbone.alive == [0] * (2 if micro_batch is None else 6)


def test_bfloat16_comes_near_float32_and_gradients_are_clipped():
    logs, moved = {}, {}
    for name, options in {
        "float32": {},
        "bfloat16": dict(wrapper=AmpOptimWrapper, dtype="bfloat16"),
        "clipped": dict(clip_grad=dict(max_norm=1e-4)),
    }.items():
        model = adapter(OBJECTIVES["entropy_map"](), OBJECTIVES["output_aux"]())
        before = model.segmentor.head.linear.weight.detach().clone()
        logs[name] = model.train_step(batch(), optimizers(model, **options))
        moved[name] = (model.segmentor.head.linear.weight.detach() - before).norm().item()
    for key, value in logs["float32"].items():
        assert logs["bfloat16"][key].dtype == torch.float32
        if "acc" not in key:
            assert logs["bfloat16"][key].item() == pytest.approx(value.item(), rel=0.05), key
    assert 0 < moved["clipped"] <= 0.1 * 1e-4 * 1.001 < moved["float32"]
