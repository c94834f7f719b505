"""Trainings in which a domain is absent, and objectives that derive images of their own."""

import copy
from types import SimpleNamespace

import pytest
import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import nn

from daseg.adaptation import DomainAdapter
from daseg.datasets import DomainPair, FolderDataset, PairSampler
from daseg.engine.checkpoint import read_checkpoint
from daseg.engine.labelled import check_data
from daseg.engine.train import train
from daseg.objectives import ClassMix, EntropyMinimization, Objective, OutputAdversarial, Supervised
from daseg.segmentor import Segmentor
from daseg.utils.errors import ConfigError


class Backbone(nn.Conv2d):
    """One convolution; keeps what it has seen."""

    out_channels = (4,)

    def __init__(self):
        super().__init__(3, 4, 3, padding=1)
        self.seen = []

    def forward(self, image):
        self.seen.append(image.detach().clone())
        return (super().forward(image).relu(),)


class Head(nn.Conv2d):
    def forward(self, features):
        return super().forward(features[-1])


def make_segmentor():
    torch.manual_seed(0)
    plain = dict(mean=(0, 0, 0), std=(1, 1, 1))
    return Segmentor(Backbone(), Head(4, 3, 1), num_classes=3, **plain)


def make_batch(count=2):
    generator = torch.Generator().manual_seed(1)
    return dict(image=torch.randint(0, 256, (count, 3, 8, 12), generator=generator).byte())


def step(adapter, data):
    optimizer = torch.optim.SGD(adapter.segmentor.parameters(), lr=0.1)
    return adapter.train().train_step(data, OptimWrapperDict(segmentor=OptimWrapper(optimizer)))


def test_a_step_on_the_target_alone_equals_plain_pytorch():
    plain = make_segmentor()
    adapter = DomainAdapter(copy.deepcopy(plain), [EntropyMinimization(weight=1.0)])
    data = make_batch()
    log = step(adapter, dict(target=data))
    prob = plain(data["image"]).logits.softmax(1)
    loss = -(prob * prob.log()).sum(1).mean() / torch.tensor(3.0).log()
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.1)
    loss.backward()
    optimizer.step()
    assert log["loss_entropy"].item() == pytest.approx(loss.item(), rel=1e-5)
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(adapter.segmentor.state_dict()[name], value, msg=name)
    assert list(adapter.views) == ["target"]


PIXEL = dict(type="PixelDiscriminator", channels=4)


@pytest.mark.parametrize(
    ("objective", "name"),
    [(Supervised(), "Supervised"), (OutputAdversarial(PIXEL), "OutputAdversarial")],
)
def test_an_objective_that_looks_at_the_absent_source_is_named(objective, name):
    adapter = DomainAdapter(make_segmentor(), [EntropyMinimization(), objective])
    with pytest.raises(ConfigError, match=rf"^the objective {name} looks at the source domain"):
        step(adapter, dict(target=make_batch()))


def test_mixing_needs_both_domains():
    adapter = DomainAdapter(make_segmentor(), [ClassMix()], teacher_momentum=0.1)
    with pytest.raises(ConfigError, match=r"^the objective ClassMix looks at the source domain"):
        step(adapter, dict(target=make_batch()))
    with pytest.raises(ConfigError, match=r"^the objective ClassMix looks at the target domain"):
        step(adapter, make_batch())


class Masked(Objective):
    """The teacher's classes, where the upper half of the image is hidden."""

    reads = ("derived",)
    derives_from = ("target",)

    def derive(self, source, target):
        self.source = source
        image = target.image.clone()
        image[..., :4, :] = 0
        return target.derived(image, target.teacher_logits.argmax(1))

    def derived_losses(self, derived):
        assert derived.domain == "derived"
        loss = nn.functional.cross_entropy(derived.logits, derived.label)
        return {"loss_masked": loss}


@pytest.mark.parametrize(("micro_batch", "runs"), [(None, 1), (1, 2)])
def test_an_objective_of_ones_own_derives_a_masked_batch_from_the_target_alone(micro_batch, runs):
    objective, plain = Masked(), make_segmentor()
    adapter = DomainAdapter(
        copy.deepcopy(plain), [objective], teacher_momentum=0.1, micro_batch=micro_batch
    )
    data = make_batch()
    log = step(adapter, dict(target=data))
    assert objective.source is None
    assert len(adapter.segmentor.backbone.seen) == runs  # on the derived images alone
    hidden = data["image"].float()
    label = plain(hidden).logits.argmax(1)
    hidden[..., :4, :] = 0
    assert torch.equal(torch.cat(adapter.segmentor.backbone.seen), hidden)
    expected = nn.functional.cross_entropy(plain(hidden).logits, label).item()
    assert log["loss_masked"].item() == pytest.approx(expected, rel=1e-5)
    assert list(adapter.views) == ["target", "derived"]


class Silent(Objective):
    """Reads a view that it has no losses on."""

    reads = ("source", "target")


class Loose(Objective):
    """Does not say what it derives from."""

    reads = ("derived",)


def test_what_an_objective_reads_has_to_be_said():
    with pytest.raises(ConfigError, match=r"reads=\('derived',\) and derives_from=\(\): one that"):
        DomainAdapter(make_segmentor(), [Loose()])
    adapter = DomainAdapter(make_segmentor(), [Silent()])
    data = dict(source=make_batch(), target=make_batch())
    with pytest.raises(ConfigError, match=r"^Silent reads 'source', but has no method source_loss"):
        step(adapter, data)


def test_a_pair_without_a_source_gives_the_target_alone(tiny_data):
    options = dict(image_dir="images", classes=["a", "b", "c"], labels=False)
    target = FolderDataset(tiny_data, **options)
    pair = DomainPair(None, target)
    assert (len(pair), len(pair.names), pair.metainfo["classes"]) == (12, 12, ("a", "b", "c"))
    assert pair[3].keys() == {"target"}
    sampler = iter(PairSampler(pair, seed=3))
    drawn = [next(sampler) for _ in range(12)]
    assert {index.source for index in drawn} == {None}
    assert sorted(index.target.index for index in drawn) == list(range(12))
    assert pair[drawn[0]]["target"]["image"].shape == (3, 32, 48)
    with pytest.raises(ConfigError, match=r"^DomainPair: its translator looks at the source dom"):
        DomainPair(None, target, translator=dict(type="FourierTranslator"))


ALONE = """
train_dataloader.update(sampler=dict(type='PairSampler'), dataset=dict(
    type='DomainPair', source=None, target=dict(data, pipeline=[
        dict(type='LoadImageFromFile'), dict(type='RandomCrop', crop_size=(32, 32)),
        dict(type='PackSample')])))
model['objectives'] = [dict(type='EntropyMinimization')]
train_cfg['max_iters'] = 2
custom_hooks = [
    dict(type='RecordDataHook'), dict(type='ReportHook'),
    dict(type='ObservatoryHook', interval=1, picture_interval=2)]
"""


@pytest.mark.slow
def test_a_training_on_the_target_alone_from_a_loaded_network(
    tiny_config, trained, tmp_path, capfd
):
    config = tiny_config(ALONE, norm="gn", name="alone")
    run = tmp_path / "run"
    train(config, work_dir=run, cfg_options=dict(load_from=str(trained["checkpoint"])))
    start = read_checkpoint(trained["checkpoint"])["state_dict"]
    found = read_checkpoint(run / "iter_2.pth")["state_dict"]
    assert int(found["iteration"]) == 2
    moved = found["segmentor.head.classifier.weight"] - start["segmentor.head.classifier.weight"]
    assert 0 < moved.abs().max() < 0.01  # it has gone on from there
    assert (run / "train_images_target.txt").is_file()
    assert not (run / "train_images_source.txt").exists()
    assert "no label had a pixel" not in capfd.readouterr().out


def test_an_objective_on_the_absent_source_is_refused_before_the_training(tiny_config, tmp_path):
    extra = ALONE.replace("EntropyMinimization", "Supervised")
    config = tiny_config(extra, norm="gn", name="refused")
    with pytest.raises(ConfigError, match=r"the objective Supervised looks at the source domain"):
        train(config, work_dir=tmp_path / "run")
    assert not list((tmp_path / "run").rglob("iter_*.pth"))


@pytest.mark.parametrize(
    ("objectives", "warned"),
    [
        (["EntropyMinimization"], "EntropyMinimization"),
        (["MaskedConsistency", "MaxSquare"], "MaxSquare"),
        (["EntropyMinimization", "InformationMaximization"], None),
        (["MaskedConsistency"], None),
    ],
)
def test_a_training_without_a_source_warns_of_certainty_alone(tiny_data, objectives, warned):
    options = dict(image_dir="images", classes=["a", "b", "c"], labels=False)
    pair = DomainPair(None, FolderDataset(tiny_data, **options))
    made = [dict(type=name) for name in objectives]
    adapter = DomainAdapter(make_segmentor(), made, teacher_momentum=0.1)
    said = []
    runner = SimpleNamespace(
        train_dataloader=SimpleNamespace(dataset=pair),
        val_loop=None,
        cfg={},
        bare_model=adapter,
        bare_segmentor=adapter.segmentor,
        logger=SimpleNamespace(warning=said.append),
    )
    check_data(runner)
    if warned is None:
        assert said == []
    else:
        (text,) = said
        assert text.startswith(f"there is no source, and {warned} is least where all pixels are")
        assert "rare classes disappear" in text
        assert "Take InformationMaximization, and compare with the checkpoint" in text
