"""The moving average of weights, against its formula and against mmengine's."""

import copy

import pytest
import torch
from mmengine.model import MomentumAnnealingEMA
from torch import nn

from daseg.ops.ema import MovingAverage


def networks(count: int):
    """A network after each of so many changes."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3))
    for _ in range(count):
        with torch.no_grad():
            for tensor in (*network.parameters(), *network.buffers()):
                if tensor.is_floating_point():
                    tensor.add_(torch.randn_like(tensor))
        yield network


def test_early_steps_are_averaged_evenly_and_later_ones_by_the_momentum():
    series = [copy.deepcopy(n) for n in networks(6)]
    average = MovingAverage(series[0], momentum=0.25)
    expected = None
    for step, network in enumerate(series):
        average.update(network)
        weight = network[0].weight.double()
        share = max(0.25, 1 / (1 + step))
        expected = weight if expected is None else (1 - share) * expected + share * weight
        assert torch.allclose(average.module[0].weight.double(), expected, atol=1e-6)
        if step == 2:  # the mean of the first three
            mean = sum(n[0].weight for n in series[:3]) / 3
            assert torch.allclose(average.module[0].weight, mean, atol=1e-6)
    assert int(average.steps) == 6


def test_it_is_mmengines_and_has_the_networks_buffers():
    start = next(networks(1))
    ours = MovingAverage(start, momentum=0.1)
    theirs = MomentumAnnealingEMA(start, momentum=0.1, gamma=1)
    for network in networks(20):
        ours.update(network)
        theirs.update_parameters(network)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    for key, value in theirs.state_dict().items():
        assert torch.allclose(ours.state_dict()[key].float(), value.float(), atol=1e-6), key
    assert torch.equal(ours.module[1].running_mean, network[1].running_mean)


@pytest.mark.cuda
def test_the_device_is_never_waited_for():
    network = next(networks(1)).cuda()
    average = MovingAverage(network, momentum=0.1).cuda()
    assert average.steps.device.type == "cpu"
    torch.cuda.set_sync_debug_mode("error")
    try:
        average.start_from(network)
        average.update(network)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert int(average.steps) == 1


def test_the_steps_stay_on_the_cpu_and_in_the_state(tmp_path):
    network = next(networks(1))
    average = MovingAverage(network, momentum=0.1).to("meta")
    assert average.module[0].weight.is_meta
    assert average.steps.device.type == "cpu"
    first, second = MovingAverage(network, momentum=0.1), MovingAverage(network, momentum=0.1)
    first.update(network)
    second.load_state_dict(first.state_dict())
    assert int(second.steps) == 1
