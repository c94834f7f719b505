import pytest
import torch
from torch import nn

from daseg.ops.norm import InstanceNorm, freeze_affine, freeze_statistics, make_norm
from daseg.utils.errors import ConfigError


@pytest.mark.parametrize(
    ("channels", "groups"), [(512, 32), (256, 32), (64, 8), (48, 4), (304, 16), (16, 2), (19, 1)]
)
def test_groups_are_of_eight_channels_or_more(channels: int, groups: int) -> None:
    norm = make_norm("gn", channels)
    assert isinstance(norm, nn.GroupNorm)
    assert norm.num_groups == groups
    norm(torch.randn(1, channels, 4, 4))


@pytest.mark.parametrize("name", ["bn", "in", "gn"])
def test_every_norm_has_a_scale_and_shift_that_freeze(name: str) -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 1), make_norm(name, 8))
    freeze_affine(network)
    trained = {key for key, p in network.named_parameters() if p.requires_grad}
    assert trained == {"0.weight", "0.bias"}


def test_frozen_statistics_stay_until_training_is_set_again() -> None:
    network = nn.Sequential(nn.Sequential(make_norm("bn", 8)), nn.Dropout()).train()
    freeze_statistics(network)
    assert not network[0][0].training
    assert network[1].training


def test_unknown_norm() -> None:
    with pytest.raises(ConfigError, match="norm='bm' is not known; choose 'bn', 'gn' or 'in'"):
        make_norm("bm", 8)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_instance_norm_and_its_gradient_in_every_layout(count, layout):
    torch.manual_seed(0)
    x = torch.randn(count, 6, 5, 4, dtype=torch.float64)
    gradient = torch.randn_like(x)
    norm = InstanceNorm(6).double()

    def by_hand(x):
        mean, var = x.mean((2, 3), keepdim=True), x.var((2, 3), keepdim=True, correction=0)
        return (x - mean) / (var + 1e-5).sqrt()

    results = []
    for function in (norm, by_hand):
        given = x.clone().contiguous(memory_format=layout).requires_grad_()
        out = function(given)
        (back,) = torch.autograd.grad(out, given, gradient.contiguous(memory_format=layout))
        results.append((out, back))
    torch.testing.assert_close(results[0], results[1])
    assert not list(norm.parameters())
    assert len(list(make_norm("in", 6).parameters())) == 2
