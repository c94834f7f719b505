"""VGG-16: against torchvision's where the layers coincide, by hand where they do not."""

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from daseg.backbones import VGG16
from daseg.heads import DeepLabV2Head
from daseg.registry import BACKBONES
from daseg.utils.errors import CheckpointError


@pytest.fixture(scope="module")
def published():
    """The network of torchvision with random weights, and next to nothing for a classifier."""
    torch.manual_seed(0)
    with torch.device("meta"):
        network = torchvision.models.vgg16(weights=None)
    for number in (0, 3, 6):
        network.classifier[number] = nn.Linear(1, 1)
    for conv in network.features.to_empty(device="cpu"):
        if isinstance(conv, nn.Conv2d):
            nn.init.kaiming_normal_(conv.weight)
            nn.init.normal_(conv.bias)
    return network


@pytest.fixture
def file(published, tmp_path):
    path = tmp_path / "vgg16.pth"
    torch.save(published.state_dict(), path)
    return str(path)


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_parameters():
    backbone = VGG16()
    head = DeepLabV2Head(backbone.out_channels, 19, branches=2)
    assert count(backbone) + count(head) == 29_573_004


@torch.no_grad()
@pytest.mark.parametrize(("height", "width"), [(64, 128), (40, 56)])
def test_sizes_and_channels(height, width):
    backbone = BACKBONES.build(dict(type="VGG16"))
    features = backbone(torch.rand(1, 3, height, width))
    assert [f.shape[1] for f in features] == list(backbone.out_channels)
    assert [f.shape[2:] for f in features] == [(height // s, width // s) for s in (4, 8, 8, 8)]
    with torch.device("meta"):
        full = VGG16()(torch.empty(1, 3, 512, 1024))
    assert full[-1].shape == (1, 1024, 64, 128)


@torch.no_grad()
def test_a_torchvision_file_gives_the_same_maps_where_layers_coincide(published, file):
    torch.manual_seed(1)
    backbone, image = VGG16(weights=file), torch.randn(1, 3, 32, 48)
    features = backbone(image)
    stages = published.features
    torch.testing.assert_close(features[0], stages[:16](image))  # up to the third stage
    x = stages[:23](image)  # the fourth, before its pooling
    torch.testing.assert_close(features[1], x)
    for number in (24, 26, 28):  # the fifth, dilated
        conv = stages[number]
        x = F.conv2d(x, conv.weight, conv.bias, padding=2, dilation=2).relu()
    torch.testing.assert_close(features[2], x)
    for number in (29, 31):
        conv = backbone.features[number]
        x = F.conv2d(x, conv.weight, conv.bias, padding=4, dilation=4).relu()
    torch.testing.assert_close(features[3], x)


def test_what_a_torchvision_file_does_not_hold_is_left_as_drawn(file):
    torch.manual_seed(1)
    drawn = VGG16()
    torch.manual_seed(1)
    backbone = VGG16(weights=file)
    for number in (29, 31):
        assert torch.equal(backbone.features[number].weight, drawn.features[number].weight)
    assert not torch.equal(backbone.features[27].weight, drawn.features[27].weight)
    weights = backbone.initial_weights
    assert weights.source == file
    assert set(weights.dropped) == {
        f"classifier.{i}.{p}" for i in (0, 3, 6) for p in ("weight", "bias")
    }


def test_a_file_of_ours_fits_whole(tmp_path):
    network, path = VGG16(), tmp_path / "ours.pth"
    torch.save({f"backbone.{k}": v for k, v in network.state_dict().items()}, path)
    again = VGG16(weights=str(path)).state_dict()
    assert all(torch.equal(v, again[k]) for k, v in network.state_dict().items())


def test_imagenet_is_torchvisions_file(file, published, tmp_path, monkeypatch):
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    url = torchvision.models.VGG16_Weights.IMAGENET1K_V1.url
    torch.save(published.state_dict(), folder / url.rsplit("/", 1)[-1])
    backbone = VGG16(weights="imagenet")
    assert torch.equal(backbone.features[23].weight, published.features[24].weight)


def test_weights_that_do_not_fit_are_refused(published, tmp_path):
    with pytest.raises(CheckpointError, match=r"no weights file at .*none\.pth"):
        VGG16(weights=str(tmp_path / "none.pth"))
    state, path = dict(published.state_dict()), tmp_path / "part.pth"
    del state["features.26.bias"]
    torch.save(state, path)
    with pytest.raises(CheckpointError, match=r"missing in it: features\.26\.bias"):
        VGG16(weights=str(path))
