"""FeatureDistance with a projector: its value in numpy, its optimizer, both domains."""

import math

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from daseg.adaptation import DomainAdapter
from daseg.engine.optim import OptimizersByNetwork
from daseg.objectives import FeatureDistance, Supervised, View
from daseg.segmentor import Segmentor
from daseg.utils.errors import ConfigError


class Maps(nn.Module):
    """Gives preset maps, whatever the image."""

    def __init__(self, *shape, seed):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.maps = nn.Parameter(torch.randn(*shape, generator=generator, dtype=torch.float64))
        self.out_channels = (shape[1],)

    def forward(self, image):
        return (self.maps[: len(image)],)


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3, 1, 1))

    def forward(self, features):
        return features[-1].mean(1, keepdim=True) * self.scale


def make(*, domains=("source",), **options):
    torch.manual_seed(0)
    objective = FeatureDistance(
        Maps(2, 6, 5, 7, seed=2), projector=True, classes=None, domains=domains, **options
    )
    segmentor = Segmentor(Maps(2, 4, 3, 5, seed=1), Head(), num_classes=3)
    adapter = DomainAdapter(segmentor, [Supervised(), objective]).double().train()
    return adapter, adapter.objectives[1]


def view(adapter, domain="source"):
    return View(adapter.segmentor, torch.zeros(2, 3, 12, 20), align_corners=False, domain=domain)


def projected(maps, layers):
    """The projector and the resizing, in numpy: maps (N,C,h,w) to (N,C',5,7)."""
    first, norm, _, last = layers
    weights = [layer.weight.detach().numpy()[..., 0, 0] for layer in (first, last)]
    x = np.einsum("nchw,dc->nhwd", maps, weights[0]) + first.bias.detach().numpy()
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)
    x = x * norm.weight.detach().numpy() + norm.bias.detach().numpy()
    x = x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))
    x = np.einsum("nhwc,dc->nhwd", x, weights[1]) + last.bias.detach().numpy()
    large = [cv2.resize(image, (7, 5), interpolation=cv2.INTER_LINEAR) for image in x]
    return np.stack(large).transpose(0, 3, 1, 2)


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_its_value_is_that_of_numpy(distance):
    adapter, objective = make(distance=distance, weight=0.1)
    own = projected(adapter.segmentor.backbone.maps.detach().numpy(), objective.projector)
    frozen = objective.frozen.maps.numpy()
    if distance == "euclidean":
        expected = np.sqrt(((own - frozen) ** 2).sum(1)).mean()
    else:
        lengths = np.sqrt((own**2).sum(1)) * np.sqrt((frozen**2).sum(1))
        far = np.abs(own - frozen)
        smooth = np.where(far < 1, far**2 / 2, far - 0.5).mean()
        expected = 0.9 * (1 - (own * frozen).sum(1) / lengths).mean() + 0.1 * smooth
    found = objective.source_losses(view(adapter))["loss_feature"]
    assert found.item() == pytest.approx(0.1 * expected, rel=1e-5)  # OpenCV's weights are float32


def test_the_segmentors_optimizer_trains_it_at_its_own_rate():
    adapter, objective = make(domains=("source", "target"), weight=1.0)
    sgd = dict(optimizer=dict(type="SGD", lr=0.01), lr_mult=dict(head=10, projectors=3))
    wrappers = OptimizersByNetwork(dict(segmentor=sgd))(adapter)
    losses = objective.source_losses(view(adapter)) | objective.target_losses(
        view(adapter, "target")
    )
    assert losses.keys() == {"loss_feature", "loss_feature_target"}
    parameters = list(objective.projector.parameters())
    gradients = torch.autograd.grad(sum(losses.values()), parameters)
    expected = [p.detach() - 0.03 * g for p, g in zip(parameters, gradients, strict=True)]
    images = torch.zeros(2, 3, 12, 20, dtype=torch.uint8)
    source = dict(image=images, label=torch.zeros(2, 12, 20, dtype=torch.long))
    log = adapter.train_step(dict(source=source, target=dict(image=images)), wrappers)
    assert log["loss_feature_target"] > 0
    for parameter, value in zip(parameters, expected, strict=True):
        assert torch.allclose(parameter, value, rtol=1e-12)
    assert sum("projector" in key for key in adapter.state_dict()) == 6
    assert not any("projector" in key for key in adapter.segmentor.state_dict())
    assert objective.frozen.maps.grad is None


def test_what_it_refuses():
    frozen = Maps(2, 6, 5, 7, seed=2)
    with pytest.raises(ConfigError, match=r"target has no labels .* give classes=None$"):
        FeatureDistance(frozen, domains=("target",))
    with pytest.raises(ConfigError, match=r"'source', 'target' or both, not \('derived',\)$"):
        FeatureDistance(frozen, domains=("derived",), classes=None)
    with pytest.raises(ConfigError, match=r"'euclidean' or 'cosine', not 'l1'$"):
        FeatureDistance(frozen, distance="l1")
