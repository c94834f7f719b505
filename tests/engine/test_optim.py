"""Optimizers by network: groups, mixed precision, clipping."""

import pytest
import torch
from mmengine.optim import OptimWrapper
from torch import nn

from daseg.engine import optim
from daseg.engine.optim import AmpOptimWrapper, OptimizersByNetwork, build_optimizer
from daseg.engine.param_groups import parameter_groups
from daseg.utils.errors import ConfigError


class Toy(nn.Module):
    """A network of the usual names."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.ModuleDict(
            {"layer1": nn.Conv2d(3, 4, 1), "layer4": nn.Conv2d(4, 4, 1), "bn": nn.BatchNorm2d(4)}
        )
        self.head = nn.Conv2d(4, 2, 1)
        self.headroom = nn.Conv2d(1, 1, 1)  # its name starts like the head's

    def trainable_networks(self):
        return {"segmentor": self}


def by_parameter(network, groups):
    """(lr, weight_decay) of each parameter by name; each must be in exactly one group."""
    found = {}
    for group in groups:
        for p in group["params"]:
            name = next(n for n, q in network.named_parameters() if q is p)
            assert name not in found
            found[name] = (group["lr"], group["weight_decay"])
    return found


def test_groups_by_hand_the_longest_prefix_wins():
    network = Toy()
    network.backbone["layer1"].bias.requires_grad_(False)
    lr_mult = {"backbone": 0.5, "backbone.layer4": 2, "head": 10}
    groups = parameter_groups(
        network, lr=0.1, weight_decay=0.01, lr_mult=lr_mult, no_norm_decay=True
    )
    assert by_parameter(network, groups) == {
        "backbone.layer1.weight": (0.05, 0.01),
        "backbone.layer4.weight": (0.2, 0.01),
        "backbone.layer4.bias": (0.2, 0.0),
        "backbone.bn.weight": (0.05, 0.0),
        "backbone.bn.bias": (0.05, 0.0),
        "head.weight": (1.0, 0.01),
        "head.bias": (1.0, 0.0),
        "headroom.weight": (0.1, 0.01),
        "headroom.bias": (0.1, 0.0),
    }
    assert groups[0]["lr"] == 0.1  # the log shows the first group's


def test_without_settings_there_is_one_group():
    groups = parameter_groups(Toy(), lr=0.1, weight_decay=0.01)
    assert len(groups) == 1
    assert len(groups[0]["params"]) == len(list(Toy().parameters()))


def test_a_misspelt_child_is_named():
    with pytest.raises(ConfigError, match=r"lr_mult names 'haed'.*did you mean 'head"):
        parameter_groups(Toy(), lr=0.1, lr_mult={"haed": 10})


def test_networks_and_settings_must_agree():
    cfg = dict(segmentr=dict(optimizer=dict(type="SGD", lr=0.1)))
    with pytest.raises(ConfigError, match=r"settings for \['segmentr'\].*are \['segmentor'\]"):
        OptimizersByNetwork(cfg)(Toy())
    with pytest.raises(ConfigError, match=r"paramwise_cfg is not used: give .* lr_mult"):
        OptimizersByNetwork(cfg, paramwise_cfg=dict(custom_keys={}))


def test_accumulation_is_refused_not_ignored():
    with pytest.raises(ConfigError, match="accumulative_counts has no effect"):
        build_optimizer(Toy(), dict(optimizer=dict(type="SGD", lr=1), accumulative_counts=2))


def one_step(wrapper_cfg, seed=0):
    """A step of SGD at rate 1 on a small regression; returns (weights before - after, dtype)."""
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1))
    before = [p.detach().clone() for p in network.parameters()]
    wrapper = build_optimizer(network, dict(optimizer=dict(type="SGD", lr=1.0), **wrapper_cfg))
    with wrapper.optim_context(network):
        output = network(torch.randn(16, 8))
    wrapper.backward(output.float().square().mean())
    wrapper.step()
    moved = [b - p.detach() for b, p in zip(before, network.parameters(), strict=True)]
    return torch.cat([m.flatten() for m in moved]), output.dtype


def test_mixed_precision_on_a_cpu_is_on_and_steps_alike():
    plain, plain_type = one_step({})
    mixed, mixed_type = one_step(dict(type="AmpOptimWrapper"))
    assert (plain_type, mixed_type) == (torch.float32, torch.bfloat16)
    assert 0 < float((mixed - plain).norm()) < 0.03 * float(plain.norm())


class Watch(torch.autograd.Function):
    """Pass on what comes; remember whether mixed precision was on when the gradient came."""

    @staticmethod
    def forward(ctx, value):
        Watch.forwards = torch.is_autocast_enabled("cpu")
        return value.clone()

    @staticmethod
    def backward(ctx, gradient):
        Watch.backwards = torch.is_autocast_enabled("cpu")
        return gradient


def test_gradients_are_computed_outside_of_mixed_precision():
    """Of a gradient penalty CUDA would else convolve them in 16 bits."""
    network = nn.Linear(2, 1)
    wrapper = build_optimizer(
        network, dict(type="AmpOptimWrapper", optimizer=dict(type="SGD", lr=1.0))
    )
    with wrapper.optim_context(network):
        wrapper.backward(Watch.apply(network(torch.ones(1, 2)).float()).sum())
    assert Watch.forwards
    assert not Watch.backwards


@pytest.mark.parametrize("kind", ["OptimWrapper", "AmpOptimWrapper"])
def test_gradients_are_clipped_to_the_norm(kind):
    free, _ = one_step(dict(type=kind))
    assert float(free.norm()) > 0.05
    clipped, _ = one_step(dict(type=kind, clip_grad=dict(max_norm=0.05)))
    assert float(clipped.norm()) == pytest.approx(0.05, rel=1e-3)
    torch.testing.assert_close(clipped / clipped.norm(), free / free.norm(), atol=1e-4, rtol=1e-3)


def test_an_optimizer_keeps_its_own_default_decay():
    network = torch.nn.Linear(2, 2)
    wrapper = build_optimizer(network, dict(optimizer=dict(type="AdamW", lr=1e-3)))
    assert [g["weight_decay"] for g in wrapper.param_groups[:1]] == [0.01]  # torch's default
    wrapper = build_optimizer(
        network, dict(optimizer=dict(type="AdamW", lr=1e-3), no_norm_decay=True)
    )
    assert sorted(g["weight_decay"] for g in wrapper.optimizer.param_groups) == [0.0, 0.01]


def test_float16_needs_cuda():
    with pytest.raises(
        ConfigError, match="float16 needs a CUDA device; use dtype='bfloat16' on the c"
    ):
        build_optimizer(
            nn.Linear(1, 1),
            dict(type="AmpOptimWrapper", dtype="float16", optimizer=dict(type="SGD", lr=1)),
        )


def test_other_precisions_are_refused():
    with pytest.raises(ConfigError, match="dtype is 'bfloat16' or 'float16', not 'int8'"):
        AmpOptimWrapper("int8", optimizer=torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1))


def test_the_loss_scale_is_part_of_the_state():
    """A float16 scaler, as on CUDA, put into a wrapper on the CPU."""

    def wrapper(scale):
        made = AmpOptimWrapper(optimizer=torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1))
        made.scaler = torch.amp.GradScaler("cpu", init_scale=scale)
        made.scaler.scale(torch.ones(1))  # its tensors are made at the first use
        return made

    source, copy = wrapper(8.0), wrapper(2.0)
    state = source.state_dict()
    copy.load_state_dict(state)
    assert copy.scaler.get_scale() == 8.0
    assert "loss_scaler" in state  # loading takes nothing out of the state it was given
    source.scaler = torch.amp.GradScaler("cpu", enabled=False)  # of a bfloat16 run
    copy.load_state_dict(source.state_dict())
    assert copy.scaler.get_scale() == 8.0
    OptimWrapper(copy.optimizer).load_state_dict({k: state[k] for k in ("state", "param_groups")})


@pytest.mark.parametrize(("units", "warned"), [(False, 1), (True, 0)])
def test_mixed_precision_without_units_for_it_is_said_to_be_slow(monkeypatch, units, warned):
    said = []
    monkeypatch.setattr(optim, "has_bfloat16_units", lambda: units)
    monkeypatch.setattr(optim, "print_log", lambda text, **_: said.append(text))
    sgd = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    optim.AmpOptimWrapper(optimizer=sgd)
    assert len(said) == warned


@pytest.mark.parametrize("found", [dict(avx512_bf16=True), dict(amx_bf16=True), dict()])
def test_units_are_those_that_the_cpu_has(monkeypatch, found):
    all_of_them = dict(architecture="x86_64", avx512_bf16=False, amx_bf16=False) | found
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: all_of_them)
    assert optim.has_bfloat16_units() is bool(found)
