"""Weights that an optimizer is given several times, as AdaptSegNet's is."""

import pytest
import torch
from torch import nn

from daseg.backbones import ResNet
from daseg.engine.duplicates import RepeatedSGD, times_listed
from daseg.engine.optim import build_optimizer
from daseg.utils.errors import ConfigError


class Network(nn.Module):
    def __init__(self, backbone):
        super().__init__()
        self.backbone, self.head = backbone, nn.Conv2d(1, 1, 1)


def three_steps(make, weight_decay=0.0):
    """A weight of 1 whose gradient is always 1, after three steps at rate 0.1, momentum 0.9."""
    weight = nn.Parameter(torch.ones((), dtype=torch.float64))
    optimizer = make([weight], lr=0.1, momentum=0.9, weight_decay=weight_decay)
    for _ in range(3):
        weight.grad = torch.ones_like(weight)
        optimizer.step()
    return weight.item()


def repeated(times):
    return lambda weights, **settings: RepeatedSGD(
        [dict(params=weights, repeats=times)], **settings
    )


def by_hand(times, weight_decay):
    """The loop of PyTorch 0.4 in plain numbers: the decay goes into the stored gradient."""
    weight, momentum = 1.0, 0.0
    for _ in range(3):
        gradient = 1.0
        for _ in range(times):
            gradient += weight_decay * weight
            momentum = 0.9 * momentum + gradient
            weight -= 0.1 * momentum
    return weight


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("times", [1, 3, 4])
def test_repeats_by_hand(times, decay):
    assert three_steps(repeated(times), decay) == pytest.approx(by_hand(times, decay), abs=1e-12)


def test_known_numbers():
    """Nine updates in a row of momentum 0.9: 1 - (1-0.9^1) - ... - (1-0.9^9)."""
    assert three_steps(repeated(1)) == pytest.approx(0.439)
    assert three_steps(repeated(3)) == pytest.approx(1 - sum(1 - 0.9**n for n in range(1, 10)))
    assert three_steps(repeated(1), 5e-4) == pytest.approx(0.4387, abs=5e-5)
    assert three_steps(repeated(3), 5e-4) == pytest.approx(-2.4881, abs=5e-5)


@pytest.mark.filterwarnings("ignore:optimizer contains a parameter group with duplicate")
def test_a_weight_listed_several_times_today_lacks_the_first_momentum():
    """Today's loop makes the momentum of each listing anew in the first step, and keeps the last.

    With a momentum of zero to begin with it is the loop of 2018 again, but for the weight decay.
    """

    def today(weights, **settings):
        return torch.optim.SGD(3 * weights, foreach=False, **settings)

    def seeded(weights, **settings):
        optimizer = today(weights, **settings)
        optimizer.state[weights[0]]["momentum_buffer"] = torch.zeros_like(weights[0])
        return optimizer

    assert three_steps(today, 5e-4) == pytest.approx(-1.5052, abs=5e-5)
    assert three_steps(seeded) == pytest.approx(three_steps(repeated(3)), abs=1e-12)


def test_the_published_list_of_weights():
    """104 weights of the ResNet-101 in 314 entries; the affine ones are not trained."""
    with torch.device("meta"):
        network = Network(ResNet(101, style="caffe", output_stride=8, frozen_affine=True))
    times = {n: times_listed(n) for n, p in network.named_parameters() if p.requires_grad}
    assert {n for n, t in times.items() if t == 4} == {
        f"backbone.layer{n}.0.downsample.0.weight" for n in (1, 2, 3, 4)
    }
    backbone = [t for n, t in times.items() if n.startswith("backbone.")]
    assert (len(backbone), sum(backbone)) == (104, 314)
    assert times["backbone.conv1.weight"] == times["head.weight"] == 1


def test_groups_state_how_often_and_survive_a_checkpoint():
    network = Network(ResNet(18))
    settings = dict(
        optimizer=dict(type="SGD", lr=0.1), lr_mult=dict(head=10), emulate_duplicate_groups=True
    )
    wrapper = build_optimizer(network, settings)
    found = {(g["lr"], g["repeats"]) for g in wrapper.optimizer.param_groups}
    assert found == {(0.1, 1), (0.1, 3), (0.1, 4), (1.0, 1)}
    other = build_optimizer(network, settings)
    other.load_state_dict(wrapper.state_dict())
    assert {(g["lr"], g["repeats"]) for g in other.optimizer.param_groups} == found
    groups = list(wrapper.optimizer.param_groups)
    wrapper.step()
    assert wrapper.optimizer.param_groups == groups


def test_a_closure_is_evaluated_once_with_gradients():
    weight = nn.Parameter(torch.tensor(3.0))
    optimizer = RepeatedSGD([dict(params=[weight], repeats=2)], lr=0.1)
    losses = []

    def closure():
        optimizer.zero_grad()
        losses.append(weight.square())
        losses[-1].backward()
        return losses[-1]

    assert optimizer.step(closure) is losses[0]
    assert len(losses) == 1
    assert weight.item() == pytest.approx(3.0 - 2 * 0.1 * 6.0)


def test_only_sgd_is_emulated():
    settings = dict(optimizer=dict(type="Adam", lr=0.1), emulate_duplicate_groups=True)
    with pytest.raises(ConfigError, match="emulate_duplicate_groups is made for SGD alone"):
        build_optimizer(nn.Linear(1, 1), settings)
