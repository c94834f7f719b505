"""The train steps that are compared: settings, images, and losses worked out from small parts."""

from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from daseg.benchmarks import training, training_peers
from daseg.benchmarks.compare import Settings
from daseg.config.load import load_config
from daseg.registry import MODELS
from daseg.utils.errors import ConfigError

SIZE = (24, 20)  # width and height


class TwoHeads(nn.Module):
    """A deep and a shallow answer, as the peers' networks give: the auxiliary one first."""

    def __init__(self, num_classes=19, **_):
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(3, num_classes, 3, 4, 1) for _ in range(2))
        for layer in self.layers:
            nn.init.normal_(layer.weight, std=1e-3)

    def forward(self, image):
        return [layer(image) for layer in self.layers]

    def optim_parameters(self, rates):
        return [dict(params=self.parameters(), lr=rates.learning_rate)]


class CrossEntropy(nn.Module):
    def forward(self, logits, label):
        return F.cross_entropy(logits, label, ignore_index=255)


@pytest.fixture
def modules(monkeypatch):
    """Modules of a peer by their names, in the place of its folder."""
    found = {
        "model.deeplab_multi": SimpleNamespace(DeeplabMulti=TwoHeads),
        "model.discriminator": SimpleNamespace(
            FCDiscriminator=lambda classes: nn.Conv2d(classes, 1, 3, 2)
        ),
        "utils.loss": SimpleNamespace(CrossEntropy2d=CrossEntropy),
    }
    monkeypatch.setattr(training_peers, "peer_module", lambda path, name: found[name])
    return found


def test_methods_with_their_sizes_and_targets():
    every = training.compare(Settings())
    assert [(each.name, each.target, each.memory_target) for each in every] == [
        ("train step of adaptsegnet, 640x360, batch 1, float32", 0.8, 0.75),
        ("train step of seg-uncertainty, 640x360, batch 2, float32", 0.8, None),
        ("train step of cyclegan, 256x256, batch 1, float32", 0.8, None),
    ]
    assert [each.peer for each in every] == [None] * 3
    peers = {"pytorch-CycleGAN": "somewhere"}
    settings = Settings(peers=peers, inputs=("cyclegan",), size=SIZE, batch=3, amp=True)
    (one,) = training.compare(settings)
    assert one.name == "train step of cyclegan, 24x20, batch 3, bfloat16 beside float32"
    assert (one.target, one.memory_target) == (0.45, None)
    work = dict(size=SIZE, batch=3, device="cpu")
    assert one.peer.arguments == dict(work, path="somewhere")
    assert {k: one.ours.arguments[k] for k in work} == work
    with pytest.raises(ConfigError, match=r"no method 'cyclegna'; did you mean 'cyclegan'\?"):
        training.compare(Settings(inputs=("cyclegna",)))


def test_both_sides_see_the_same_images():
    source, label, target = training_peers.images(SIZE, 2)
    assert (source.shape, source.dtype, label.shape) == ((2, 3, 20, 24), torch.uint8, (2, 20, 24))
    assert (label[:, 0] == 255).all()
    assert sorted(label[:, 1:].unique().tolist()) == list(range(19))
    assert not torch.equal(source, target)
    theirs = training_peers._images(SIZE, 2, torch.device("cpu"))
    for image, seen in ((source, theirs[0]), (target, theirs[2])):
        blue = image.numpy().astype(np.float32)[:, 2] - 104.00698793
        assert np.allclose(seen[:, 0].numpy(), blue, atol=1e-4)
    assert torch.equal(theirs[1].long(), label.long())


@pytest.mark.parametrize("amp", [False, True])
def test_our_step_is_that_of_the_config(gan_config, monkeypatch, amp):
    monkeypatch.setattr(training_peers, "CLASSES", 3)
    path = str(gan_config())
    run = training._ours(path, (32, 32), 2, "cpu", amp, {})
    first, second = run(), run()
    model = MODELS.build(load_config(path).model)
    count = sum(p.numel() for n in model.trainable_networks().values() for p in n.parameters())
    assert first["million parameters"] == second["million parameters"] == count / 1e6
    assert second["loss_seg"] < first["loss_seg"]  # the same batch again
    assert all(type(value) is float for value in first.values())


def judged(disc, logits, answer):
    found = disc(logits.softmax(1))
    return F.softplus(-found if answer else found).mean()


def test_adaptsegnets_step_is_worked_out_again(modules, monkeypatch):
    """Its source is fake (0) and its target real (1); the order of its gradients does not count."""
    made = []
    for name, key in (("model.deeplab_multi", "DeeplabMulti"), ("model.discriminator", None)):
        key = key or "FCDiscriminator"
        make = getattr(modules[name], key)
        monkeypatch.setattr(modules[name], key, lambda *a, m=make: made.append(m(*a)) or made[-1])
    torch.manual_seed(0)
    run = training_peers.adaptsegnet("", SIZE, 2, "cpu")
    network, *discs = made
    before = [{k: v.clone() for k, v in n.state_dict().items()} for n in made]
    values = run()
    after = [{k: v.clone() for k, v in n.state_dict().items()} for n in made]
    for net, state in zip(made, before, strict=True):
        net.load_state_dict(state)
        net.zero_grad()

    source, label, target = training_peers._images(SIZE, 2, torch.device("cpu"))
    grow = dict(size=SIZE[::-1], mode="bilinear", align_corners=True)
    of_source, of_target = (
        [F.interpolate(logits, **grow) for logits in network(image)] for image in (source, target)
    )
    log = [-F.log_softmax(logits, 1) for logits in of_source]
    known = label != 255
    index = label.long().where(known, torch.zeros(()).long())[:, None]
    aux, main = (each.gather(1, index)[:, 0][known].mean() for each in log)
    fooled = [judged(d, logits, 0) for d, logits in zip(discs, of_target, strict=True)]
    for key, loss in dict(
        loss_seg=main, loss_seg_aux=aux, loss_adv_aux=fooled[0], loss_adv=fooled[1]
    ).items():
        assert values[key] == pytest.approx(float(loss), rel=1e-4)
    (main + 0.1 * aux + 0.0002 * fooled[0] + 0.001 * fooled[1]).backward()
    for name, weight in network.named_parameters():  # the first step of SGD with momentum
        moved = before[0][name] - 2.5e-4 * (weight.grad + 5e-4 * before[0][name])
        assert torch.allclose(after[0][name], moved, rtol=1e-4, atol=1e-8)

    for disc, state, found, maps in zip(
        discs, before[1:], after[1:], zip(of_source, of_target, strict=True), strict=True
    ):
        disc.zero_grad()
        sum(judged(disc, m.detach(), answer) / 2 for answer, m in enumerate(maps)).backward()
        for name, weight in disc.named_parameters():  # Adam's first step: the rate, by the sign
            sure = weight.grad.abs() > 1e-6
            moved = state[name] - 1e-4 * weight.grad.sign()
            assert sure.any()
            assert torch.allclose(found[name][sure], moved[sure], atol=2e-6)
    count = sum(p.numel() for n in made for p in n.parameters())
    assert values["million parameters"] == count / 1e6


def test_the_driver_of_cyclegan(modules):
    seen = []

    class Model:
        def __init__(self, options):
            self.options = options
            for number, name in enumerate(("netG_A", "netG_B", "netD_A", "netD_B")):
                setattr(self, name, nn.Linear(2 + number, 1, bias=False))

        def set_input(self, pair):
            seen.append(pair)

        def optimize_parameters(self):
            seen.append("step")

        def get_current_losses(self):
            return dict(G_A=torch.tensor(2.5), D_A=1)

    modules["models.cycle_gan_model"] = SimpleNamespace(CycleGANModel=Model)
    values = training_peers.cyclegan("", SIZE, 2, "cpu")()
    assert values == {"G_A": 2.5, "D_A": 1.0, "million parameters": (2 + 3 + 4 + 5) / 1e6}
    pair, step = seen
    assert step == "step"
    source, _, target = training_peers.images(SIZE, 2)
    for key, image in (("A", source), ("B", target)):
        assert torch.allclose(pair[key], image.flip(1) / 127.5 - 1, atol=1e-6)


def test_the_driver_of_seg_uncertainty(modules):
    seen = []

    class Trainer(nn.Module):
        def __init__(self, args):
            super().__init__()
            self.G, self.D1, self.D2 = TwoHeads(), nn.Linear(2, 1), nn.Linear(3, 1)
            self.G.load_state_dict(torch.load(args.restore_from))
            assert args.crop_size == (20, 24)

        def gen_update(self, *given):
            seen.append([each.cuda() if torch.is_tensor(each) else each for each in given])
            return [torch.tensor(float(number)) for number in range(10)]

        def dis_update(self, *maps):
            return float(maps[0]), float(maps[-1])

    modules["trainer_ms"] = SimpleNamespace(AD_Trainer=Trainer)
    try:
        values = training_peers.seg_uncertainty("", SIZE, 1, "cpu")()
    finally:
        patch.stopall()  # of what asks for a GPU
    assert values.pop("million parameters") == (2 * (3 * 9 + 1) * 19 + 3 + 4) / 1e6
    assert values == dict(loss_seg_aux=0, loss_seg=1, loss_disc_aux=6, loss_disc=9)
    source, target, label, unlabelled, iteration = seen[0]
    assert (source.shape, target.shape, iteration) == ((1, 3, 20, 24), (1, 3, 20, 24), 0)
    assert label.dtype == torch.int64
    assert (unlabelled == 255).all()
