"""The teacher: what it is after each step, and that it is what is validated, tested and loaded."""

import copy
import json

import numpy as np
import pytest
import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import nn

from daseg.adaptation import DomainAdapter
from daseg.engine.checkpoint import load_segmentor, read_checkpoint
from daseg.engine.evaluate import evaluate
from daseg.engine.train import train
from daseg.objectives import Supervised
from daseg.segmentor import Segmentor
from daseg.visualization import read_curve


class Backbone(nn.Module):
    """A convolution and a batch norm."""

    out_channels = (4,)

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)

    def forward(self, image):
        return (self.norm(self.conv(image)).relu(),)


class Head(nn.Conv2d):
    def forward(self, features):
        return super().forward(features[-1])


def make_adapter(momentum):
    torch.manual_seed(0)
    segmentor = Segmentor(Backbone(), Head(4, 3, 1), num_classes=3)
    return DomainAdapter(segmentor, [Supervised()], teacher_momentum=momentum)


def test_in_training_its_batch_norm_alone_takes_the_batch_where_it_is_to():
    segmentor = Segmentor(dict(type="ResNet", depth=18), dict(type="DeepLabV2Head", branches=1))
    options = dict(teacher_momentum=0.1, teacher_statistics="batch")
    adapter = DomainAdapter(segmentor, [Supervised()], **options).train()
    modes = {type(m).__name__ for m in adapter.teacher.modules() if m.training}
    assert modes == {"BatchNorm2d"}
    assert not any(module.training for module in adapter.eval().teacher.modules())


def make_batch(seed):
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(0, 256, (2, 3, 8, 8), generator=generator).byte()
    label = torch.randint(0, 3, (2, 8, 8), generator=generator)
    return dict(image=image, label=label, meta=[dict(ori_shape=(8, 8))] * 2)


def students(adapter, count):
    """Make steps; the segmentor's state after each."""
    optimizer = torch.optim.SGD(adapter.segmentor.parameters(), lr=0.5)
    wrappers = OptimWrapperDict(segmentor=OptimWrapper(optimizer))
    for seed in range(count):
        adapter.train()
        adapter.train_step(make_batch(seed), wrappers)
        yield copy.deepcopy(adapter.segmentor.state_dict())


def test_the_mean_becomes_a_moving_average_at_the_stated_momentum():
    """Each step counts 1, 1/2, 1/3, ... until that is less than the momentum, here 0.4."""
    adapter = make_adapter(0.4)
    states = list(students(adapter, 4))
    expected = states[0]
    for state, share in zip(states[1:], (1 / 2, 0.4, 0.4), strict=True):
        expected = {
            key: torch.lerp(value, state[key], share) if value.is_floating_point() else state[key]
            for key, value in expected.items()
        }
    found = adapter.teacher.module.state_dict()
    assert found.keys() == expected.keys()
    for name, parameter in adapter.teacher.module.named_parameters():
        assert not parameter.requires_grad
        torch.testing.assert_close(parameter, expected[name], msg=name)
        assert not torch.equal(parameter, states[-1][name])
    for name, buffer in adapter.teacher.module.named_buffers():  # the student's last
        assert torch.equal(buffer, states[-1][name]), name


class Asking(Supervised):
    """Keeps what the teacher says."""

    def source_losses(self, source):
        self.said = source.teacher_logits
        return super().source_losses(source)


def test_in_its_first_step_it_is_the_segmentor_whatever_that_has_loaded(tmp_path):
    """The teacher is a copy from before the weights were loaded, ``load_from``'s for example."""
    adapter, other = make_adapter(0.1), make_adapter(0.1)
    list(students(other, 2))
    torch.save(dict(state_dict=other.segmentor.state_dict()), tmp_path / "weights.pth")
    load_segmentor(adapter.segmentor, tmp_path / "weights.pth")
    assert not torch.equal(adapter.teacher.module.head.weight, other.segmentor.head.weight)
    adapter.objectives[0] = Asking()
    image = make_batch(0)["image"]
    with torch.no_grad():
        expected = other.segmentor.eval()(image).logits
    run = students(adapter, 2)
    next(run)
    torch.testing.assert_close(adapter.objectives[0].said, expected)  # 8x8, as the image
    after = copy.deepcopy(adapter.teacher.module)
    next(run)  # from here on it is what it was after the step before
    with torch.no_grad():
        expected = after(make_batch(1)["image"]).logits
    torch.testing.assert_close(adapter.objectives[0].said, expected)


def test_a_resumed_teacher_is_not_started_anew():
    first, second = make_adapter(0.3), make_adapter(0.3)
    list(students(first, 2))
    second.load_state_dict(first.state_dict())
    kept = copy.deepcopy(second.teacher.module)
    second.objectives[0] = Asking()
    next(students(second, 1))
    with torch.no_grad():
        expected = kept.eval()(make_batch(0)["image"]).logits
    torch.testing.assert_close(second.objectives[0].said, expected)


def test_it_predicts_once_it_has_learnt_and_stays_in_eval_mode():
    adapter, batch = make_adapter(0.1), make_batch(9)

    def predicts(network):
        expected = network.predict(batch["image"], (8, 8)).argmax(1).byte()
        adapter.eval()
        return torch.equal(torch.stack([s["pred"] for s in adapter.val_step(batch)]), expected)

    with torch.no_grad():
        adapter.teacher.module.head.bias.add_(torch.tensor([0.0, 0.0, 100.0]))
    assert predicts(adapter.segmentor.eval())
    assert not predicts(adapter.teacher.module.eval())
    list(students(adapter, 3))
    assert adapter.segmentor.training
    assert not any(module.training for module in adapter.teacher.modules())
    assert adapter.evaluated_network is adapter.teacher.module
    with torch.no_grad():
        adapter.segmentor.head.bias.add_(torch.tensor([0.0, 0.0, 100.0]))
    assert predicts(adapter.teacher.module)
    assert not predicts(adapter.segmentor.eval())


def test_the_checkpoint_of_a_training_is_tested_as_it_was_validated(tiny_config, tmp_path):
    config, checkpoint = tiny_config(norm="gn"), tmp_path / "run/iter_3.pth"
    config.write_text(config.read_text().replace("depth=18,", "depth=18, output_stride=8,"))
    options = {
        "model.teacher_momentum": 0.1,
        "train_cfg": dict(type="IterTrainLoop", max_iters=3, val_interval=3),
        "optim_wrapper.segmentor.lr_mult.head": 1,
    }
    train(config, work_dir=tmp_path / "run", cfg_options=options)
    found = evaluate(config, checkpoint, out=tmp_path / "out")
    card = json.loads((tmp_path / "out/protocol_card.json").read_text())
    assert card["network"] == "teacher"
    assert "network: teacher" in (tmp_path / "out/protocol_card.txt").read_text()
    validated = read_curve(tmp_path / "run").miou[-1]
    assert validated == (3, pytest.approx(100 * found.mIoU, abs=1e-6))

    state = read_checkpoint(checkpoint)["state_dict"]
    results = {}
    for name, prefix in dict(teacher="teacher.module.", student="segmentor.").items():
        own = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        torch.save(dict(state_dict=own), tmp_path / f"{name}.pth")
        results[name] = evaluate(config, tmp_path / f"{name}.pth", out=tmp_path / name).matrix
    assert np.array_equal(found.matrix, results["teacher"])
    assert not np.array_equal(found.matrix, results["student"])
    alone = json.loads((tmp_path / "teacher/protocol_card.json").read_text())
    assert alone["network"] is None


def test_a_segmentor_is_loaded_from_the_teacher(tmp_path):
    adapter = make_adapter(0.3)
    list(students(adapter, 3))
    torch.save(dict(state_dict=adapter.state_dict()), tmp_path / "3.pth")
    loaded = Segmentor(Backbone(), Head(4, 3, 1), num_classes=3)
    load_segmentor(loaded, tmp_path / "3.pth")
    for key, value in adapter.teacher.module.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value), key
    assert not torch.equal(loaded.head.weight, adapter.segmentor.head.weight)


def test_a_teacher_goes_on_from_its_checkpoint():
    """The number of its steps is part of it, or it would start its mean anew."""
    whole, first, second = (make_adapter(0.05) for _ in range(3))
    list(students(whole, 4))
    run = students(first, 4)
    next(run), next(run)
    second.load_state_dict(first.state_dict())
    assert int(second.teacher.steps) == 2
    optimizer = torch.optim.SGD(second.segmentor.parameters(), lr=0.5)
    wrappers = OptimWrapperDict(segmentor=OptimWrapper(optimizer))
    for seed in (2, 3):
        second.train_step(make_batch(seed), wrappers)
    for key, value in whole.state_dict().items():
        assert torch.equal(second.state_dict()[key], value), key
