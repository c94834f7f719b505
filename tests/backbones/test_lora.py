"""Low-rank adapters: what is trained, and what a checkpoint holds."""

import json

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from daseg.adaptation import DomainAdapter
from daseg.backbones import ViTBackbone
from daseg.backbones.lora import LowRankLinear
from daseg.backbones.vit import ARCHITECTURES, Architecture
from daseg.engine.evaluate import evaluate
from daseg.engine.optim import OptimizersByNetwork
from daseg.engine.train import train
from daseg.objectives import Supervised
from daseg.segmentor import Segmentor, without_initial_weights
from daseg.utils.errors import CheckpointError, ConfigError
from daseg.weights.strict import load_segmentor
from runs import same_run

TINY = Architecture(32, 3, 2, 128, patch=16, grid=4, scaled=True)


@pytest.fixture(autouse=True)
def weights(monkeypatch, tmp_path) -> str:
    """A file of initial weights."""
    monkeypatch.setitem(ARCHITECTURES, "tiny", TINY)
    torch.manual_seed(0)
    state = ViTBackbone("tiny").state_dict()
    state |= {key: torch.ones_like(value) for key, value in state.items() if "gamma" in key}
    torch.save(state, tmp_path / "tiny.pth")
    return str(tmp_path / "tiny.pth")


def segmentor(weights: str | None) -> Segmentor:
    backbone = dict(type="ViTBackbone", arch="tiny", weights=weights, lora_rank=4)
    return Segmentor(backbone, dict(type="LightHead"), num_classes=3)


def test_a_layer_with_an_adapter() -> None:
    layer, x = nn.Linear(8, 6), torch.randn(5, 8)
    adapted = LowRankLinear(layer, 2)
    assert torch.equal(adapted(x), layer(x))
    nn.init.normal_(adapted.lora_b)
    merged = layer.weight + adapted.lora_b @ adapted.lora_a
    torch.testing.assert_close(adapted(x), F.linear(x, merged, layer.bias))


def test_adapters_alone_are_trained_and_saved(weights, tmp_path) -> None:
    adapter = DomainAdapter(segmentor(weights), [Supervised()], teacher_momentum=0.1)
    before = {n: p.detach().clone() for n, p in adapter.segmentor.named_parameters()}
    wrappers = OptimizersByNetwork(dict(segmentor=dict(optimizer=dict(type="SGD", lr=0.5))))(
        adapter.train()
    )
    data = dict(image=torch.randint(0, 256, (2, 3, 32, 48)), label=torch.randint(0, 3, (2, 32, 48)))
    for _ in range(2):  # the first step moves B alone
        adapter.train_step(data, wrappers)
    moved = {n for n, p in adapter.segmentor.named_parameters() if not torch.equal(p, before[n])}
    names = {f"backbone.blocks.{i}.attn.{layer}.lora_{ab}" for i in range(3)
             for layer in ("qkv", "proj") for ab in "ab"}  # fmt: skip
    assert moved == names | {n for n in before if n.startswith("head.")}

    state = adapter.state_dict()
    expected = moved | {"mean", "std", "backbone.frozen_weights"}
    assert {k.removeprefix("segmentor.") for k in state if k.startswith("segmentor.")} == expected
    teacher = {k.removeprefix("teacher.module.") for k in state if "teacher.module." in k}
    assert teacher == expected

    torch.save({"state_dict": state}, tmp_path / "trained.pth")
    again = segmentor(weights).eval()
    load_segmentor(again, tmp_path / "trained.pth")
    image = torch.rand(1, 3, 32, 48) * 255
    loaded, taught = again.state_dict(), adapter.teacher.module.state_dict()
    assert loaded.keys() == taught.keys()
    assert all(torch.equal(loaded[name], taught[name]) for name in taught)
    weights_of = dict(adapter.teacher.module.named_parameters())
    for name, parameter in again.named_parameters():
        assert torch.equal(parameter, weights_of[name]), name
    # Of the same weights, but some processors add them up in another order.
    torch.testing.assert_close(again.predict(image), adapter.teacher.module.predict(image))


def test_other_frozen_weights_are_refused(weights, tmp_path) -> None:
    torch.save(segmentor(weights).state_dict(), tmp_path / "trained.pth")
    other = {k: v + 1 for k, v in torch.load(weights).items()}
    torch.save(other, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=r"other frozen weights than those of .*other\.pth"):
        load_segmentor(segmentor(str(tmp_path / "other.pth")), tmp_path / "trained.pth")


def test_a_checkpoint_keeps_what_it_cannot_get_from_a_file(weights) -> None:
    assert "backbone.blocks.0.attn.qkv.weight" in segmentor(None).state_dict()
    model = dict(backbone=dict(weights=weights, lora_rank=4))
    without_initial_weights(model)
    assert model["backbone"]["weights"] == weights


def test_what_cannot_be() -> None:
    with pytest.raises(ConfigError, match="lora_rank=0 has to be at least 1"):
        ViTBackbone("tiny", lora_rank=0)
    with pytest.raises(ConfigError, match="needs frozen=False"):
        ViTBackbone("tiny", lora_rank=4, frozen=True)


ADAPTED = """
model.update(
    teacher_momentum=0.1,
    segmentor=dict(
        type='Segmentor', num_classes=3, head=dict(type='LightHead'),
        backbone=dict(type='ViTBackbone', arch='tiny', weights={weights!r}, lora_rank=4)))
optim_wrapper['segmentor'].update(lr_mult=dict(backbone=0.1), layer_decay=0.9)
"""


@pytest.mark.slow
def test_a_training_resumes_exactly_from_a_checkpoint_of_adapters(weights, tiny_config, tmp_path):
    config = tiny_config(ADAPTED.format(weights=weights))
    train(config, work_dir=tmp_path / "whole")
    half = {"train_cfg.max_iters": 3, "param_scheduler.0.end": 6}
    train(config, work_dir=tmp_path / "halves", cfg_options=half)
    train(config, work_dir=tmp_path / "halves", resume=True)
    last = same_run(tmp_path / "whole/iter_6.pth", tmp_path / "halves/iter_6.pth")
    assert not any("attn.qkv.weight" in key for key in last["state_dict"])
    moments = last["optimizer"]["segmentor"]["state"]
    assert len(moments) == 3 * 4 + len(list(segmentor(weights).head.parameters()))
    evaluate(config, tmp_path / "whole/iter_6.pth", out=tmp_path / "test")
    tested = json.loads((tmp_path / "test/results.json").read_text())["mIoU"]
    (log,) = (tmp_path / "whole").glob("*/vis_data/scalars.json")
    assert tested == pytest.approx(json.loads(log.read_text().splitlines()[-1])["mIoU"])
