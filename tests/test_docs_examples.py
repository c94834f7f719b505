"""The pages' examples of parts run, and do what their docstrings say."""

import re
import textwrap
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from daseg.adaptation import DomainAdapter
from daseg.engine.optim import OptimizersByNetwork
from daseg.objectives import View
from daseg.registry import BACKBONES, DATASETS, KINDS, LOSSES, OBJECTIVES, TRANSFORMS, TRANSLATORS
from daseg.segmentor import Segmentor
from daseg.translation import CycleGAN

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"^( *)```python\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> list[str]:
    """The Python examples of a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [textwrap.dedent(code) for _, code in FENCE.findall(text)]


@pytest.fixture
def examples():
    """Run the pages' examples of parts; take the parts out of the registries afterwards."""
    for registry in KINDS.values():  # else they would be empty when they are put back
        registry.import_from_location()
    before = {kind: dict(registry.module_dict) for kind, registry in KINDS.items()}
    names: dict[str, Any] = {}
    for code in blocks("docs/extend.md"):
        if "register_module" in code:
            exec(compile(code, "docs/extend.md", "exec"), names)
    yield names
    for kind, registry in KINDS.items():
        registry.module_dict.clear()
        registry.module_dict.update(before[kind])


def test_the_example_loss_is_what_the_paper_says(examples):
    logits, target = torch.randn(2, 3, 4, 5), torch.randint(0, 3, (2, 4, 5))
    target[0, 0] = 255
    loss = LOSSES.build(dict(type="FocalLoss", gamma=0.0))(logits, target)
    assert torch.allclose(loss, F.cross_entropy(logits, target, ignore_index=255))
    focal = LOSSES.build(dict(type="FocalLoss"))
    undecided = focal(torch.zeros(2, 4, 4, 5), target).item()  # each class has 1/4
    assert undecided == pytest.approx(0.75**2 * np.log(4), rel=1e-5)
    assert focal(logits, torch.full_like(target, 255)) == 0


def test_the_example_network_runs_as_the_page_says(examples):
    code = next(c for c in blocks("docs/extend.md") if "assert segmentor" in c)
    exec(compile(code, "docs/extend.md", "exec"), {})
    strides = [
        64 // m.shape[2] for m in BACKBONES.build(dict(type="PlainNet"))(torch.zeros(1, 3, 64, 64))
    ]
    assert strides == [4, 8, 16] == list(BACKBONES.build(dict(type="PlainNet")).strides)


def test_the_example_objective_is_least_where_nothing_is_known(examples):
    objective = OBJECTIVES.build(dict(type="ConfidencePenalty", weight=1.0))
    segmentor = Segmentor(dict(type="PlainNet", width=2), dict(type="PixelHead"), num_classes=4)
    torch.nn.init.zeros_(segmentor.head.classifier.weight)
    torch.nn.init.zeros_(segmentor.head.classifier.bias)
    view = View(segmentor, torch.zeros(2, 3, 32, 32), None, align_corners=False)
    assert objective.source_losses(view)["loss_confidence"].item() == pytest.approx(-np.log(4))


def test_the_example_on_the_target_favours_all_classes(examples):
    objective = OBJECTIVES.build(dict(type="Diversity", weight=1.0, begin=7))
    assert [objective.is_active(iteration) for iteration in (0, 6, 7)] == [False, False, True]
    segmentor = Segmentor(dict(type="PlainNet", width=2), dict(type="PixelHead"), num_classes=4)
    losses = []
    for biases in ([0.0] * 4, [100.0, 0, 0, 0]):  # all alike, one class alone
        segmentor.head.classifier.weight.data.zero_()
        segmentor.head.classifier.bias.data = torch.tensor(biases)
        image = torch.zeros(2, 3, 32, 32)
        view = View(segmentor, image, None, align_corners=False, domain="target")
        losses.append(objective.target_losses(view)["loss_diversity"].item())
    assert losses == pytest.approx([-np.log(4), 0.0], abs=1e-6)


def test_the_example_that_uses_the_teacher(examples):
    objective = OBJECTIVES.build(dict(type="FollowTeacher", weight=2.0))
    segmentor, teacher = (
        Segmentor(dict(type="PlainNet", width=2), dict(type="PixelHead"), num_classes=4)
        for _ in range(2)
    )
    for network, biases in ((segmentor, [0.0] * 4), (teacher, [float(np.log(3)), 0, 0, 0])):
        network.head.classifier.weight.data.zero_()
        network.head.classifier.bias.data = torch.tensor(biases)
    view = View(
        segmentor,
        torch.zeros(2, 3, 32, 32),
        align_corners=False,
        domain="target",
        teacher=teacher.eval(),
    )
    loss = objective.target_losses(view)["loss_follow"]
    # 1/4 of each class against 1/2 of the first and 1/6 of the others.
    assert loss.item() == pytest.approx(2 * ((1 / 4) ** 2 + 3 * (1 / 12) ** 2))
    loss.backward()
    assert segmentor.head.classifier.bias.grad.abs().max() > 0
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_the_example_gan_loss_smooths_the_real_label_alone(examples):
    loss, x = LOSSES.build(dict(type="SmoothGANLoss", real_label=0.8)), torch.randn(2, 1, 3, 3)
    real = -(0.8 * x.sigmoid().log() + 0.2 * (1 - x.sigmoid()).log()).mean()
    assert torch.allclose(loss(x, True), real)
    assert torch.allclose(loss((x, x), True), 2 * real)
    assert torch.allclose(loss(x, False), -(1 - x.sigmoid()).log().mean())
    assert torch.allclose(loss.generator(x), -x.sigmoid().log().mean())


def test_the_example_adaptation_makes_a_step(examples):
    code = next(c for c in blocks("docs/extend.md") if 'type="ConfidenceAdversarial"' in c)
    config: dict[str, Any] = {}
    exec(code, config)
    objectives = config["model"]["objectives"]
    objectives[-1]["begin"] = 0
    segmentor = Segmentor(dict(type="PlainNet", width=2), dict(type="PixelHead"), num_classes=4)
    adapter = DomainAdapter(segmentor, objectives).train()
    whole, confidence = (objective.discriminator for objective in adapter.adversaries)
    assert whole(torch.zeros(2, 4, 32, 48)).shape == (2, 1, 1, 1)
    assert confidence.conv1.in_channels == 1
    before = {name: value.clone() for name, value in adapter.named_parameters()}
    sgd = dict(optimizer=dict(type="SGD", lr=1.0))
    wrappers = OptimizersByNetwork(dict(segmentor=sgd, discriminators=sgd))(adapter)
    image, label = torch.randint(256, (2, 3, 32, 48)).byte(), torch.randint(4, (2, 32, 48))
    batch = dict(source=dict(image=image, label=label), target=dict(image=image.flip(0) // 2))
    log = adapter.train_step(batch, wrappers)
    games = ("adv", "disc", "adv_confidence", "disc_confidence")
    accuracies = [
        f"disc_acc_{domain}{s}" for domain in ("source", "target") for s in ("", "_confidence")
    ]
    losses = [f"loss_{name}" for name in ("seg", "diversity", *games)]
    assert set(log) == {*losses, *accuracies}
    still = [name for name, value in adapter.named_parameters() if torch.equal(value, before[name])]
    assert still == []


def test_the_example_generator_is_trained(examples):
    config: dict[str, Any] = {}
    exec(next(c for c in blocks("docs/extend.md") if "colours = " in c), config)
    part = {key: value for key, value in config["colours"].items() if key != "_delete_"}
    discriminator = dict(type="PatchGANDiscriminator", channels=2)
    model = CycleGAN(part, part, discriminator, discriminator, pool_size=0).train()
    image = torch.randint(256, (1, 3, 25, 27)).byte()
    moved = model.translate(image.flip(3))
    assert torch.allclose(moved, model.translate(image).flip(3), atol=1e-3)
    before = {name: value.clone() for name, value in model.named_parameters()}
    adam = dict(optimizer=dict(type="Adam", lr=1e-3))
    wrappers = OptimizersByNetwork(dict(generators=adam, discriminators=adam))(model)
    model.train_step(dict(source=dict(image=image), target=dict(image=image // 2)), wrappers)
    still = [name for name, value in model.named_parameters() if torch.equal(value, before[name])]
    assert all("disc_" in name and name.endswith("bias") for name in still)


def test_the_example_translator_moves_the_mean(examples):
    source, target = torch.full((2, 3, 4, 6), 100).byte(), torch.full((2, 3, 5, 5), 160).byte()
    translator = TRANSLATORS.build(dict(type="MeanTranslator", strength=0.5))
    assert torch.equal(translator(source, target), torch.full((2, 3, 4, 6), 130.0))
    assert torch.equal(translator(source[0], target[0]), torch.full((3, 4, 6), 130.0))


def test_the_translator_of_the_page_runs():
    code = next(c for c in blocks("docs/style_transfer.md") if "translated = " in c)
    names: dict[str, Any] = {}
    exec(compile(code, "docs/style_transfer.md", "exec"), names)
    assert names["translated"].shape == (3, 90, 160)
    assert names["translated"].dtype == torch.float32


def test_the_example_transform_makes_grey(examples):
    image = np.dstack([np.full((2, 2), v, np.uint8) for v in (10, 20, 60)])
    changed = TRANSFORMS.build(dict(type="RandomGrey", prob=1.0))(dict(img=image))["img"]
    assert changed.dtype == np.uint8
    assert (changed == 30).all()


def test_the_example_data_set_reads_its_labels(examples, tmp_path):
    for folder, suffix, value in (("photos", ".jpg", 90), ("masks", ".png", 255)):
        (tmp_path / folder).mkdir()
        image = np.full((4, 6, 3) if folder == "photos" else (4, 6), value, np.uint8)
        image[0] = 0
        cv2.imwrite(str(tmp_path / folder / f"a{suffix}"), image)
    dataset = DATASETS.build(dict(type="Floods", root=tmp_path))
    assert len(dataset) == 1
    assert dataset[0]["label"].tolist() == [[0] * 6] + [[1] * 6] * 3
    assert dataset.metainfo["classes"] == ("dry", "wet")
