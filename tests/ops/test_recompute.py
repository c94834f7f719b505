"""Activation checkpointing changes memory, and nothing else."""

import copy

import pytest
import torch

from daseg.backbones.resnet import ResNet
from daseg.backbones.vit import ViTBackbone
from daseg.ops import recompute


def resnet(**settings):
    return ResNet(18, style="torchvision", output_stride=8, **settings)


def vit(**settings):
    return ViTBackbone("dinov2_small", out_indices=(0, 1), drop_path=0.3, **settings)


@pytest.mark.parametrize("make", [resnet, vit])
def test_gradients_and_statistics_are_those_of_the_plain_network(make, monkeypatch):
    torch.manual_seed(0)
    plain, saving = make().train(), make(checkpointing=True).train()
    saving.load_state_dict(copy.deepcopy(plain.state_dict()))
    image = torch.randn(2, 3, 56, 56)
    runs = []
    true = recompute.checkpoint
    monkeypatch.setattr(recompute, "checkpoint", lambda *a, **k: runs.append(a) or true(*a, **k))
    for network in (plain, saving):
        torch.manual_seed(1)  # the same branches are dropped
        sum(maps.square().mean() for maps in network(image)).backward()
    assert len(runs) == (8 if make is resnet else 2)
    for (name, mine), theirs in zip(saving.named_parameters(), plain.parameters(), strict=True):
        if theirs.grad is not None:
            assert torch.equal(mine.grad, theirs.grad), name
    for (name, mine), theirs in zip(saving.named_buffers(), plain.buffers(), strict=True):
        assert torch.equal(mine, theirs), name  # moved once, not twice


def test_fewer_maps_are_kept():
    kept = []
    image = torch.randn(1, 3, 64, 64)
    for settings in (dict(), dict(checkpointing=True)):
        network, sizes = resnet(**settings).train(), []
        hooks = torch.autograd.graph.saved_tensors_hooks(
            lambda t, sizes=sizes: sizes.append(t.numel()) or t, lambda t: t
        )
        with hooks:
            network(image)
        kept.append(sum(sizes))
    assert kept[1] < 0.5 * kept[0]


def test_without_gradients_a_block_just_runs(monkeypatch):
    monkeypatch.setattr(recompute, "checkpoint", None)
    with torch.no_grad():
        resnet(checkpointing=True).eval()(torch.randn(1, 3, 64, 64))
