"""Published files of CycleGAN through the tool; the outputs are in test_parity.py."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from daseg.compat.cyclegan import NETWORKS, convert_network_file
from daseg.engine.checkpoint import read_checkpoint
from daseg.segmentor import Segmentor
from daseg.translation import CycleGAN
from daseg.utils.errors import CheckpointError, ConfigError
from daseg.weights.strict import load_groups

TOOL = Path(__file__).parents[2] / "tools/convert_checkpoint.py"
KEYS = Path(__file__).parents[1] / "fixtures/state_dict_keys"
GENERATOR = dict(type="ResNetGenerator", channels=4, blocks=9)
DISCRIMINATOR = dict(type="PatchGANDiscriminator", channels=4)


def model(**changes) -> CycleGAN:
    parts = (GENERATOR, GENERATOR, DISCRIMINATOR, DISCRIMINATOR)
    return CycleGAN(**{**dict(zip(NETWORKS, parts, strict=True)), **changes})


def published(name: str, prefix: str = "") -> dict[str, torch.Tensor]:
    """A file with the published names, a sixteenth as wide."""
    state = {}
    for line in (KEYS / f"keys_cyclegan_{name}.txt").read_text().splitlines():
        key, shape, kind = line.split()
        if kind == "int64":
            state[prefix + key] = torch.tensor(0)
            continue
        sides = [int(n) for n in shape.split("x")]
        narrow = [side // 16 if side >= 64 else side for side in sides]
        state[prefix + key] = torch.randn(narrow)
    return state


FILES = {
    "source_to_target": "resnet9_generator",
    "target_to_source": "resnet9_generator_trackstats",
    "disc_source": "nlayer_discriminator",
    "disc_target": "nlayer_discriminator",
}


@pytest.mark.parametrize("network", FILES)
def test_each_network_finds_its_place(network, tmp_path):
    file = published(FILES[network], "module.")
    torch.save(file, tmp_path / "net.pth")
    target = model()
    report = convert_network_file(tmp_path / "net.pth", tmp_path / "ours.pth", target, network)
    checkpoint = read_checkpoint(tmp_path / "ours.pth")
    assert checkpoint["meta"]["source"] == "cyclegan"
    own = {f"{network}.{key}" for key in getattr(target, network).state_dict()}
    assert checkpoint["state_dict"].keys() == own
    assert report.mapped.keys() | report.dropped.keys() == file.keys()
    for theirs, ours in report.mapped.items():
        assert torch.equal(checkpoint["state_dict"][ours], file[theirs])
    if "track" in FILES[network]:
        assert "left out: module.model.2.running_mean (running statistics of" in str(report)
    # It is loaded where a checkpoint is wanted for this network alone.
    alone = torch.nn.ModuleDict({network: getattr(target, network)})
    load_groups({"": alone}, tmp_path / "ours.pth")
    for key, value in alone.state_dict().items():
        assert torch.equal(value, checkpoint["state_dict"][key])


def test_the_converted_generator_translates_as_the_published_numbers_say(tmp_path):
    """One file, both directions: a file goes to the network that is named, to no other."""
    torch.save(published("resnet9_generator"), tmp_path / "net.pth")
    one, other = model(), model()
    for target, network in ((one, "source_to_target"), (other, "target_to_source")):
        convert_network_file(tmp_path / "net.pth", tmp_path / "o.pth", target, network, force=True)
        group = torch.nn.ModuleDict({network: getattr(target, network)})
        load_groups({"": group}, tmp_path / "o.pth")
    image = torch.rand(1, 3, 16, 16) * 255
    found = one.translate(image, "source_to_target")
    torch.testing.assert_close(found, other.translate(image, "target_to_source"))
    assert not torch.allclose(found, one.translate(image, "target_to_source"))


def test_what_does_not_fit_is_an_error(tmp_path):
    file = published("resnet9_generator")

    def convert(state, network="source_to_target", target=None):
        torch.save(state, tmp_path / "net.pth")
        convert_network_file(tmp_path / "net.pth", tmp_path / "o.pth", target or model(), network)

    with pytest.raises(CheckpointError, match=r"net\.pth: this cyclegan file: weights are missing"):
        convert({k: v for k, v in file.items() if k != "model.26.bias"})
    with pytest.raises(CheckpointError, match=r"no known use: model\.30\.weight"):
        convert(file | {"model.30.weight": torch.zeros(1)})
    six = model(source_to_target=dict(GENERATOR, blocks=6))
    with pytest.raises(CheckpointError, match="9 residual blocks, the config's generator 6"):
        convert(file, target=six)
    wide = model(source_to_target=dict(GENERATOR, channels=8))
    with pytest.raises(CheckpointError, match="wrong shape"):
        convert(file, target=wide)
    with pytest.raises(CheckpointError, match="none of its keys fits"):
        convert({"layer1.weight": torch.zeros(1)})
    with pytest.raises(ConfigError, match="a CycleGAN, has no network 'source_to_targt'"):
        convert(file, "source_to_targt")
    plain = Segmentor(dict(type="ResNet", depth=18), dict(type="DeepLabV2Head"), num_classes=2)
    with pytest.raises(ConfigError, match="a Segmentor, has no network 'source_to_target'"):
        convert(file, target=plain)
    (tmp_path / "o.pth").write_bytes(b"kept")
    with pytest.raises(CheckpointError, match=r"o\.pth exists; choose another name"):
        convert(file)
    assert (tmp_path / "o.pth").read_bytes() == b"kept"


def test_the_tool(tmp_path):
    torch.save(published("resnet9_generator_dropout"), tmp_path / "latest_net_G_B.pth")
    config = tmp_path / "small.py"
    config.write_text(
        f"generator, discriminator = {GENERATOR}, {DISCRIMINATOR}\n"
        "model = dict(type='CycleGAN', source_to_target=generator, target_to_source=generator,\n"
        "             disc_source=discriminator, disc_target=discriminator)\n"
    )
    command = [sys.executable, TOOL, "cyclegan", tmp_path / "latest_net_G_B.pth"]
    command += [tmp_path / "ours.pth", "--config", config, "--network", "target_to_source"]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "48 tensors mapped, 0 left out" in done.stdout
    assert "warning: this network was trained with dropout" in done.stdout
    assert "ours.pth, with target_to_source alone" in done.stdout
    state = read_checkpoint(tmp_path / "ours.pth")["state_dict"]
    assert {key.split(".")[0] for key in state} == {"target_to_source"}
