"""MaskedConsistency and the teacher's labels: worked out by hand, and against numbers of MIC."""

import zlib

import numpy as np
import pytest
import torch
from torch import nn

from daseg.objectives import ClassMix, MaskedConsistency, Supervised, View, teacher_labels
from daseg.ops.mixing import block_mask
from daseg.segmentor import Segmentor
from daseg.utils.errors import ConfigError

K, SIZE = 4, (8, 12)
PLAIN = dict(jitter_prob=0.0, blur_prob=0.0)
MEAN = (100.0, 110.0, 120.0)


class Backbone(nn.Module):
    """Gives the image itself."""

    out_channels = (3,)

    def forward(self, image):
        return (image,)


class Head(nn.Module):
    """Gives the same logits whatever the image; counts its runs."""

    def __init__(self, logits, mirrored=None):
        super().__init__()
        self.logits, self.mirrored, self.runs = logits, mirrored, 0

    def forward(self, features):
        self.runs += 1
        bright = features[0][0, 0, 0, 0] > features[0][0, 0, 0, -1]
        return self.mirrored if self.mirrored is not None and bright else self.logits


def random(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def make(teacher, logits=None, *, count=2, mirrored=None, size=SIZE):
    """Views of source (10 everywhere) and target (200, brighter at the right)."""
    network = Segmentor(Backbone(), Head(logits), num_classes=K, mean=MEAN)
    options = dict(
        align_corners=False, teacher=Segmentor(Backbone(), Head(teacher, mirrored), num_classes=K)
    )
    label = torch.arange(count * size[0]).view(count, -1, 1) % K
    label = label.expand(count, *size).contiguous()
    source = View(network, torch.full((count, 3, *size), 10).byte(), label, **options)
    image = torch.full((count, 3, *size), 200).byte()
    image[..., -1] = 250
    return source, View(network, image, domain="target", **options)


def test_the_masked_images_their_labels_and_weights_by_hand():
    teacher = torch.zeros(2, K, *SIZE)
    teacher[0, 3], teacher[1, 2] = 5.0, 5.0  # 98.0 % sure
    teacher[0, :, :, :3] = 0  # a quarter of the first image: an eighth of all pixels are not
    source, target = make(teacher)
    margins = dict(ignore_top=1, ignore_bottom=2, ignore_left=4, ignore_right=3)
    objective = MaskedConsistency(block=4, hidden=0.5, **margins, **PLAIN)
    assert objective.derives_from == ("target",)
    torch.manual_seed(3)
    masked = objective.derive(None, target)
    torch.manual_seed(3)
    torch.rand(2, 7)  # of the colours, which are drawn in any case
    keep = block_mask(2, SIZE, 4, 0.5)
    assert 0 < keep.float().mean() < 1
    hidden = torch.tensor(MEAN).view(1, 3, 1, 1)
    assert torch.equal(masked.image, torch.where(keep, target.image, hidden))
    assert (target.segmentor.normalize(masked.image)[~keep.expand(2, 3, *SIZE)] == 0).all()
    pseudo = torch.tensor([3, 2]).view(2, 1, 1).repeat(1, *SIZE)
    pseudo[0, :, :3] = 0
    assert torch.equal(masked.label, pseudo)
    weight = torch.full((2, *SIZE), 1 - 1 / 8)  # the margins count among the pixels that are sure
    weight[:, :1], weight[:, -2:] = 0, 0
    weight[..., :4], weight[..., -3:] = 0, 0
    assert torch.equal(masked.weight, weight)
    assert (masked.domain, target.has_run, source.has_run) == ("derived", False, False)


@pytest.mark.parametrize("first", [0, 1])
def test_both_domains_alternate_in_the_batch_wherever_its_parts_begin(first):
    """The source's images with their labels and a weight of 1."""
    source, target = make(torch.zeros(2, K, *SIZE))
    for view in (source, target):
        view.rows = slice(first, first + 2)
    source.labels = torch.cat([source.labels, source.labels + 1, source.labels]) % K
    objective = MaskedConsistency(
        images="both", hidden=0.0, confidence=0.2, weighting="pixel", **PLAIN
    )
    assert objective.domains == {"source", "target"}
    masked = objective.derive(source, target)
    own = first  # the place of the source's image among the two: that of an even row
    assert (masked.image[own] == 10).all()
    assert torch.equal(masked.image[1 - own], target.image[1 - own].float())
    assert torch.equal(masked.label[own], source.label[own])
    assert (masked.label[1 - own] == 0).all()
    assert (masked.weight == 1).all()


@pytest.mark.parametrize(
    ("weighting", "expected"), [("share", [0.5, 0.5]), ("pixel", [0, 1]), ("none", [1, 1])]
)
def test_what_a_pixel_counts(weighting, expected):
    teacher = torch.zeros(2, K, *SIZE)
    teacher[1, 2] = 5.0
    _, target = make(teacher)
    masked = MaskedConsistency(weighting=weighting, **PLAIN).derive(None, target)
    assert masked.weight.flatten(1).mean(1).tolist() == expected


def test_the_share_is_that_of_all_processes(monkeypatch):
    def others_are_not_sure(share, op):
        assert (share.item(), op) == (0.5, "mean")
        share /= 2

    monkeypatch.setattr(teacher_labels, "all_reduce", others_are_not_sure)
    teacher = torch.zeros(2, K, *SIZE)
    teacher[1, 2] = 5.0
    _, target = make(teacher)
    _, weight, confident = MaskedConsistency().labels(target)
    assert (weight == 0.25).all()
    assert confident == 0.25


def test_the_teachers_answers_for_an_image_and_its_mirror_image_are_averaged():
    teacher, mirrored = 2 * random(0, 2, K, *SIZE), 2 * random(1, 2, K, *SIZE)
    _, target = make(teacher, mirrored=mirrored)
    expected = (teacher.softmax(1) + mirrored.softmax(1).flip(-1)) / 2
    objectives = [MaskedConsistency(flip=True, **PLAIN), ClassMix(flip=True, **PLAIN)]
    for objective in objectives:
        label, _, share = objective.labels(target)
        assert torch.equal(label, expected.argmax(1))
        assert share == (expected.amax(1) >= 0.968).float().mean()
        target.detach()
    assert target.teacher.head.runs == 2  # once for each, whoever asks
    plain = MaskedConsistency(**PLAIN).labels(target).label
    assert torch.equal(plain, teacher.argmax(1))
    assert target.teacher.head.runs == 2


@pytest.mark.parametrize(
    ("seed", "scale", "top", "bottom", "share", "crc", "total"),
    [
        (51, 4.0, 3, 5, 157 / 1536, 3604836071, 104.666664),
        (52, 2.0, 0, 0, 1 / 1536, 3629725137, 1.00000003),
    ],
)
def test_labels_and_weights_are_those_of_dacs_public_code(
    seed, scale, top, bottom, share, crc, total
):
    logits = (np.random.RandomState(seed).standard_normal((2, 19, 24, 32)) * scale).astype("f4")
    objective = MaskedConsistency(ignore_top=top, ignore_bottom=bottom)
    _, target = make(torch.from_numpy(logits), size=(24, 32))
    label, weight, confident = objective.labels(target)
    assert confident.item() == pytest.approx(share)
    assert zlib.crc32(label.numpy().astype(np.uint8).tobytes()) == crc
    assert weight.sum().item() == pytest.approx(total)
    assert (weight == 0).all(2).all(0).sum() == top + bottom


@pytest.mark.parametrize(
    ("seed", "size", "loss"), [(71, (128, 192), 1.43669514383), (78, (160, 230), 1.44379508526)]
)
def test_the_loss_is_that_of_mics_public_code(seed, size, loss):
    r = np.random.RandomState(seed)
    r.standard_normal((2, 3, *size))
    r.random_sample((2, 1, *((4, 6) if seed == 71 else (2, 4))))
    logits = torch.from_numpy(r.standard_normal((2, 19, *size)).astype("f4"))
    pseudo = torch.from_numpy(r.randint(0, 19, (2, *size)))
    weight = torch.full((2, *size), 0.4321)
    weight[:, :3] = 0
    network = Segmentor(Backbone(), Head(logits.double()), num_classes=19).double()
    view = View(network, torch.zeros(2, 3, *size), align_corners=False).derived(
        torch.zeros(2, 3, *size), pseudo, weight
    )
    objective = MaskedConsistency(loss=dict(type="CrossEntropyLoss", mean="all"), name="b")
    losses = objective.derived_losses(view)
    assert losses.keys() == {"loss_masked_b"}
    assert losses["loss_masked_b"].item() == pytest.approx(loss, rel=1e-6)


def test_a_loss_follows_that_on_source_labels():
    weights = dict(type="CrossEntropyLoss", class_weights=[1.0, 2.0, 3.0, 4.0], mean="all")
    supervised = Supervised(loss=weights)
    for kind in (MaskedConsistency, ClassMix):
        objective = kind(loss="supervised")
        objective.meet([objective, supervised])
        assert objective.loss is not supervised.loss
        assert objective.loss.class_weights.tolist() == [1, 2, 3, 4]
        assert objective.loss.mean == "all"
        with pytest.raises(ConfigError, match="has loss='supervised', but there is no objective"):
            kind(loss="supervised").meet([objective])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(images="source"), "images is 'target' or 'both', not 'source'"),
        (dict(block=0), r"block is at least 1 and hidden is in 0\.\.1, not 0 and 0\.7"),
        (dict(hidden=1.5), r"block is at least 1 and hidden is in 0\.\.1, not 64 and 1\.5"),
        (dict(weighting="max"), "weighting is 'share', 'pixel' or 'none', not 'max'"),
        (dict(ignore_top=-1), "ignore_top is at least 0, not -1"),
        (dict(ignore_right=-2), "ignore_right is at least 0, not -2"),
        (dict(confidence=2), r"confidence is in 0\.\.1, not 2"),
        (dict(colors="lab"), "colors is 'rgb' or 'hsv', not 'lab'"),
    ],
)
def test_arguments_out_of_range(arguments, message):
    with pytest.raises(ConfigError, match=f"^MaskedConsistency: {message}$"):
        MaskedConsistency(**arguments)


def test_what_cannot_be_masked():
    source, target = make(torch.zeros(1, K, *SIZE), count=1)
    both = MaskedConsistency(images="both")
    with pytest.raises(ConfigError, match=r"a batch of one .*give train_dataloader\.batch_size=2"):
        both.derive(source, target)
    height, width = SIZE
    for margins in (dict(ignore_bottom=height), dict(ignore_left=1, ignore_right=width - 1)):
        with pytest.raises(ConfigError, match=rf"leave nothing of images of {height}x{width} "):
            MaskedConsistency(**margins).derive(None, target)
    source, target = make(torch.zeros(2, K, *SIZE))
    source.image = source.image[..., :-1]
    with pytest.raises(ConfigError, match=r"end both pipelines with the same crop$"):
        both.derive(source, target)
    source.labels = None
    with pytest.raises(ConfigError, match=r"remove labels=False from .*source$"):
        both.derive(source, target)


@pytest.mark.parametrize("kind", [ClassMix, MaskedConsistency])
def test_nothing_is_learnt_in_the_margins_of_the_whole_image(kind):
    teacher = torch.zeros(2, K, *SIZE)
    teacher[:, 1] = 9.0
    source, target = make(teacher)
    objective = kind(ignore_top=1, **PLAIN)
    objective.prepare(target.segmentor)
    everywhere = objective.labels(target)
    target.trusted = torch.rand(2, *SIZE, generator=torch.Generator().manual_seed(0)) < 0.5
    found = objective.labels(target)
    assert torch.equal(found.weight, torch.where(target.trusted, everywhere.weight, 0.0))
    assert found.weight[:, :1].sum() == 0 < found.weight.sum()
    assert found.confident == everywhere.confident
    torch.manual_seed(0)
    derived = objective.derive(source, target)
    pasted = derived.image[:, 0] == 10
    assert (derived.weight[~target.trusted & ~pasted] == 0).all()
    assert derived.trusted is None
    assert kind is MaskedConsistency or (derived.weight[pasted] == 1).all()
