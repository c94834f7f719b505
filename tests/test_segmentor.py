"""The segmentor: what it does to an image before and after the network."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine import Config
from torch import nn

from daseg.ops.resize import resize
from daseg.segmentor import Segmentor, build_segmentor, segmentor_config
from daseg.utils.errors import ConfigError


class Same(nn.Module):
    """A backbone whose feature map is the image."""

    out_channels = (3,)

    def forward(self, image):
        return (image,)


class First(nn.Module):
    """A head whose logits are the first feature map, at a fraction of its size."""

    def __init__(self, step=1):
        super().__init__()
        self.step = step

    def forward(self, features):
        return features[0][..., :: self.step, :: self.step]


MEAN, STD = (10.0, 20.0, 30.0), (2.0, 4.0, 5.0)


def make(**options) -> Segmentor:
    options = dict(num_classes=3, mean=MEAN, std=STD) | options
    return Segmentor(Same(), First(options.pop("step", 1)), **options)


@pytest.mark.parametrize("to_bgr", [False, True])
def test_normalisation_by_hand(to_bgr):
    image = np.random.default_rng(0).integers(0, 256, (1, 3, 2, 2))
    red, green, blue = ((image[0, c] - MEAN[c]) / STD[c] for c in range(3))
    expected = np.stack((blue, green, red) if to_bgr else (red, green, blue))
    found = make(to_bgr=to_bgr)(torch.from_numpy(image).byte())
    np.testing.assert_allclose(found.features[0][0].numpy(), expected, rtol=1e-6)


def test_uint8_and_float_images_are_the_same():
    image = torch.randint(0, 256, (2, 3, 4, 4), dtype=torch.uint8)
    assert torch.equal(make()(image).logits, make()(image.float()).logits)


def test_mean_and_std_are_in_the_checkpoint():
    state = make().state_dict()
    assert state["mean"].flatten().tolist() == list(MEAN)
    assert state["std"].flatten().tolist() == list(STD)


@pytest.mark.parametrize("shape", [(3, 4, 4), (1, 4, 4, 3), (1, 1, 4, 4)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"expected an image of shape \(N,3,H,W\), got \("):
        make()(torch.zeros(shape))


@pytest.mark.parametrize("align", [False, True])
def test_predictions_are_resized_as_align_corners_says(align):
    image = torch.rand(1, 3, 8, 8) * 10  # small, so that the softmax does not saturate
    found = make(step=4, align_corners=align).predict(image, (5, 7))
    logits = (image[..., ::4, ::4] - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(
        3, 1, 1
    )
    expected = nn.functional.interpolate(logits, (5, 7), mode="bilinear", align_corners=align)
    torch.testing.assert_close(found, expected.softmax(1))
    other = nn.functional.interpolate(logits, (5, 7), mode="bilinear", align_corners=not align)
    assert not torch.allclose(found, other.softmax(1), atol=1e-3)


def test_predictions_have_the_images_size_where_none_is_given():
    prob = make(step=2).predict(torch.zeros(2, 3, 6, 10, dtype=torch.uint8))
    assert prob.shape == (2, 3, 6, 10)
    assert not prob.requires_grad


def test_heads_get_the_backbones_channels_and_the_number_of_classes():
    backbone = dict(type="ResNet", depth=18)
    head = dict(type="DeepLabV2Head", branches=2)
    segmentor = Segmentor(backbone, head, head | {"in_index": -2}, num_classes=5)
    output = segmentor(torch.zeros(1, 3, 32, 64))
    assert output.logits.shape[1] == output.predictions["aux"].logits.shape[1] == 5
    assert [f.shape[1] for f in output.features] == list(segmentor.backbone.out_channels)
    assert make()(torch.zeros(1, 3, 4, 4)).predictions.keys() == {"main"}


def test_the_segmentors_config_is_found_with_and_without_an_adapter():
    own = dict(type="Segmentor", backbone=Same(), head=First(), num_classes=3)
    for model in (own, dict(type="DomainAdapter", segmentor=own)):
        cfg = SimpleNamespace(get=dict(model=model).get, filename="x.py")
        assert isinstance(build_segmentor(cfg), Segmentor)
    with pytest.raises(ConfigError, match="a config needs the key 'model'"):
        segmentor_config(Config(dict(a=1)))


def test_resizing_to_the_same_size_returns_the_tensor_itself():
    maps = torch.rand(1, 2, 3, 4)
    assert resize(maps, (3, 4), align_corners=True) is maps


def test_the_auxiliary_head_draws_its_dropout_first():
    """The order of random draws is part of what a seed reproduces."""
    ran = []

    class Named(nn.Module):
        def __init__(self, name):
            super().__init__()
            self.name = name

        def forward(self, features):
            ran.append(self.name)
            return features[-1]

    class Backbone(nn.Module):
        out_channels = (3,)

        def forward(self, image):
            return (image,)

    segmentor = Segmentor(Backbone(), Named("main"), Named("aux"), num_classes=3)
    output = segmentor(torch.zeros(1, 3, 4, 4))
    assert ran == ["aux", "main"]
    assert list(output.predictions) == list(segmentor.head_names) == ["main", "aux"]
