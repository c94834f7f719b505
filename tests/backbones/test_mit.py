"""What the stored outputs of tests/test_parity_modern.py do not show of `MiT`."""

import pytest
import torch
from torch import nn

from daseg.backbones import MiT
from daseg.engine.param_groups import parameter_groups
from daseg.utils.errors import CheckpointError, ConfigError


@pytest.fixture(scope="module")
def b0() -> MiT:
    torch.manual_seed(0)
    return MiT("b0")


@torch.no_grad()
def test_maps_of_any_size(b0) -> None:
    for size in ((33, 50), (64, 97)):
        maps = b0(torch.randn(1, 3, *size))
        for own, channels, stride in zip(maps, b0.out_channels, b0.strides, strict=True):
            assert own.shape == (1, channels, *(-(-side // stride) for side in size))
    with pytest.raises(ConfigError, match=r"at least 32x32 pixels, got \(28, 64\)"):
        b0(torch.randn(1, 3, 28, 64))


def test_epsilons_and_drop_path(b0) -> None:
    epsilons = [m.eps for m in b0.modules() if isinstance(m, nn.LayerNorm)]
    assert (epsilons.count(1e-6), epsilons.count(1e-5)) == (20, 10)
    rates = [block.drop_path.p for stage in b0.stages for block in stage.blocks]
    assert rates == pytest.approx([0.1 * i / 7 for i in range(8)])


def test_drop_path_skips_whole_branches_in_training() -> None:
    torch.manual_seed(0)
    backbone, image = MiT("b0", drop_path=0.5), torch.randn(1, 3, 64, 64)
    first, second = backbone(image)[3], backbone(image)[3]
    assert not torch.equal(first, second)
    backbone.eval()
    assert torch.equal(backbone(image)[3], backbone(image)[3])


def test_every_parameter_is_trained(b0) -> None:
    backbone = MiT("b0", drop_path=0.0)
    sum(
        (maps * torch.randn_like(maps)).sum() for maps in backbone(torch.randn(2, 3, 64, 64))
    ).backward()
    for name, parameter in backbone.named_parameters():
        assert parameter.grad.abs().sum() > 0 or name.endswith("kv.bias"), name


def test_layers_are_numbered_from_the_image_on(b0) -> None:
    depths = b0.layer_depths()
    assert depths.keys() == dict(b0.named_parameters()).keys()
    assert depths["stages.0.embed.proj.weight"] == 0
    assert depths["stages.0.blocks.1.attn.q.weight"] == 2 == depths["stages.0.norm.bias"]
    assert depths["stages.1.embed.norm.weight"] == 3 == depths["stages.1.blocks.0.mlp.fc1.bias"]
    assert depths["stages.3.norm.weight"] == 8
    network = nn.ModuleDict({"backbone": b0})
    groups = parameter_groups(network, lr=1.0, layer_decay=0.5)
    rates = {id(p): group["lr"] for group in groups for p in group["params"]}
    assert rates[id(b0.stages[0].embed.proj.weight)] == 0.5**8
    assert rates[id(b0.stages[3].norm.weight)] == 1.0


def test_wrong_names_and_files(tmp_path, b0) -> None:
    with pytest.raises(ConfigError, match="no arch 'B5'; did you mean 'b5'"):
        MiT("B5")
    state = b0.state_dict()
    del state["stages.2.blocks.1.attn.kv.weight"]
    torch.save(state, tmp_path / "part.pth")
    with pytest.raises(CheckpointError, match=r"missing in it: stages\.2\.blocks\.1\.attn\.kv\.w"):
        MiT("b0", weights=str(tmp_path / "part.pth"))
    with pytest.raises(CheckpointError, match="no weights file at nowhere"):
        MiT("b0", weights="nowhere.pth")
