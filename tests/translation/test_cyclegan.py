"""CycleGAN's train step: whose gradients, in which parts, in which precision; what it refuses."""

import copy

import pytest
import torch
from mmengine.logging import MessageHub
from torch import nn
from torch.nn.functional import cross_entropy

from daseg.engine.checkpoint import write_checkpoint
from daseg.engine.optim import OptimizersByNetwork
from daseg.registry import MODELS
from daseg.segmentor import Segmentor, SegOutput
from daseg.translation import CycleGAN
from daseg.translation.semantic import SemanticConsistency
from daseg.utils.errors import CheckpointError, ConfigError

GENERATOR = dict(type="ResNetGenerator", channels=4, blocks=1)
DISCRIMINATOR = dict(type="PatchGANDiscriminator", channels=4)
NETWORKS = ("source_to_target", "target_to_source", "disc_source", "disc_target")
HEAD = dict(type="DeepLabV2Head", in_index=0, branches=1, dilations=(1,))


def make(seed=0, **options) -> CycleGAN:
    torch.manual_seed(seed)
    parts = dict(
        source_to_target=GENERATOR,
        target_to_source=GENERATOR,
        disc_source=DISCRIMINATOR,
        disc_target=DISCRIMINATOR,
    )
    return CycleGAN(**{**parts, "pool_size": 3, **options}).train()


def optimizers(model, optimizer=None, **options):
    cfg = dict(optimizer=optimizer or dict(type="SGD", lr=0.01, momentum=0.9), **options)
    return OptimizersByNetwork(dict(generators=cfg, discriminators=cfg))(model)


def batch(seed=0, count=2):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (2, count, 3, 32, 28), generator=generator).byte()
    return dict(source=dict(image=images[0]), target=dict(image=images[1] // 2))


@pytest.fixture(autouse=True)
def _beginning():
    hub = MessageHub.get_current_instance()
    hub.update_info("seed", 1)
    hub.update_info("iter", 0)


class Backbone(nn.Module):
    """One convolution and a batch norm, which would move if it were trained."""

    out_channels = (6,)

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(6)

    def forward(self, image):
        return (self.norm(self.conv(image)).relu(),)


def segmentor(seed=3) -> Segmentor:
    torch.manual_seed(seed)
    return Segmentor(Backbone(), HEAD, num_classes=4)


def steps(model, wrappers, count=2, batch_size=2):
    logs = []
    for number in range(count):
        MessageHub.get_current_instance().update_info("iter", number)
        logs.append(model.train_step(batch(number, batch_size), wrappers))
    return logs


def test_the_names_and_weights_of_the_losses():
    logs = steps(make(), optimizers(make()), 1)
    terms = ("loss_gan", "loss_cycle", "loss_idt", "loss_disc", "disc_acc_real", "disc_acc_fake")
    each = [f"{term}_{domain}" for term in terms for domain in ("source", "target")]
    assert sorted(logs[0]) == sorted(each)
    assert not any(value.requires_grad for value in logs[0].values())
    other = make(cycle_weight=5.0, identity_weight=2.0, disc_weight=2.0)
    heavier = steps(other, optimizers(make()), 1)[0]
    for domain in ("source", "target"):
        for name, factor in (("gan", 1), ("cycle", 1 / 2), ("idt", 2), ("disc", 4)):
            key = f"loss_{name}_{domain}"
            torch.testing.assert_close(heavier[key], factor * logs[0][key])
    without = steps(make(identity_weight=0), optimizers(make()), 1)[0]
    assert sorted(without) == sorted(key for key in each if "idt" not in key)


def test_without_identity_nothing_is_run_for_it():
    counts = []
    for weight in (0, 0.5):
        model, calls = make(identity_weight=weight), []
        model.source_to_target.register_forward_hook(lambda *_, c=calls: c.append(1))
        steps(model, optimizers(model), 1)
        counts.append(len(calls))
    assert counts == [2, 3]  # there, back; and images that have the look already


def test_each_step_leaves_gradients_in_its_own_networks_alone():
    model, seen = make(), []
    wrappers = optimizers(model)

    def spy(name):
        step = wrappers[name].step

        def look():
            has = [p for p, network in ((n, getattr(model, n)) for n in NETWORKS)
                   if any(q.grad is not None for q in network.parameters())]  # fmt: skip
            seen.append((name, has))
            step()

        wrappers[name].step = look

    spy("generators")
    spy("discriminators")
    steps(model, wrappers, 1)
    assert seen == [
        ("generators", ["source_to_target", "target_to_source"]),
        ("discriminators", ["disc_source", "disc_target"]),
    ]
    assert all(p.grad is None for p in model.parameters())
    assert all(p.requires_grad for p in model.parameters())


def test_the_discriminators_learn_from_what_the_pool_gives():
    """A pool of one image: the second step sees the first one's translation, or the new one's."""
    model = make(pool_size=1)
    shown = []
    model.disc_target.register_forward_hook(lambda net, args, out: shown.append(args[0].clone()))
    fakes = [model.source_to_target(batch(n, 1)["source"]["image"] / 127.5 - 1) for n in range(9)]
    still = optimizers(model, dict(type="SGD", lr=0.0))
    steps(model, still, 9, batch_size=1)
    pooled = shown[2::3]  # the generators' step, a real image, a pooled one
    assert len(pooled) == 9
    torch.testing.assert_close(pooled[0], fakes[0].detach())
    stored, old = 0, 0
    for number in range(1, 9):
        if torch.allclose(pooled[number], fakes[number]):
            continue
        torch.testing.assert_close(pooled[number], fakes[stored].detach())
        stored, old = number, old + 1
    assert 0 < old < 8


@pytest.mark.parametrize("micro_batch", [1, 2, 3, 7])
def test_the_step_in_parts_is_that_of_the_whole_batch(micro_batch):
    whole, parts = make(), make(micro_batch=micro_batch)
    sizes = []
    parts.source_to_target.register_forward_pre_hook(lambda net, a: sizes.append(len(a[0])))
    start = {k: v.clone() for k, v in whole.double().state_dict().items()}
    expected = steps(whole, optimizers(whole), batch_size=5)
    found = steps(parts.double(), optimizers(parts), batch_size=5)
    assert max(sizes) == min(micro_batch, 5)
    for key, value in whole.state_dict().items():
        assert (parts.state_dict()[key] - value).abs().max() < 1e-12, key
        if "pools" not in key and not torch.equal(value, start[key]):
            assert (start[key] - value).abs().max() > 0
    for log, other in zip(expected, found, strict=True):
        for key, value in log.items():
            assert float(other[key]) == pytest.approx(float(value), rel=1e-9, abs=1e-7), key


def test_in_single_precision_parts_differ_by_rounding_alone():
    """Of one step: it grows with each, by how much depends on the CPU's instructions."""
    whole, parts = make(), make(micro_batch=2)
    start = copy.deepcopy(whole.state_dict())
    for model in (whole, parts):
        steps(model, optimizers(model, dict(type="SGD", lr=1e-3)), 1, batch_size=5)
    for key, value in whole.named_parameters():
        step = (value - start[key]).abs().max()
        difference = (parts.get_parameter(key) - value).abs().max()
        assert difference <= 1e-3 * step + 1e-8, key


def test_in_bfloat16_it_learns_the_same_roughly():
    exact, rough = make(), make()
    logs = steps(exact, optimizers(exact), 1)
    ran_in = []
    rough.source_to_target.last.register_forward_hook(lambda *a: ran_in.append(a[2].dtype))
    start = copy.deepcopy(rough.state_dict())
    amp = steps(rough, optimizers(rough, type="AmpOptimWrapper", dtype="bfloat16"), 1)
    assert set(ran_in) == {torch.bfloat16}
    for log, other in zip(logs, amp, strict=True):
        for key, value in log.items():
            if "loss" in key:
                assert float(other[key]) == pytest.approx(float(value), rel=0.05), key
            assert other[key].dtype == torch.float32
    for key, value in rough.state_dict().items():
        assert value.dtype == torch.float32
        moved = not torch.equal(value, start[key])
        assert moved or key.endswith("bias"), key


@pytest.mark.parametrize("count", [1, 2])
def test_layouts_in_memory_make_no_difference(count):
    models = [make(channels_last=last).double() for last in (True, False)]
    for model in models:
        steps(model, optimizers(model), 1, batch_size=count)
    one, other = (model.state_dict() for model in models)
    for key, value in one.items():
        assert (other[key] - value).abs().max() < 1e-12, key
    weight = one["source_to_target.last.weight"]
    assert weight.is_contiguous(memory_format=torch.channels_last)


# Translating


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_translate_takes_and_gives_pixels(dtype):
    model = make()
    image = torch.randint(0, 256, (2, 3, 30, 41)).to(dtype)
    for direction in ("source_to_target", "target_to_source"):
        found = model.translate(image, direction)
        expected = (getattr(model, direction)(image.float() / 127.5 - 1) + 1) * 127.5
        torch.testing.assert_close(found, expected)
        assert not found.requires_grad
        assert found.dtype == torch.float32
        assert 0 <= found.min() < found.max() <= 255
    torch.testing.assert_close(model.translate(image), model.translate(image, "source_to_target"))
    with pytest.raises(ConfigError, match="direction='there' is not one of source_to_target"):
        model.translate(image, "there")


# Semantic consistency


def test_the_segmentor_says_what_a_translation_must_not_change():
    network = segmentor().eval()
    torch.manual_seed(1)
    image, translated = torch.rand(2, 2, 3, 16, 20) * 255
    loss = SemanticConsistency(network)(image, translated)
    label = network(image).logits.argmax(1)
    torch.testing.assert_close(loss, cross_entropy(network(translated).logits, label))
    assert label.unique().numel() > 1


def test_semantic_losses_reach_the_generators_and_never_the_segmentor():
    network = segmentor()
    kept = copy.deepcopy(network.state_dict())
    options = dict(cycle_weight=0, pool_size=0)
    without = make(**options, seed=1)
    model = make(**options, segmentor=network, semantic_weight=2.0, seed=1)
    logs = [steps(m, optimizers(m)) for m in (without, model)]
    assert set(logs[1][0]) - set(logs[0][0]) == {"loss_semantic_source", "loss_semantic_target"}
    for key, value in kept.items():
        assert torch.equal(network.state_dict()[key], value), key
    assert all(p.grad is None and not p.requires_grad for p in network.parameters())
    assert not any(module.training for module in network.modules())
    assert model.training
    for name in NETWORKS[:2]:
        ours, theirs = (getattr(m, name).state_dict()["last.weight"] for m in (model, without))
        assert (ours - theirs).abs().max() > 1e-5

    image = batch(0)["source"]["image"].float()
    fresh = make(**options, seed=1)
    expected = 2 * SemanticConsistency(network)(image, fresh.translate(image))
    torch.testing.assert_close(logs[1][0]["loss_semantic_source"], expected)


def test_only_the_trained_networks_have_an_optimizer():
    model = make(segmentor=segmentor(), semantic_weight=1.0)
    networks = model.trainable_networks()
    assert {k: list(dict(v.named_children())) for k, v in networks.items()} == {
        "generators": ["source_to_target", "target_to_source"],
        "discriminators": ["disc_source", "disc_target"],
    }


def test_the_segmentor_is_loaded_from_a_checkpoint(tmp_path, monkeypatch):
    from daseg.registry import BACKBONES

    monkeypatch.setitem(BACKBONES.module_dict, "OneConvolution", Backbone)
    config = dict(type="Segmentor", backbone=dict(type="OneConvolution"), head=HEAD, num_classes=4)
    trained, path = segmentor(9), tmp_path / "iter_1.pth"
    state = {f"segmentor.{key}": value for key, value in trained.state_dict().items()}
    write_checkpoint(dict(state_dict=state), path)
    model = make(segmentor=config, segmentor_weights=str(path), semantic_weight=1.0)
    for key, value in model.semantic.segmentor.state_dict().items():
        assert torch.equal(value, trained.state_dict()[key]), key
    with pytest.raises(CheckpointError, match="no weights file at gone"):
        make(segmentor=config, segmentor_weights="gone", semantic_weight=1.0)


# What is refused


@pytest.mark.parametrize(("options", "message"), [
    (dict(cycle_weight=-1), "cycle_weight=-1 is negative"),
    (dict(identity_weight=-0.5), "identity_weight=-0.5 is negative"),
    (dict(micro_batch=0), "micro_batch is at least 1, not 0"),
    (dict(pool_size=-2), "size has to be at least 0, not -2"),
    (dict(semantic_weight=1.0), "come together: semantic_weight=1.0, segmentor none"),
    (dict(segmentor=dict(type="Segmentor")), "come together: semantic_weight=0.0, segmentor given"),
    (dict(source_to_target=dict(type="ResNetGenerater")), "did you mean 'ResNetGenerator'"),
])  # fmt: skip
def test_wrong_arguments_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        make(**options)


def test_one_domain_alone_is_refused():
    model = make()
    with pytest.raises(ConfigError, match=r"^CycleGAN looks at the target domain.*PairSampler"):
        model.train_step(batch()["source"], optimizers(model))


def test_it_is_built_from_a_config():
    built = MODELS.build(
        dict(
            type="CycleGAN",
            source_to_target=GENERATOR,
            target_to_source=GENERATOR,
            disc_source=DISCRIMINATOR,
            disc_target=DISCRIMINATOR,
            gan_loss=dict(type="BCEGANLoss"),
        )
    )
    assert type(built.gan_loss).__name__ == "BCEGANLoss"
    assert built.pools["source"].size == 50
    assert isinstance(segmentor()(torch.zeros(1, 3, 8, 8)), SegOutput)
