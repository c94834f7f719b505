"""Training steps of CycleGAN, beside those written from its publication in plain PyTorch."""

import pytest
import torch
from mmengine.logging import MessageHub

import reference_cyclegan as reference
from daseg.compat.cyclegan import NETWORKS, convert_network
from daseg.engine.optim import OptimizersByNetwork
from daseg.translation import CycleGAN
from daseg.utils.seed import derive_seed

STEPS, BATCH, POOL, SEED = 3, 2, 3, 5
LR, CYCLE, IDENTITY = 2e-4, 10.0, 0.5
# Biases in front of an instance norm.
WITHOUT_EFFECT = ("stem.conv.bias", "down.0.conv.bias", "down.1.conv.bias", "up.0.conv.bias")
WITHOUT_EFFECT += ("up.1.conv.bias", "conv1.bias", "conv2.bias")
WITHOUT_EFFECT += ("model.2.bias", "model.5.bias", "model.8.bias")
LOSSES = dict(
    loss_gan_target="G_A",
    loss_gan_source="G_B",
    loss_cycle_source="cycle_A",
    loss_cycle_target="cycle_B",
    loss_idt_target="idt_A",
    loss_idt_source="idt_B",
    loss_disc_target="D_A",
    loss_disc_source="D_B",
)


def batches():
    """Images of a source and a target, of different sizes."""
    generator = torch.Generator().manual_seed(1)
    for _ in range(STEPS):
        source = torch.randint(0, 256, (BATCH, 3, 32, 40), generator=generator).byte()
        target = torch.randint(0, 256, (BATCH, 3, 36, 32), generator=generator).byte() // 2
        yield source, target


def draws(domain: int, place: list[int]):
    """What an `ImagePool` of a domain tosses, image by image."""
    seen = -1
    while True:
        if seen != place[0]:
            seen = place[0]
            generator = torch.Generator().manual_seed(derive_seed(SEED, seen, domain))
        keeps = bool(torch.rand((), generator=generator) < 0.5)
        yield keeps, None if keeps else int(torch.randint(POOL, (), generator=generator))


def make_model() -> CycleGAN:
    torch.manual_seed(0)
    generator = dict(type="ResNetGenerator", channels=4, blocks=2)
    discriminator = dict(type="PatchGANDiscriminator", channels=4)
    model = CycleGAN(generator, generator, discriminator, discriminator, pool_size=POOL)
    for parameter in model.parameters():  # larger than they start, so that more depends on them
        torch.nn.init.normal_(parameter, std=0.1)
    return model.double().train()


def states(nets, model) -> dict[str, torch.Tensor]:
    """The reference's weights under daseg's names."""
    state = {}
    for name, theirs in NETWORKS.items():
        own = getattr(model, name).state_dict()
        state |= convert_network(nets[theirs].state_dict(), name, own)[0]
    return {key: value.clone() for key, value in state.items()}


def make_reference(model: CycleGAN):
    nets = {name: reference.Generator(4, 2) for name in ("G_A", "G_B")}
    nets |= {name: reference.Discriminator(4) for name in ("D_A", "D_B")}
    for name, theirs in NETWORKS.items():
        own = getattr(model, name).state_dict()
        _, report = convert_network(nets[theirs].state_dict(), name, own)
        back = {k: own[new.removeprefix(f"{name}.")] for k, new in report.mapped.items()}
        nets[theirs].double().load_state_dict(back)
    return nets


def train(model: CycleGAN) -> list[dict]:
    adam = dict(optimizer=dict(type="Adam", lr=LR, betas=(0.5, 0.999)))
    wrappers = OptimizersByNetwork(dict(generators=adam, discriminators=adam))(model)
    hub, log = MessageHub.get_current_instance(), []
    hub.update_info("seed", SEED)
    for number, (source, target) in enumerate(batches()):
        hub.update_info("iter", number)
        data = dict(source=dict(image=source), target=dict(image=target))
        log.append(model.train_step(data, wrappers))
    return log


def train_reference(nets, *, pool=POOL, identity=IDENTITY) -> list[dict]:
    place = [0]

    def pairs():
        for number, images in enumerate(batches()):
            place[0] = number
            yield [image.double() / 127.5 - 1 for image in images]

    pools = dict(
        D_A=reference.Pool(pool, draws(1, place)), D_B=reference.Pool(pool, draws(0, place))
    )
    return reference.training(nets, pairs(), pools, LR, CYCLE, identity)


def worst(ours, theirs):
    return max(float((ours[key] - value).abs().max()) for key, value in theirs.items())


def test_three_steps_equal_the_reference():
    """In double precision: in single, Adam makes visible steps of gradients that are rounding."""
    model = make_model()
    nets = make_reference(model)
    start = states(nets, model)
    log, expected = train(model), train_reference(nets)
    wanted = states(nets, model)
    assert worst(model.state_dict(), wanted) < 1e-8
    for key, value in wanted.items():
        moved = float((value - start[key]).abs().max())
        assert moved > LR or key.endswith(WITHOUT_EFFECT), key
    for ours, theirs in zip(log, expected, strict=True):
        for name, other in LOSSES.items():
            assert float(ours[name]) == pytest.approx(theirs[other], rel=1e-5), name


@pytest.mark.parametrize("changes", [dict(pool=100), dict(identity=0.4)])
def test_what_is_left_out_would_show(changes):
    model = make_model()
    nets = make_reference(model)
    train(model)
    train_reference(nets, **changes)
    assert worst(model.state_dict(), states(nets, model)) > 1e-5
