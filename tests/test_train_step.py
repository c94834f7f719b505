"""The train step with two domains: whose gradients go where, which statistics move, precision."""

from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from daseg.adaptation import DomainAdapter
from daseg.engine.optim import OptimizersByNetwork
from daseg.objectives import Objective
from daseg.ops.norm import freeze_affine
from daseg.registry import OBJECTIVES
from daseg.segmentor import Segmentor

SIZE = (32, 40)
PIXEL = dict(type="PixelDiscriminator", channels=8)
SCALES = dict(type="MultiScaleDiscriminator", channels=4, num_scales=2, num_blocks=1)


def output_game(**settings):
    return dict(type="OutputAdversarial", discriminator=PIXEL, weight=1.0) | settings


GAMES = {
    "main": [output_game()],
    "least squares": [output_game(loss=dict(type="LSGANLoss"))],
    "hinge": [output_game(loss=dict(type="HingeGANLoss"))],
    "patches": [output_game(discriminator=dict(type="FCDiscriminator", channels=4))],
    "scales": [output_game(discriminator=SCALES)],
    "both levels": [output_game(), output_game(level="aux")],
    "entropy maps": [output_game(map="entropy")],
    "mean and penalty": [output_game(level="aux", source_map="mean", gradient_penalty=0.1)],
    "features": [dict(type="FeatureAdversarial", discriminator=PIXEL, weight=1.0, in_index=-2)],
}
MEASURES = {
    "entropy": [dict(type="EntropyMinimization", weight=1.0, aux_weight=1.0)],
    "max square": [dict(type="MaxSquare", weight=1.0, aux_weight=1.0)],
    "memory": [dict(type="MemoryRegularization", weight=1.0, begin=0)],
    "pseudo-labels": [dict(type="PseudoLabel", aux_weight=1.0)],
    "rectified": [dict(type="RectifiedPseudoLabel")],
    "information": [dict(type="InformationMaximization", weight=1.0, aux_weight=1.0)],
}


MIXTURES = {
    "class mix": [dict(type="ClassMix", aux_weight=1.0)],
    "cut mix": [dict(type="ClassMix", aux_weight=1.0, mask="cutmix")],
    "masked": [dict(type="MaskedConsistency", aux_weight=1.0, block=8, confidence=0.2)],
    "both masked": [
        dict(type="MaskedConsistency", aux_weight=1.0, block=8, confidence=0.2, images="both")
    ],
}


class Backbone(nn.Module):
    """Two convolutions and a batch norm whose scale and shift are frozen; counts its runs."""

    out_channels = (6, 8)

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.second = nn.Conv2d(6, 8, 3, padding=1)
        self.runs = 0
        freeze_affine(self)

    def forward(self, image):
        self.runs += 1
        first = self.norm(self.first(image)).relu()
        return first, self.second(first).relu()


class Head(nn.Conv2d):
    """A linear classifier of one feature map."""

    def __init__(self, channels, index):
        super().__init__(channels, 4, 1)
        self.index = index

    def forward(self, features):
        return super().forward(features[self.index])


def make_adapter(objectives, *, supervised=True, **settings):
    torch.manual_seed(0)
    segmentor = Segmentor(Backbone(), Head(8, -1), Head(6, -2), num_classes=4)
    first = [dict(type="Supervised", aux_weight=0.5)] if supervised else []
    return DomainAdapter(segmentor, [*first, *deepcopy(objectives)], **settings).train()


def make_wrappers(adapter, **settings):
    cfg = dict(segmentor=dict(optimizer=dict(type="SGD", lr=0.1, weight_decay=0.01), **settings))
    if adapter.adversaries:
        cfg["discriminators"] = dict(optimizer=dict(type="Adam", lr=0.01), **settings)
    return OptimizersByNetwork(cfg)(adapter)


def make_batch(seed=1, count=2):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (2, count, 3, *SIZE), generator=generator).byte()
    label = torch.randint(0, 4, (count, *SIZE), generator=generator)
    label[:, :5] = 255
    return dict(source=dict(image=images[0], label=label), target=dict(image=images[1] // 2))


def gradients(module):
    return {n: p.grad for n, p in module.named_parameters() if p.grad is not None}


def discriminators(adapter):
    return nn.ModuleList(o.discriminator for o in adapter.adversaries)


def spy_on_steps(adapter, wrappers, monkeypatch):
    """Record, whenever an optimizer steps, the gradients of all networks and what asks for one."""
    seen = {}
    for name, wrapper in wrappers.items():

        def step(name=name, inner=wrapper.step, **settings):
            networks = discriminators(adapter)
            seen[name] = dict(
                segmentor=gradients(adapter.segmentor),
                discriminators=gradients(networks),
                weights=deepcopy(networks.state_dict()),
                asking={p.requires_grad for p in networks.parameters()},
            )
            inner(**settings)

        monkeypatch.setattr(wrapper, "step", step)
    return seen


def test_every_objective_is_among_the_cases():
    kinds = {cfg["type"] for case in (GAMES | MEASURES | MIXTURES).values() for cfg in case}
    own = {n for n in OBJECTIVES.names() if OBJECTIVES.get(n).__module__.startswith("daseg.")}
    assert own == kinds | {"Supervised", "FeatureDistance"}  # test_self_training_step.py


@pytest.mark.parametrize("case", GAMES)
def test_each_step_leaves_the_other_networks_alone(case, monkeypatch):
    adapter = make_adapter(GAMES[case], supervised=False)
    wrappers = make_wrappers(adapter)
    networks = discriminators(adapter)
    start = deepcopy(adapter.state_dict())
    first = deepcopy(networks.state_dict())
    seen = spy_on_steps(adapter, wrappers, monkeypatch)
    log = adapter.train_step(make_batch(), wrappers)

    theirs = seen["segmentor"]
    assert theirs["discriminators"] == {}
    assert theirs["asking"] == {False}
    for name, value in first.items():
        assert torch.equal(theirs["weights"][name], value), name
    # The game's gradient reaches the segmentor, through a discriminator that stands still.
    assert theirs["segmentor"]["backbone.first.weight"].abs().max() > 0

    own = seen["discriminators"]
    assert own["segmentor"] == {}
    assert own["asking"] == {True}
    assert own["discriminators"].keys() == dict(networks.named_parameters()).keys()
    # A bias may stand still: what it says of source and of target can cancel out.
    assert all(g.abs().max() > 0 for g in own["discriminators"].values() if g.ndim > 1)

    assert gradients(adapter) == {}
    assert all(p.requires_grad for p in networks.parameters())
    moved = {n for n, v in adapter.state_dict().items() if not torch.equal(v, start[n])}
    assert {"segmentor.backbone.first.weight", "segmentor.backbone.norm.running_mean"} <= moved
    assert not moved & {"segmentor.backbone.norm.weight", "segmentor.backbone.norm.bias"}
    assert not any(torch.equal(p, first[n]) for n, p in networks.named_parameters() if p.ndim > 1)
    assert all(value.isfinite() and not value.requires_grad for value in log.values())


@pytest.mark.parametrize("case", MEASURES)
def test_a_measure_of_the_target_moves_both_heads(case):
    adapter = make_adapter(MEASURES[case], supervised=False)
    assert adapter.trainable_networks().keys() == {"segmentor"}
    wrappers = make_wrappers(adapter)
    start = deepcopy(adapter.segmentor.state_dict())
    batch = make_batch()
    batch["target"]["pseudo_label"] = batch["source"]["label"].flip(0)
    adapter.train_step(batch, wrappers)
    assert adapter.segmentor.backbone.runs == 1  # nobody asks for the source
    still = {n for n, v in adapter.segmentor.state_dict().items() if torch.equal(v, start[n])}
    assert still == {"mean", "std", "backbone.norm.weight", "backbone.norm.bias"}
    assert gradients(adapter) == {}


@pytest.mark.parametrize("case", MIXTURES)
def test_a_mixture_moves_both_heads_and_the_teacher_only_follows(case, monkeypatch):
    adapter = make_adapter(MIXTURES[case], supervised=False, teacher_momentum=0.1)
    assert adapter.trainable_networks().keys() == {"segmentor"}
    wrappers = make_wrappers(adapter)
    start = deepcopy(adapter.segmentor.state_dict())
    seen = {}

    def step(inner=wrappers["segmentor"].step, **settings):
        seen["teacher"] = deepcopy(adapter.teacher.module.state_dict())
        seen["gradients"] = gradients(adapter.segmentor)
        seen["teacher's"] = gradients(adapter.teacher)
        inner(**settings)

    monkeypatch.setattr(wrappers["segmentor"], "step", step)
    adapter.train_step(make_batch(), wrappers)
    assert adapter.segmentor.backbone.runs == 1  # the mixture alone; nobody asks for the others
    assert adapter.teacher.module.backbone.runs == 1
    assert all(gradient.abs().max() > 0 for gradient in seen["gradients"].values())
    assert seen["teacher's"] == gradients(adapter) == {}
    for name, value in start.items():  # until the step it is what the segmentor was before
        assert torch.equal(seen["teacher"][name], value), name
    assert all(p.grad is None and not p.requires_grad for p in adapter.teacher.parameters())
    assert not any(module.training for module in adapter.teacher.modules())
    before = deepcopy(adapter.teacher.module.state_dict())
    adapter.train_step(make_batch(2), wrappers)
    for name, parameter in adapter.segmentor.named_parameters():
        expected = torch.lerp(before[name], parameter, 0.5)  # of two steps the plain mean
        torch.testing.assert_close(adapter.teacher.module.state_dict()[name], expected, msg=name)
    still = {n for n, v in adapter.segmentor.state_dict().items() if torch.equal(v, start[n])}
    assert still == {"mean", "std", "backbone.norm.weight", "backbone.norm.bias"}


class Failing(Objective):
    """Fails on the target."""

    reads = ("target",)

    def target_losses(self, target):
        raise RuntimeError("as asked")


def test_an_exception_leaves_the_discriminators_as_they_were():
    """What the user has frozen in a discriminator stays frozen, during the step and after."""
    adapter = make_adapter([*GAMES["both levels"], Failing()])
    networks = discriminators(adapter)
    frozen = networks[0].conv1.weight.requires_grad_(False)
    wrappers = make_wrappers(adapter)
    asking = [p.requires_grad for p in networks.parameters()]
    with pytest.raises(RuntimeError, match="as asked"):
        adapter.train_step(make_batch(), wrappers)
    assert [p.requires_grad for p in networks.parameters()] == asking
    assert not frozen.requires_grad

    adapter.objectives = adapter.objectives[:-1]
    value, other = frozen.clone(), networks[0].conv2.weight.clone()
    adapter.train_step(make_batch(), wrappers)
    assert torch.equal(frozen, value)
    assert not torch.equal(networks[0].conv2.weight, other)
    assert [p.requires_grad for p in networks.parameters()] == asking


@pytest.mark.parametrize(
    ("objectives", "micro_batch", "runs"),
    [([], None, 1), (GAMES["both levels"], None, 2), (GAMES["both levels"], 1, 4), ([], 1, 2)],
)
def test_the_segmentor_runs_once_on_each_domain_that_somebody_asks_for(
    objectives, micro_batch, runs
):
    adapter = make_adapter(objectives, micro_batch=micro_batch)
    adapter.train_step(make_batch(), make_wrappers(adapter))
    assert adapter.segmentor.backbone.runs == runs


def test_a_true_source_only_does_not_see_the_target():
    """Its weights and statistics are those of a training that has no target."""
    states = []
    for targets in (True, False):
        adapter = make_adapter([])
        wrappers = make_wrappers(adapter)
        for seed in (1, 2):
            batch = make_batch(seed)
            adapter.train_step(batch if targets else batch["source"], wrappers)
        states.append(adapter.state_dict())
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name


def test_memory_regularization_asks_for_the_target_from_its_begin_on():
    adapter = make_adapter([dict(type="MemoryRegularization", begin=2)])
    wrappers = make_wrappers(adapter)
    for iteration, (runs, keys) in enumerate([(1, 2), (2, 2), (4, 3)]):
        assert int(adapter.iteration) == iteration
        log = adapter.train_step(make_batch(), wrappers)
        assert adapter.segmentor.backbone.runs == runs
        assert len(log) == keys
    assert "loss_memory" in log


@pytest.mark.parametrize("which", ["both", "source"])
def test_the_running_statistics_are_those_of_the_domains_asked_for(which):
    adapter = make_adapter(MEASURES["entropy"], norm_statistics=which)
    network, batch = deepcopy(adapter.segmentor), make_batch()
    log = adapter.train_step(batch, make_wrappers(adapter))
    mean, var = torch.zeros(6), torch.ones(6)
    normalized = {}
    for domain in ("source", "target"):
        maps = network.backbone.first(network.normalize(batch[domain]["image"]))
        rows = maps.detach().transpose(0, 1).flatten(1)
        if domain in {"both": ("source", "target"), "source": ("source",)}[which]:
            mean = 0.9 * mean + 0.1 * rows.mean(dim=1)
            var = 0.9 * var + 0.1 * rows.var(dim=1)
        normalized[domain] = (maps - rows.mean(1).view(-1, 1, 1)) / (
            rows.var(1, correction=0).view(-1, 1, 1) + 1e-5
        ).sqrt()
    norm = adapter.segmentor.backbone.norm
    torch.testing.assert_close(norm.running_mean, mean)
    torch.testing.assert_close(norm.running_var, var)
    assert int(norm.num_batches_tracked) == dict(both=2, source=1)[which]
    assert norm.track_running_stats
    # The target is normalised by its own batch in either case.
    logits = network.head([network.backbone.second(normalized["target"].relu()).relu()])
    log_prob = F.interpolate(logits, SIZE, mode="bilinear").log_softmax(1)
    entropy = -(log_prob.exp() * log_prob).sum(1).mean() / torch.log(torch.tensor(4.0))
    torch.testing.assert_close(log["loss_entropy"], entropy.detach())


def test_mixed_precision_trains_a_game_nearly_alike():
    logs = {}
    for kind in ("OptimWrapper", "AmpOptimWrapper"):
        adapter = make_adapter([output_game(gradient_penalty=0.1), output_game(level="aux")])
        wrappers = make_wrappers(adapter, type=kind)
        logs[kind] = [adapter.train_step(make_batch(seed), wrappers) for seed in range(5)]
    for plain, mixed in zip(*logs.values(), strict=True):
        assert plain.keys() == mixed.keys()
        for name, value in plain.items():
            if "loss" in name:
                assert mixed[name].dtype is torch.float32
                assert mixed[name].item() == pytest.approx(value.item(), rel=0.05), name
    plain, mixed = (log[-1] for log in logs.values())
    assert any(plain[name] != mixed[name] for name in plain)  # or nothing was mixed
