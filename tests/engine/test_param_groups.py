"""Learning rate and weight decay by name and by depth."""

import pytest
import torch
from torch import nn

from daseg.backbones import ResNet, TimmBackbone
from daseg.engine.param_groups import parameter_groups
from daseg.engine.train import train
from daseg.utils.errors import ConfigError
from runs import same_run


class Layered(nn.Module):
    """A backbone of three layers: an embedding and two blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.pos_embed = nn.Parameter(torch.zeros(1, 4, 2))
        self.blocks = nn.ModuleList(nn.ModuleDict(dict(norm=nn.LayerNorm(2))) for _ in range(2))

    def layer_depths(self) -> dict[str, int]:
        return {n: int(n[7]) + 1 if n[:6] == "blocks" else 0 for n, _ in self.named_parameters()}


def network(backbone: nn.Module) -> nn.Module:
    return nn.ModuleDict(dict(backbone=backbone, head=nn.Conv2d(2, 2, 1)))


def settings(model: nn.Module, **options) -> dict[str, tuple[float, float]]:
    """(lr, weight_decay) of each trained parameter by name."""
    names = {id(p): n for n, p in model.named_parameters()}
    groups = parameter_groups(model, lr=1.0, **options)
    found = [(names[id(p)], (g["lr"], g["weight_decay"])) for g in groups for p in g["params"]]
    assert len(found) == len(dict(found))
    return dict(found)


def test_rate_and_decay_by_pattern_and_depth():
    found = settings(
        network(Layered()),
        weight_decay=0.5,
        lr_mult={"backbone": 0.1, "head": 10, "*.1.norm.bias": 7},
        decay_mult={"*.norm": 0, "*.norm.weight": 0.2, "head.weight": 3},
        layer_decay=0.5,
    )
    expected = {
        "backbone.pos_embed": (0.1 * 0.25, 0.5),
        "backbone.blocks.0.norm.weight": (0.1 * 0.5, 0.1),
        "backbone.blocks.0.norm.bias": (0.1 * 0.5, 0.0),
        "backbone.blocks.1.norm.weight": (0.1, 0.1),
        "backbone.blocks.1.norm.bias": (7.0, 0.0),
        "head.weight": (10.0, 1.5),
        "head.bias": (10.0, 0.5),
    }
    assert found.keys() == expected.keys()
    for name, pair in expected.items():
        assert found[name] == pytest.approx(pair), name


def test_positions_are_not_decayed_where_norms_are_not():
    found = settings(network(Layered()), weight_decay=0.5, no_norm_decay=True)
    assert {n for n, (_, decay) in found.items() if decay} == {"head.weight"}


def test_patterns_that_fit_nothing_are_refused_by_name():
    model = network(Layered())
    with pytest.raises(ConfigError, match=r"decay_mult names '\*\.nrm', which has no trainable"):
        settings(model, weight_decay=0.5, decay_mult={"*.nrm": 0, "*.norm": 0})
    with pytest.raises(ConfigError, match=r"lr_mult names 'blocks'"):  # a name is given in full
        settings(model, lr_mult={"blocks": 2})
    with pytest.raises(ConfigError, match="decay_mult needs the optimizer's weight_decay stated"):
        settings(model, decay_mult={"head": 2})
    frozen = network(ResNet(18, frozen=True))
    with pytest.raises(ConfigError, match="lr_mult names 'backbone', which has no trainable"):
        settings(frozen, weight_decay=0.5, lr_mult={"backbone": 2})
    assert settings(frozen, weight_decay=0.5).keys() == {"head.weight", "head.bias"}


def test_layer_decay_needs_a_backbone_that_tells_its_layers():
    with pytest.raises(ConfigError, match=r"layer_decay needs a backbone .*; ResNet does not"):
        settings(network(ResNet(18)), layer_decay=0.9)


def test_layers_of_timm():
    pytest.importorskip("timm", reason="needs the extra daseg[timm]")
    found = settings(network(TimmBackbone("test_vit")), weight_decay=0.5, layer_decay=0.5)
    inner = "backbone.model.model."
    for name, depth in [
        ("pos_embed", 0),
        ("patch_embed.proj.weight", 0),
        ("blocks.0.norm1.bias", 1),
        ("blocks.5.mlp.fc2.weight", 6),
        ("norm.weight", 6),
    ]:
        assert found[inner + name][0] == 0.5 ** (6 - depth), name
    # Its extractor renames stages; and what it cuts off is not the last layer.
    two = settings(network(TimmBackbone("test_vit", out_indices=(1,))), weight_decay=0.5,
                   layer_decay=0.5)  # fmt: skip
    assert two[inner + "blocks.1.norm1.bias"][0] == 1
    names = settings(network(TimmBackbone("test_convnext")), weight_decay=0.5, layer_decay=0.5)
    assert names["backbone.model.stem_0.weight"][0] < names["head.weight"][0]
    assert max(lr for lr, _ in names.values()) == 1


@pytest.mark.slow
def test_a_run_with_groups_resumes_exactly(tiny_config, tmp_path):
    pytest.importorskip("timm", reason="needs the extra daseg[timm]")
    options = {
        "model.segmentor.backbone": dict(_delete_=True, type="TimmBackbone", model_name="test_vit"),
        "optim_wrapper.segmentor.optimizer": dict(
            _delete_=True, type="AdamW", lr=1e-3, weight_decay=0.05
        ),
        "optim_wrapper.segmentor.layer_decay": 0.9,
        "optim_wrapper.segmentor.no_norm_decay": True,
        "optim_wrapper.segmentor.decay_mult": {"*.mlp.fc1": 2.0},
    }
    config = tiny_config()
    train(config, work_dir=tmp_path / "whole", cfg_options=options)
    half = options | {"train_cfg.max_iters": 3, "param_scheduler.0.end": 6}
    train(config, work_dir=tmp_path / "halves", cfg_options=half)
    train(config, work_dir=tmp_path / "halves", resume=True, cfg_options=options)
    same_run(tmp_path / "whole/iter_6.pth", tmp_path / "halves/iter_6.pth")
