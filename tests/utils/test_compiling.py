"""Compiled networks: the same step, the same checkpoint, a clear error without a compiler."""

import copy

import pytest
import torch

from daseg.adaptation import DomainAdapter
from daseg.engine.optim import OptimizersByNetwork
from daseg.segmentor import Segmentor
from daseg.utils import compiling
from daseg.utils.errors import ConfigError


def make_adapter(**settings):
    torch.manual_seed(0)
    segmentor = Segmentor(
        dict(type="ResNet", depth=18), dict(type="DeepLabV2Head", branches=2), num_classes=3
    )
    game = dict(type="OutputAdversarial", discriminator=dict(type="FCDiscriminator", channels=4))
    return DomainAdapter(segmentor, [dict(type="Supervised"), game], **settings).train()


def train(adapter, steps=2):
    rate = dict(optimizer=dict(type="SGD", lr=0.01))
    optimizers = OptimizersByNetwork(dict(segmentor=rate, discriminators=rate))(adapter)
    draw = torch.Generator().manual_seed(1)
    for _ in range(steps):
        image, target = torch.randint(256, (2, 2, 3, 64, 96), generator=draw, dtype=torch.uint8)
        label = torch.randint(3, (2, 64, 96), generator=draw)
        data = dict(source=dict(image=image, label=label), target=dict(image=target))
        losses = adapter.train_step(data, optimizers)
    return losses


def test_without_a_compiler_the_error_comes_when_the_model_is_built(monkeypatch):
    monkeypatch.setattr(compiling.shutil, "which", lambda name: None)
    with pytest.raises(ConfigError, match="need a C\\+\\+ compiler"):
        make_adapter(compiled=True)


def test_networks_are_compiled_and_their_names_stay(monkeypatch):
    monkeypatch.setattr(compiling.shutil, "which", lambda name: name)
    plain, compiled = make_adapter(), make_adapter(compiled=True)
    (game,) = compiled.adversaries
    for network in (compiled.segmentor, game.discriminator):
        assert network._compiled_call_impl is not None
    assert plain.segmentor._compiled_call_impl is None
    assert compiled.state_dict().keys() == plain.state_dict().keys()


def test_a_gradient_of_a_gradient_is_not_compiled(monkeypatch):
    monkeypatch.setattr(compiling.shutil, "which", lambda name: name)
    segmentor = make_adapter().segmentor
    disc = dict(type="FCDiscriminator", channels=4)
    game = dict(type="OutputAdversarial", discriminator=disc, gradient_penalty=0.01)
    adapter = DomainAdapter(segmentor, [dict(type="Supervised"), game], compiled=True)
    assert adapter.adversaries[0].discriminator._compiled_call_impl is None


@pytest.mark.slow
@pytest.mark.skipif(
    not any(map(compiling.shutil.which, compiling.COMPILERS)), reason="needs a C++ compiler"
)
def test_compiled_steps_are_those_of_the_plain_networks():
    """In double precision, where rounding does not grow to what could be an error."""
    plain, compiled = make_adapter().double(), make_adapter(compiled=True).double()
    start = copy.deepcopy(plain.state_dict())
    losses = train(plain)
    found = train(compiled)
    assert found.keys() == losses.keys()
    for name, value in losses.items():
        torch.testing.assert_close(found[name], value, rtol=1e-8, atol=1e-8)
    after = compiled.state_dict()
    moved = [name for name, value in after.items() if not torch.equal(value, start[name])]
    assert len(moved) > 100
    for name, value in plain.state_dict().items():
        if value.is_floating_point():
            worst = float((after[name] - value).abs().max())
            assert worst < 1e-8, (name, worst)
    plain.load_state_dict(after)  # either one's checkpoint is the other's
    compiled.load_state_dict(start)
