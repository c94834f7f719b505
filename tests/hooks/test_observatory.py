"""The observatory: what it measures, logs, draws, and when it waits for the device."""

import json
import shutil
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.visualization import LocalVisBackend
from PIL import Image

from daseg.engine.train import train
from daseg.hooks import ObservatoryHook, observatory
from daseg.objectives import View
from daseg.utils.errors import ConfigError
from outputs import seg_output

CLASSES = ("road", "rider", "sky")
PALETTE = [[255, 0, 0], [0, 255, 0], [0, 0, 255]]


class Recorder(SimpleNamespace):
    """A logger, a visualizer and a backend that keep what they are given."""

    def warning(self, message):
        self.warnings.append(message)

    def add_scalars(self, values, step):
        self.scalars[step] = values

    def add_image(self, name, image, step):
        self.images.append((name, image, step))


@pytest.fixture
def runner(tmp_path):
    record = Recorder(warnings=[], scalars={}, images=[])
    local = LocalVisBackend(str(tmp_path / "local"))
    record._vis_backends = dict(local=local, other=record)
    dataset = SimpleNamespace(metainfo=dict(classes=CLASSES, palette=PALETTE))
    return SimpleNamespace(
        work_dir=str(tmp_path),
        bare_model=SimpleNamespace(views={}),
        bare_segmentor=SimpleNamespace(num_classes=3),
        train_dataloader=SimpleNamespace(dataset=dataset),
        message_hub=MessageHub.get_instance(str(tmp_path)),
        logger=record,
        visualizer=record,
        record=record,
        hooks=[],
        iter=0,
        max_iters=100,
    )


def view(logits, domain="source", label=None, image=None):
    """A view on which a network that gives these logits (N,K,h,w) has run."""
    image = torch.zeros(len(logits), 3, 8, 12, dtype=torch.uint8) if image is None else image
    output = seg_output(logits)
    seen = View(lambda _: output, image, label, align_corners=False, domain=domain)
    _ = seen.output
    return seen


def step(hook, runner, iteration, outputs=None, **views):
    runner.bare_model.views = views
    runner.iter = iteration - 1
    hook.after_train_iter(runner, iteration - 1, outputs=outputs or {})


def started(runner, **options):
    hook = ObservatoryHook(**options)
    hook.before_train(runner)
    return hook


def numpy_entropy(logits):
    prob = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return (-(prob * np.log(prob)).sum(1) / np.log(logits.shape[1])).mean()


def test_the_log_has_the_means_over_the_interval(runner):
    generator = torch.Generator().manual_seed(0)
    hook = started(runner, interval=3, picture_interval=None)
    source, target = (torch.randn(3, 2, 3, 4, 6, generator=generator) for _ in range(2))
    label = torch.randint(0, 3, (2, 8, 12), generator=generator)
    for i in range(3):
        views = dict(source=view(source[i], label=label), target=view(target[i], "target"))
        step(hook, runner, i + 1, **views)
        assert bool(runner.record.scalars) == (i == 2)
    values = runner.record.scalars[3]
    entropies = [numpy_entropy(logits) for logits in source.numpy()]
    assert values["source_entropy"] == pytest.approx(np.mean(entropies), rel=1e-5)
    shares = np.bincount(target.numpy().argmax(2).ravel(), minlength=3) / (3 * 2 * 24)
    for name, share in zip(CLASSES, shares, strict=True):
        assert values[f"predicted_share/{name}"] == pytest.approx(share)
    assert len(values) == 4
    logged = runner.message_hub.get_scalar("train/target_entropy").current()
    expected = np.mean([numpy_entropy(logits) for logits in target.numpy()])
    assert logged == pytest.approx(expected, rel=1e-5)
    assert [n for n in runner.message_hub.log_scalars if n.startswith("train/")] == [
        "train/target_entropy"
    ]


def test_nothing_is_fetched_between_the_reports(runner, monkeypatch):
    hook = started(runner, interval=4, picture_interval=None)
    fetched = []
    for name in ("item", "tolist", "cpu", "numpy", "__bool__", "__float__", "__int__"):
        own = getattr(torch.Tensor, name)

        def spy(self, *args, own=own, **kwargs):
            fetched.append(hook.first)
            return own(self, *args, **kwargs)

        monkeypatch.setattr(torch.Tensor, name, spy)
    logits, label = torch.randn(1, 3, 2, 2), torch.zeros(1, 8, 12, dtype=torch.long)
    outputs = dict(disc_acc_source=torch.tensor(0.5), disc_acc_target=torch.tensor(0.5))
    for iteration in (1, 2, 3):
        views = dict(source=view(logits, label=label), target=view(logits, "target"))
        step(hook, runner, iteration, outputs, **views)
    assert fetched == []
    step(hook, runner, 4, outputs, **views)
    assert len(fetched) == 2  # the values, and the pixels


def test_a_target_that_does_not_run_is_not_run(runner):
    hook = started(runner, interval=1)
    logits = torch.randn(1, 3, 2, 2)
    idle = View(pytest.fail, torch.zeros(1, 3, 8, 12), align_corners=False, domain="target")
    step(hook, runner, 1, source=view(logits), target=idle)
    step(hook, runner, 2, source=view(logits))  # no target domain at all
    assert [set(values) for values in runner.record.scalars.values()] == [{"source_entropy"}] * 2


def test_a_class_that_vanishes_is_in_the_log(runner):
    hook = started(runner, interval=2, patience=1, picture_interval=None)
    road = torch.zeros(1, 3, 4, 6)
    road[:, 0] = 5.0
    label = torch.zeros(1, 8, 12, dtype=torch.long)
    label[:, :2] = 1
    label[:, 4:] = 255
    for iteration in (1, 2, 3, 4):
        views = dict(source=view(road, label=label), target=view(road, "target"))
        step(hook, runner, iteration, **views)
    (alarm,) = runner.record.warnings
    assert alarm.startswith("iteration 2: gone from the target's predictions")
    assert alarm.endswith("rider (50.0%)")


def test_a_discriminator_that_wins_is_in_the_log_with_its_iteration(runner):
    hook = started(runner, interval=5, patience=4, picture_interval=None)
    for iteration in range(1, 11):
        accuracy = torch.tensor(1.0 if iteration > 2 else 0.7)
        outputs = dict(disc_acc_source=accuracy, disc_acc_target=accuracy, loss_disc=accuracy)
        step(hook, runner, iteration, outputs, source=view(torch.zeros(1, 3, 2, 2)))
    (alarm,) = runner.record.warnings
    assert alarm.startswith("iteration 6: the discriminator has won: for 4 iterations")


def picture(path):
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def pixels_of(pixels, colour):
    return int((np.abs(pixels - colour).sum(-1) == 0).sum())


def test_the_picture_shows_both_domains(runner, tmp_path):
    hook = started(runner, interval=50, picture_interval=2)
    image = torch.zeros(2, 3, 60, 80, dtype=torch.uint8)
    image[0, 1] = 99  # the first image of the batch is dark green
    logits = torch.zeros(2, 3, 6, 8)
    logits[0, 2] = 50.0  # sky, and sure of it
    label = torch.full((2, 60, 80), 1)
    for iteration in (1, 2):
        views = dict(
            source=view(logits, label=label, image=image),
            target=view(logits, "target", image=image),
        )
        step(hook, runner, iteration, **views)
    assert [p.name for p in (tmp_path / "pictures").iterdir()] == ["iter_2.png"]
    pixels = picture(tmp_path / "pictures/iter_2.png")
    cell = pixels_of(pixels, (0, 99, 0)) / 2  # the source's and the target's image
    assert cell > 50_000
    assert pixels_of(pixels, PALETTE[1]) == pytest.approx(cell, rel=0.05)  # label: source only
    assert pixels_of(pixels, PALETTE[2]) == pytest.approx(2 * cell, rel=0.05)
    ((name, shown, at),) = runner.record.images
    assert (name, at) == ("domains", 2)
    assert np.array_equal(shown, pixels)
    assert not (tmp_path / "local").exists()  # the file is there once


def test_the_last_iteration_is_drawn_without_a_target_too(runner, tmp_path):
    runner.max_iters = 3
    hook = started(runner, interval=50, picture_interval=100)
    for iteration in (1, 2, 3):
        step(hook, runner, iteration, source=view(torch.zeros(1, 3, 2, 2)))
    assert picture(tmp_path / "pictures/iter_3.png").shape[1] > 1500
    assert list(runner.record.scalars) == [3]


def test_a_domain_is_named_where_there_are_two(runner, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        observatory, "contact_sheet", lambda *_, captions, **__: drawn.append(captions)
    )
    for name in ("save_sheet", "show_picture"):
        monkeypatch.setattr(observatory, name, lambda *_: None)
    hook, logits = started(runner, picture_interval=1), torch.zeros(1, 3, 2, 2)
    step(hook, runner, 1, source=view(logits))
    step(hook, runner, 2, source=view(logits), target=view(logits, "target"))
    assert drawn == [(), [["source"], ["target"]]]


def test_other_processes_do_nothing(runner, tmp_path, monkeypatch):
    monkeypatch.setattr(observatory, "is_main_process", lambda: False)
    hook = started(runner, interval=1, picture_interval=1)
    step(hook, runner, 1, source=view(torch.zeros(1, 3, 2, 2)))
    assert list(tmp_path.iterdir()) == []
    assert runner.record.scalars == {}


def test_classes_without_names_are_numbered(runner, tmp_path):
    runner.train_dataloader.dataset.metainfo = dict(classes=["a", "b"], palette=PALETTE[:2])
    hook = started(runner)
    assert hook.classes == ["class 0", "class 1", "class 2"]
    content = json.loads((tmp_path / "classes.json").read_text())
    assert content["classes"] == hook.classes
    assert len(content["palette"]) == 3


def test_a_model_without_views_is_refused(runner):
    hook = started(runner)
    with pytest.raises(ConfigError, match=r"SimpleNamespace keeps no `views`.*out of custom_hooks"):
        step(hook, runner, 1)


@pytest.mark.parametrize("wrong", ["interval", "picture_interval", "patience"])
def test_numbers_that_cannot_be(wrong):
    with pytest.raises(ConfigError, match=f"{wrong} is at least 1, not 0"):
        ObservatoryHook(**{wrong: 0})


PAIR = """
load = [dict(type='LoadImageFromFile'), dict(type='LoadLabel')]
pack = [dict(type='RandomCrop', crop_size=(32, 32)), dict(type='PackSample')]
train_dataloader['sampler'] = dict(type='PairSampler')
train_dataloader['dataset'] = dict(
    type='DomainPair', source=dict(data, pipeline=load + pack),
    target=dict(data, root={target!r}, pipeline=load + pack))
model['objectives'] = [
    dict(type='Supervised'),
    dict(type='OutputAdversarial', discriminator=dict(type='FCDiscriminator', channels=4),
         loss=dict(type='BCEGANLoss'))]
optim_wrapper['discriminators'] = dict(optimizer=dict(type='Adam', lr=1e-4))
val_dataloader = val_evaluator = val_cfg = None
train_cfg['max_iters'] = 4
custom_hooks.append(dict(type='ObservatoryHook', interval=4, picture_interval=None, patience=2))
"""


def scalars(work_dir):
    logs = sorted(work_dir.glob("*/vis_data/scalars.json"))
    return [json.loads(line) for line in logs[-1].read_text().splitlines()]


def test_a_resumed_run_reports_what_the_uninterrupted_one_does(small_config, tiny_data, tmp_path):
    (tmp_path / "target/images").mkdir(parents=True)
    for file in (tiny_data / "images").iterdir():
        cv2.imwrite(str(tmp_path / "target/images" / file.name), cv2.imread(str(file)) // 3)
    config = small_config(PAIR.format(target=str(tmp_path / "target")))
    run = tmp_path / "run"
    train(config, work_dir=run)
    (first,) = [row for row in scalars(run) if "source_entropy" in row]
    assert first["step"] == 4
    assert sum(v for n, v in first.items() if n.startswith("predicted")) == pytest.approx(1)
    (log,) = run.glob("*/*.log")
    assert "target_entropy: 0." in log.read_text()

    again = tmp_path / "again"  # stopped after iteration 3, in the middle of the first window
    again.mkdir()
    shutil.copy(run / "iter_3.pth", again)
    train(config, work_dir=again, resume=True)
    assert [row for row in scalars(again) if "source_entropy" in row] == [first]
