"""Train steps on a GPU: equal to the CPU's, in 16 bits, and without waiting for the device."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.logging import MessageHub

from daseg.adaptation import DomainAdapter
from daseg.config.load import load_config
from daseg.engine.optim import OptimizersByNetwork
from daseg.registry import MODELS

pytestmark = pytest.mark.cuda
CLASSES = 3
UNSUPERVISED = """
model['objectives'] = [
    dict(type='Supervised', aux_weight=0.1), dict(type='EntropyMinimization', weight=0.1),
    dict(type='MaxSquare', weight=0.1, balance=0.2)]
optim_wrapper.pop('discriminators')
"""
MIXING = """
model['objectives'] = [
    dict(type='Supervised', aux_weight=0.1), dict(type='ClassMix', confidence=0.4)]
model['teacher_momentum'] = 0.01
optim_wrapper.pop('discriminators')
"""
NETWORKS = {
    "adversarial": "",
    "entropy": UNSUPERVISED,
    "mixing": MIXING,
    "pyramid": "model['segmentor']['head'] = dict(type='UPerHead', channels=8, norm='gn')\n",
    "micro-batches": "model['micro_batch'] = 1\n",
}
CYCLE = dict(
    type="CycleGAN",
    source_to_target=dict(type="ResNetGenerator", channels=8, blocks=1),
    target_to_source=dict(type="ResNetGenerator", channels=8, blocks=1),
    disc_source=dict(type="PatchGANDiscriminator", channels=8),
    disc_target=dict(type="PatchGANDiscriminator", channels=8),
    pool_size=3,
)


def make(model: dict[str, Any], device: str, wrapper: dict[str, Any]) -> tuple[Any, Any]:
    """A model and its optimizers; the same weights on every device."""
    torch.manual_seed(0)
    hub = MessageHub.get_current_instance()  # of CycleGAN's pools
    hub.update_info("iter", 5)
    hub.update_info("seed", 1)
    built = MODELS.build(model).to(device).train()
    if isinstance(built, DomainAdapter):
        built.iteration.fill_(5)  # where every objective has begun
        assert built.iteration.device.type == "cpu"
    return built, OptimizersByNetwork(wrapper)(built)


def batch() -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (2, 2, 3, 48, 64), generator=generator).byte().pin_memory()
    label = torch.randint(0, CLASSES, (2, 6, 8), generator=generator)
    label = label.repeat_interleave(8, 1).repeat_interleave(8, 2)
    label[:, :8] = 255
    return dict(
        source=dict(image=images[0], label=label.pin_memory()), target=dict(image=images[1])
    )


def start(model: Any) -> dict[str, torch.Tensor]:
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}


@pytest.fixture(params=NETWORKS)
def parts(request: pytest.FixtureRequest, two_domain_config: Callable[..., Path]) -> Any:
    """The model of a config, and its optimizers."""
    cfg = load_config(two_domain_config(NETWORKS[request.param]))
    wrapper = {name: own for name, own in cfg.optim_wrapper.items() if name != "constructor"}
    return cfg.model, wrapper


@pytest.fixture
def exact() -> Iterator[None]:
    """Without TensorFloat-32, whose products have 10 bits."""
    switches = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [switch.allow_tf32 for switch in switches]
    for switch in switches:
        switch.allow_tf32 = False
    yield
    for switch, was in zip(switches, before, strict=True):
        switch.allow_tf32 = was


@pytest.mark.usefixtures("exact")
def test_a_step_equals_that_of_the_cpu(parts):
    """Losses to 1e-4 of themselves, weights to 1e-2 of the step: it is a sum of gradients."""
    found = []
    for device in ("cpu", "cuda"):
        model, optimizers = make(parts[0], device, parts[1])
        before = start(model)
        log = model.train_step(batch(), optimizers)
        found.append((before, start(model), {k: float(v) for k, v in log.items()}))
    (before, cpu, cpu_log), (_, cuda, cuda_log) = found
    assert cpu_log == pytest.approx(cuda_log, rel=1e-4, abs=1e-6)
    for name, value in cpu.items():
        step = (value.double() - before[name].double()).abs().max()
        difference = (cuda[name].double() - value.double()).abs().max()
        assert difference <= 1e-2 * step + 1e-6, name
    moved = [n for n, v in cpu.items() if v.is_floating_point() and not torch.equal(v, before[n])]
    assert any("segmentor" in name for name in moved)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_in_16_bits_every_network_learns(parts, dtype):
    """With float16 the first steps are left out, until the scale of the loss fits."""
    amp = {k: {**own, "type": "AmpOptimWrapper", "dtype": dtype} for k, own in parts[1].items()}
    model, optimizers = make(parts[0], "cuda", amp)
    full, full_optimizers = make(parts[0], "cuda", parts[1])
    expected = full.train_step(batch(), full_optimizers)
    before = start(model)
    logs = [model.train_step(batch(), optimizers) for _ in range(20)]
    assert all(torch.isfinite(value) for log in logs for value in log.values())
    for name, value in expected.items():
        if "loss" in name:
            assert float(logs[0][name]) == pytest.approx(float(value), rel=0.1, abs=0.02), name
    after = start(model)
    assert all(
        bool(value.isfinite().all()) for value in after.values() if value.is_floating_point()
    )
    for network in model.trainable_networks():
        part = "objectives" if network == "discriminators" else network
        keys = [k for k in before if k.startswith(part) and k.endswith("weight")]
        assert keys
        assert any(not torch.equal(before[k], after[k]) for k in keys), network


def test_nothing_in_a_step_waits_for_the_device(parts):
    model, optimizers = make(parts[0], "cuda", parts[1])
    for _ in range(2):  # the first steps allocate, and choose the convolutions
        model.train_step(batch(), optimizers)
    data = batch()
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        model.train_step(data, optimizers)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("dtype", [None, "bfloat16", "float16"])
def test_cyclegan(dtype):
    """Every network moves, in 16 bits too, and a step does not wait for the device."""
    own: dict[str, Any] = dict(optimizer=dict(type="SGD", lr=0.01, momentum=0.9))
    if dtype is not None:
        own |= dict(type="AmpOptimWrapper", dtype=dtype)
    model, optimizers = make(CYCLE, "cuda", dict(generators=own, discriminators=own))
    before = start(model)
    logs = [model.train_step(batch(), optimizers) for _ in range(20)]
    assert all(torch.isfinite(value) for log in logs for value in log.values())
    after = start(model)
    for name in ("source_to_target", "target_to_source", "disc_source", "disc_target"):
        keys = [key for key in before if key.startswith(name) and key.endswith("weight")]
        assert any(not torch.equal(before[k], after[k]) for k in keys), name
    torch.cuda.set_sync_debug_mode("error")
    try:
        model.train_step(batch(), optimizers)
    finally:
        torch.cuda.set_sync_debug_mode("default")
