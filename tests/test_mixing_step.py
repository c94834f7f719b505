"""A training step with ClassMix, beside one written from DACS' publication in plain PyTorch."""

import copy

import pytest
import torch
from torch import nn

import reference_dacs as reference
from daseg.adaptation import DomainAdapter
from daseg.engine.optim import OptimizersByNetwork
from daseg.objectives import ClassMix, Objective, mixing
from daseg.ops.norm import freeze_statistics
from daseg.segmentor import Segmentor
from daseg.utils.errors import ConfigError
from daseg.utils.seed import seed_everything

SIZE, STEPS = (12, 17), 5
MIX = dict(type="ClassMix", confidence=reference.SURE, aux_weight=reference.AUX)
PLAIN = dict(jitter_prob=0.0, blur_prob=0.0)


class Backbone(nn.Module):
    """The reference's layers below its classifiers; counts its runs and their images."""

    out_channels = (6, 8)

    def __init__(self, net):
        super().__init__()
        self.first, self.norm, self.second = net.first, net.norm, net.second
        self.seen = []

    def forward(self, image):
        self.seen.append(len(image))
        x = self.norm(self.first(image)).relu()
        return x, self.second(x).relu()


class Head(nn.Module):
    def __init__(self, conv, index):
        super().__init__()
        self.conv, self.index = conv, index

    def forward(self, features):
        return self.conv(features[self.index])


def make_adapter(mix=MIX | PLAIN, momentum=1 - reference.ALPHA, **settings):
    torch.manual_seed(0)
    net = reference.Net()
    with torch.no_grad():
        net.main.weight.mul_(12)  # or it would be sure of nothing, and say the same everywhere
    own = copy.deepcopy(net)
    segmentor = Segmentor(
        Backbone(own),
        Head(own.main, 1),
        Head(own.aux, 0),
        num_classes=reference.CLASSES,
        mean=(128,) * 3,
        std=(64,) * 3,
        align_corners=True,
    )
    objectives = [dict(type="Supervised", aux_weight=reference.AUX), mix]
    adapter = DomainAdapter(segmentor, objectives, teacher_momentum=momentum, **settings)
    return adapter.train(), net


def make_wrappers(adapter, **settings):
    sgd = dict(type="SGD", lr=reference.LR, momentum=0.9)
    return OptimizersByNetwork(dict(segmentor=dict(optimizer=sgd, **settings)))(adapter)


def batches(count=STEPS, images=3):
    generator = torch.Generator().manual_seed(1)
    for _ in range(count):
        image = torch.randint(0, 256, (2, images, 3, *SIZE), generator=generator).byte()
        label = torch.randint(0, reference.CLASSES, (images, *SIZE), generator=generator)
        label[:, :3] = 255
        yield image[0], label, image[1] // 2


def seed(step):
    seed_everything(7, step)


def train(adapter, wrappers, count=STEPS, images=3):
    log = []
    for step, (image, label, other) in enumerate(batches(count, images)):
        seed(step)
        data = dict(source=dict(image=image, label=label), target=dict(image=other))
        log.append(adapter.train_step(data, wrappers))
    return log


def test_steps_equal_the_reference():
    adapter, net = make_adapter()
    start = copy.deepcopy(net.state_dict())
    log = train(adapter, make_wrappers(adapter))
    teacher, losses = reference.training(net, [(i.float(), m, o) for i, m, o in batches()], seed)
    pairs = ((adapter.segmentor, net), (adapter.teacher.module, teacher))
    for segmentor, other in pairs:
        parts = [segmentor.backbone, segmentor.head.conv, segmentor.aux_head.conv]
        theirs = nn.ModuleList([Backbone(other), other.main, other.aux])
        ours = nn.ModuleList(parts).state_dict()
        for key, value in theirs.state_dict().items():
            torch.testing.assert_close(ours[key], value, atol=1e-5, rtol=1e-5, msg=key)
    assert not torch.equal(net.main.weight, teacher.main.weight)
    assert not torch.allclose(net.main.weight, start["main.weight"], atol=1e-2)
    for ours, (source, mixed, share) in zip(log, losses, strict=True):
        assert (ours["loss_seg"] + ours["loss_seg_aux"]).item() == pytest.approx(source, rel=1e-4)
        assert (ours["loss_mix"] + ours["loss_mix_aux"]).item() == pytest.approx(mixed, rel=1e-4)
        assert ours["mix_sure"].item() == pytest.approx(share, abs=0.01)
    assert sum(0.1 < share < 0.9 for _, _, share in losses) >= 2


def test_the_segmentor_runs_on_source_and_mixture_and_the_teacher_on_the_target():
    adapter, _ = make_adapter()
    train(adapter, make_wrappers(adapter), count=1)
    assert adapter.segmentor.backbone.seen == [3, 3]
    assert adapter.teacher.module.backbone.seen == [3]
    assert list(adapter.views) == ["source", "target", "derived"]
    assert not adapter.views["target"].has_run
    assert adapter.views["derived"].detached
    assert not adapter.views["derived"].output.logits.requires_grad


def test_a_batch_in_parts_is_the_whole_batch_but_for_what_is_drawn_and_sure(monkeypatch):
    """With the same classes drawn, everything sure, and no batch statistics to differ in."""
    monkeypatch.setattr(mixing, "class_mask", lambda label, *_, **__: label < 2)
    states = []
    for micro_batch in (None, 1):
        adapter, _ = make_adapter(MIX | PLAIN | dict(confidence=0.0), micro_batch=micro_batch)
        freeze_statistics(adapter.segmentor)
        log = train(adapter, make_wrappers(adapter), count=3)
        assert adapter.segmentor.backbone.seen == ([3, 3] * 3 if micro_batch is None else [1] * 18)
        states.append((adapter.state_dict(), log))
    for key, value in states[0][0].items():
        torch.testing.assert_close(states[1][0][key], value, atol=1e-6, rtol=1e-5, msg=key)
    for whole, parts in zip(states[0][1], states[1][1], strict=True):
        assert whole.keys() == parts.keys()
        torch.testing.assert_close(parts["loss_mix"], whole["loss_mix"])


@pytest.mark.parametrize(("which", "batches_seen"), [("both", 2), ("source", 1)])
def test_the_running_statistics_take_in_the_mixture_where_they_take_in_the_target(
    which, batches_seen
):
    adapter, _ = make_adapter(norm_statistics=which)
    train(adapter, make_wrappers(adapter), count=1)
    assert int(adapter.segmentor.backbone.norm.num_batches_tracked) == batches_seen


def test_mixed_precision_trains_nearly_alike():
    logs = []
    for kind in ("OptimWrapper", "AmpOptimWrapper"):
        adapter, _ = make_adapter(MIX)
        logs.append(train(adapter, make_wrappers(adapter, type=kind)))
    for plain, mixed in zip(*logs, strict=True):
        for name, value in plain.items():
            assert mixed[name].dtype is torch.float32
            if "loss" in name:
                assert mixed[name].item() == pytest.approx(value.item(), rel=0.1), name
    assert any(logs[0][-1][name] != logs[1][-1][name] for name in logs[0][-1])


def test_without_a_target_or_a_teacher():
    adapter, _ = make_adapter(momentum=None)
    wrappers = make_wrappers(adapter)
    with pytest.raises(ConfigError, match=r"give model\.teacher_momentum"):
        train(adapter, wrappers, count=1)
    image, label, _ = next(batches())
    with pytest.raises(ConfigError, match=r"^the objective ClassMix looks at the target domain"):
        adapter.train_step(dict(image=image, label=label), wrappers)


def test_two_of_one_name_are_an_error_and_two_of_two_names_are_two():
    adapter, _ = make_adapter()
    adapter.objectives.append(ClassMix(**PLAIN))
    adapter.objectives[2].prepare(adapter.segmentor)
    wrappers = make_wrappers(adapter)
    with pytest.raises(ConfigError, match=r"of the same name: \['loss_mix'"):
        train(adapter, wrappers, count=1)
    adapter.objectives[2].name = "b"
    (log,) = train(adapter, wrappers, count=1)
    assert {"loss_mix", "loss_mix_b", "loss_mix_aux_b", "mix_sure_b"} <= log.keys()


class Averaged(Objective):
    """Mixes by halves, every other iteration; fits the source's labels."""

    reads = ("derived",)
    derives_from = ("source", "target")

    def is_active(self, iteration):
        return iteration % 2 == 1

    def derive(self, source, target):
        return target.derived(source.image / 2 + target.image / 2, source.label)

    def derived_losses(self, derived):
        assert derived.weight is None
        return {"loss_half": nn.functional.cross_entropy(derived.logits, derived.label % 255)}


def test_an_objective_of_ones_own_mixes_when_it_wants_to():
    adapter, _ = make_adapter(Averaged(), momentum=None)
    found = [set(log) for log in train(adapter, make_wrappers(adapter), count=3)]
    assert [names - {"loss_seg", "loss_seg_aux"} for names in found] == [
        set(),
        {"loss_half"},
        set(),
    ]


def test_an_objective_that_derives_nothing_is_an_error(monkeypatch):
    monkeypatch.setattr(Averaged, "derive", Objective.derive)
    adapter, _ = make_adapter(Averaged(), momentum=None)
    with pytest.raises(ConfigError, match=r"^Averaged reads 'derived', but has no method derive$"):
        train(adapter, make_wrappers(adapter), count=2)
