"""The moving average of weights, against its formula and against mmengine's."""

import copy
import re

import numpy as np
import pytest
import torch
from mmengine.model import MomentumAnnealingEMA
from torch import nn

from daseg.ops.ema import MovingAverage
from published import modern_fixtures


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


@pytest.mark.parametrize("case", modern_fixtures()["small"]["ema"]["cases"], ids=["999", "99"])
def test_from_the_initial_weights_it_is_that_of_daformers_public_code(case):
    """There the update comes before an iteration, here after the one before it."""
    (seed,) = re.findall(r"RandomState\((\d+)\+t\)", case["recipe"])
    network = nn.Linear(4, 3, bias=False).requires_grad_(False)

    def trained(step):
        numbers = np.random.RandomState(int(seed) + step).standard_normal((3, 4))
        network.weight.copy_(torch.from_numpy(numbers.astype("f4")))
        return network

    average = MovingAverage(network, 1 - case["alpha"], start="initial")
    average.start_from(trained(0))
    for step, expected in enumerate(case["teacher"], start=1):
        average.update(trained(step))
        found = average.module.weight.flatten()
        torch.testing.assert_close(found, torch.tensor(expected["weights"]), rtol=1e-5, atol=1e-7)

    network.weight.zero_()
    average = MovingAverage(network, 1 - case["alpha"], start="initial")
    network.weight.fill_(1)
    for step in range(1, 1501):
        average.update(network)
        value = case["student_constant_1_teacher_started_at_0"].get(str(step))
        if value is not None:
            assert average.module.weight[0, 0].item() == pytest.approx(value, rel=1e-5)


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
