"""FeatureDistance: numbers of DAFormer's public code, and what its frozen network never does."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import nn

from daseg.adaptation import DomainAdapter
from daseg.datasets import Cityscapes
from daseg.objectives import FeatureDistance, Supervised, View
from daseg.objectives.feature_distance import THINGS, pure_places
from daseg.segmentor import Segmentor
from daseg.utils.errors import ConfigError

INDICES = (6, 7, 11, 12, 13, 14, 15, 16, 17, 18)


class Backbone(nn.Module):
    """Gives preset maps; remembers the images."""

    def __init__(self, maps):
        super().__init__()
        self.maps = nn.Parameter(torch.from_numpy(maps).double())
        self.out_channels, self.seen = (maps.shape[1],), []

    def forward(self, image):
        self.seen.append(image)
        return (self.maps[: len(image)],)


class Head(nn.Module):
    def forward(self, features):
        return features[-1].mean(1, keepdim=True).expand(-1, 19, -1, -1)


def public_case(seed):
    """What the public code was run on: features of student and of ImageNet, labels."""
    shape, cell = {21: ((2, 8, 4, 4), 32), 22: ((1, 16, 3, 5), 16)}[seed]
    r = np.random.RandomState(seed)
    student, frozen = (r.standard_normal(shape).astype("f4") for _ in range(2))
    count, rows, columns = shape[0], *shape[2:]
    large = r.randint(0, 19, (count, rows, columns)).repeat(cell, 1).repeat(cell, 2)
    fine = (count, 4 * rows, 4 * columns)
    small = r.randint(0, 19, fine).repeat(cell // 4, 1).repeat(cell // 4, 2)
    chosen = (r.random_sample(fine) < 0.2).repeat(cell // 4, 1).repeat(cell // 4, 2)
    label = np.where(chosen, small, large)
    label[r.random_sample(label.shape) < 0.05] = 255
    return student, frozen, torch.from_numpy(label)


def make(student, frozen, label, **options):
    objective = FeatureDistance(Backbone(frozen), **options)
    segmentor = Segmentor(Backbone(student), Head(), num_classes=19, mean=(0,) * 3, std=(1,) * 3)
    objective.prepare(segmentor.double())
    image = torch.zeros(len(label), 3, *label.shape[1:])
    return objective, View(segmentor, image, label, align_corners=False)


@pytest.mark.parametrize(
    ("seed", "places", "loss", "everywhere", "gradient", "at"),
    [
        (
            21,
            12,
            0.0196610662623,
            0.018806519,
            0.01165165148,
            {43: 0.000146287201, 87: 0.000165216115, 132: -0.000112047353},
        ),
        (
            22,
            8,
            0.0288078715517,
            0.0287749693,
            0.01659695924,
            {1: -0.000227495553, 80: 0.000250924674, 197: 0.000317020059},
        ),
    ],
)
def test_value_and_gradient_are_those_of_the_public_code(
    seed, places, loss, everywhere, gradient, at
):
    student, frozen, label = public_case(seed)
    objective, view = make(student, frozen, label)
    objective.use_classes([name.upper() for name in Cityscapes.CLASSES])
    assert objective.classes == INDICES
    assert pure_places(label, student.shape[2:], INDICES, 0.75).sum() == places
    found = objective.source_losses(view)["loss_feature"]
    assert found.item() == pytest.approx(loss, rel=1e-6)
    found.backward()
    grad = view.segmentor.backbone.maps.grad.flatten()
    assert grad.abs().sum().item() == pytest.approx(gradient, rel=1e-6)
    for place, value in at.items():
        assert grad[place].item() == pytest.approx(value, rel=1e-5)
    assert objective.frozen.maps.grad is None
    objective, view = make(student, frozen, label, classes=None, name="all")
    found = objective.source_losses(view)["loss_feature_all"]
    assert found.item() == pytest.approx(everywhere, rel=1e-6)


def test_a_share_that_is_just_reached_counts_and_a_border_of_no_place_does_not():
    label = torch.full((1, 8, 12), 255)
    label[0, :4, :4] = 0
    label[0, 0, :4] = 11  # 4 of 16 pixels: class 0 has exactly three quarters
    label[0, :4, 4:8] = 11
    label[0, 0, 4:7], label[0, 1, 4:6] = 0, 0  # 11 of 16
    label[0, 4:, 8:] = 11
    found = pure_places(label, (2, 3), [0, 11], 0.75)
    assert found.tolist() == [[[1, 0, 0], [0, 0, 1]]]
    assert pure_places(label, (2, 3), [11], 0.75).tolist() == [[[0, 0, 0], [0, 0, 1]]]
    # 13 columns on 3 places of 5: the last one reaches two pixels beyond the label.
    wide = torch.cat([label, torch.full((1, 8, 1), 11)], 2)
    assert pure_places(wide, (2, 3), [11], 0.7).tolist() == [[[0, 0, 0], [0, 0, 0]]]
    assert pure_places(wide[..., 1:], (2, 3), [11], 0.7).tolist() == [[[0, 0, 0], [0, 0, 1]]]


def test_without_a_place_that_counts_it_is_zero_and_so_is_its_gradient():
    student, frozen, label = public_case(21)
    objective, view = make(student, frozen, torch.full_like(label, 255), classes=INDICES)
    found = objective.source_losses(view)["loss_feature"]
    found.backward()
    assert found.item() == 0
    assert (view.segmentor.backbone.maps.grad == 0).all()
    # Nor does a distance of 0 give NaN, as a square root of 0 would.
    objective, view = make(student, student, label, classes=INDICES)
    objective.source_losses(view)["loss_feature"].backward()
    assert view.segmentor.backbone.maps.grad.isfinite().all()


def test_parts_of_a_batch_make_the_mean_of_the_whole():
    student, frozen, label = public_case(21)
    label[1][label[1] < 14] = 0  # places that count differ in number
    objective, whole = make(student, frozen, label, classes=INDICES)
    expected = objective.source_losses(whole)["loss_feature"]
    total = 0
    for row in range(2):
        rows = slice(row, row + 1)
        objective, view = make(student[rows], frozen[rows], label, classes=INDICES)
        view.image, view.rows = view.image[rows], rows
        total += objective.source_losses(view)["loss_feature"] / 2
    assert total.item() == pytest.approx(expected.item())


def test_the_frozen_network_sees_what_the_segmentors_features_are_of(monkeypatch):
    """HRDA's are those of the halved image."""
    student, frozen, label = public_case(21)
    objective, view = make(student, frozen, label, classes=INDICES)
    view.image = torch.rand(2, 3, 128, 128)
    half = view.image[..., ::2, ::2].double()
    monkeypatch.setattr(view.segmentor, "backbone_input", lambda image: half)
    objective.source_losses(view)
    assert objective.frozen.seen[0] is half
    objective.frozen.maps.data = objective.frozen.maps.data[..., 1:]
    with pytest.raises(
        ConfigError, match=r"are \(2, 8, 4, 4\), .* \(2, 8, 4, 3\): give it a backbone"
    ):
        objective.source_losses(view)


class Noisy(nn.Module):
    """A convolution, a batch norm and dropout: two modes that differ."""

    out_channels = (4,)

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 8, 8), nn.BatchNorm2d(4), nn.Dropout(0.5))

    def forward(self, image):
        return (self.layers(image),)


def test_the_frozen_network_is_trained_saved_and_set_to_training_by_nobody():
    frozen = Noisy()
    segmentor = Segmentor(deepcopy(frozen), Head(), num_classes=19)
    objective = FeatureDistance(frozen, classes=(11,))
    adapter = DomainAdapter(segmentor, [Supervised(), objective]).train()
    start = deepcopy(frozen.state_dict())
    assert not any(m.training for m in frozen.modules())
    assert not any(p.requires_grad for p in frozen.parameters())
    assert not any("frozen" in key for key in adapter.state_dict())
    assert len(list(adapter.parameters())) == len(list(segmentor.parameters()))
    optimizer = torch.optim.SGD(segmentor.parameters(), lr=1.0)
    wrappers = OptimWrapperDict(segmentor=OptimWrapper(optimizer))
    label = torch.full((2, 16, 16), 11)
    batch = dict(image=torch.randint(0, 255, (2, 3, 16, 16)).byte(), label=label)
    log = adapter.train_step(batch, wrappers)
    assert log["loss_feature"] > 0
    for key, value in frozen.state_dict().items():
        assert torch.equal(value, start[key]), key
    assert not torch.equal(segmentor.backbone.layers[0].weight, start["layers.0.weight"])
    assert adapter.double().objectives[1].frozen.layers[0].weight.dtype is torch.float64


def test_what_it_refuses():
    student, frozen, label = public_case(21)
    with pytest.raises(ConfigError, match=r"min_share is above 0\.5 and at most 1: 0\.5$"):
        FeatureDistance(Backbone(frozen), min_share=0.5)
    with pytest.raises(ConfigError, match=r"its backbone has no weights, .*backbone\.weights$"):
        FeatureDistance(dict(type="ResNet", depth=18))
    with pytest.raises(ConfigError, match=r"map -1 has 8 channels, .*frozen backbone 5: give it"):
        make(student, frozen[:, :5], label)
    objective, view = make(student, frozen, label)
    with pytest.raises(ConfigError, match=r"call adapter\.use_classes\(names\), or give indices$"):
        objective.source_losses(view)
    with pytest.raises(ConfigError, match=r"none of its classes .*'bicycle'\] .*\(sky, water\)"):
        objective.use_classes(["sky", "water"])
    objective.use_classes(["sky", "Car", "bus"])
    assert objective.classes == (1, 2)
    view.labels = None
    with pytest.raises(ConfigError, match=r"looks for classes in the source's labels"):
        objective.source_losses(view)
    assert set(THINGS) < set(Cityscapes.CLASSES)
