"""ClassMix: the mixture and its loss, worked out by hand; what it refuses."""

import re
import zlib

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from daseg.objectives import ClassMix, View, mixing
from daseg.objectives.teacher_labels import Taught
from daseg.ops.mixing import class_mask
from daseg.utils.errors import ConfigError
from outputs import seg_output
from published import modern_fixtures

K, SIZE = 4, (6, 8)
PLAIN = dict(jitter_prob=0.0, blur_prob=0.0)


class Fixed(nn.Module):
    """Gives the same logits whatever it is asked, and keeps what it was asked."""

    def __init__(self, *logits):
        super().__init__()
        self.logits = logits
        self.asked = []

    def forward(self, image):
        self.asked.append((image, torch.is_grad_enabled()))
        return seg_output(*self.logits)


def random(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def make(objective, teacher_logits, logits, *, aux=None, label=None):
    """The views of both domains; the source has images of 10s, the target of 200s."""
    objective.num_classes = K
    label = torch.arange(K).repeat_interleave(2).expand(2, 6, 8) if label is None else label
    network, teacher = Fixed(logits, aux), Fixed(teacher_logits, None)
    options = dict(align_corners=False, teacher=teacher, iteration=3)
    source = View(network, torch.full((2, 3, *SIZE), 10).byte(), label, **options)
    image = torch.full((2, 3, *SIZE), 200).byte()
    return source, View(network, image, domain="target", **options)


def test_the_mixture_by_hand():
    """Columns 0-1 are class 0, 2-3 class 1, ...: two of the four classes come from the source."""
    logits = torch.zeros(2, K, *SIZE)
    logits[0, 3], logits[1, 2] = 5.0, 5.0  # 98.0 % sure
    logits[0, :, :3] = 0  # the upper half of the first image is not sure; its argmax is 0
    source, target = make(ClassMix(), logits, None)
    objective = ClassMix(**PLAIN)
    objective.prepare(type("S", (), dict(num_classes=K)))
    torch.manual_seed(0)
    mixed = objective.derive(source, target)
    torch.manual_seed(0)
    pasted = class_mask(source.label, K)
    assert pasted.flatten(1).float().mean(1).tolist() == [0.5, 0.5]

    assert mixed.image.dtype is torch.float32
    assert torch.equal(mixed.image, torch.where(pasted[:, None], 10.0, 200.0).expand(2, 3, 6, 8))
    pseudo = torch.tensor([3, 2]).view(2, 1, 1).repeat(1, 6, 8)
    pseudo[0, :3] = 0
    assert torch.equal(mixed.label, torch.where(pasted, source.label, pseudo))
    # Of 96 target pixels, pasted over or not, 72 are sure.
    assert torch.equal(mixed.weight, torch.where(pasted, 1.0, 0.75).expand(2, 6, 8))
    assert (mixed.domain, mixed.iteration) == ("derived", 3)
    ((image, with_graph),) = target.teacher.asked
    assert image is target.image
    assert not with_graph
    assert target.segmentor.asked == []


@pytest.mark.parametrize("case", modern_fixtures()["small"]["classmix"]["cases"], ids=["a", "b"])
def test_the_mixture_is_that_of_daformers_public_code(case, monkeypatch):
    """Half of the classes of the whole batch, "no label" among them, are the fixture's."""
    seed = int(re.findall(r"RandomState\((\d+)\)", case["recipe"])[0])
    cells, repeat = ((2, 2, 3), 16) if seed == 61 else ((2, 3, 5), 8)
    r = np.random.RandomState(seed)
    label = r.randint(0, 19, cells).repeat(repeat, 1).repeat(repeat, 2)
    label[r.random_sample(label.shape) < 0.08] = 255
    pseudo = torch.from_numpy(r.randint(0, 19, label.shape))
    shape = (2, 3, *label.shape[1:])
    images = [torch.from_numpy(r.standard_normal(shape).astype("f4")) for _ in range(2)]
    label = torch.from_numpy(label)
    known = torch.tensor(case["classes_of_the_whole_batch_incl_255"])
    assert label.unique().tolist() == known.tolist()
    drawn = class_mask(known.view(1, 1, -1), 19, pool=label, ignored=True)
    assert drawn.sum() == case["number_chosen"]

    chosen = torch.tensor(case["chosen_classes"])
    monkeypatch.setattr(mixing, "class_mask", lambda label, *_, **__: torch.isin(label, chosen))
    objective = ClassMix(classes_of="batch", paste_ignored=True, **PLAIN)
    share = torch.tensor(case["pseudo_weight"])
    taught = Taught(pseudo, share.expand(label.shape), share)
    monkeypatch.setattr(objective, "labels", lambda target: taught)
    source, target = (View(None, image, label, align_corners=False) for image in images)
    mixed = objective.derive(source, target)
    assert mixed.label.dtype is torch.int64
    for row, expected in enumerate(case["per_image"]):
        pasted = torch.isin(label[row], chosen).to(torch.uint8)
        assert crc(pasted) == expected["mask_uint8_crc32"]
        assert crc(mixed.label[row].to(torch.uint8)) == expected["mixed_label_uint8_crc32"]
        assert crc(mixed.image[row]) == expected["mixed_image_float32_crc32"]
        assert mixed.weight[row].sum().item() == pytest.approx(expected["weight_map_sum"])


def crc(values):
    return zlib.crc32(values.contiguous().numpy().tobytes())


@pytest.mark.parametrize(("confidence", "share"), [(0.979, 0.5), (0.981, 0.0), (0.0, 1.0)])
def test_who_counts_as_sure(confidence, share):
    logits = torch.zeros(2, K, *SIZE)
    logits[1, 2] = 5.0  # e^5 / (e^5 + 3) = 0.98018
    objective = ClassMix(confidence=confidence, **PLAIN)
    mixed = objective.derive(*make(objective, logits, random(0, 2, K, *SIZE)))
    assert set(mixed.weight.unique().tolist()) == {1.0, share}
    assert objective.derived_losses(mixed)["mix_sure"] == share


def test_the_log_says_who_is_sure_also_where_all_is_pasted():
    objective = ClassMix(confidence=0.5, **PLAIN)
    one_class = torch.ones(2, *SIZE, dtype=torch.long)
    views = make(objective, torch.zeros(2, K, *SIZE), random(0, 2, K, *SIZE), label=one_class)
    mixed = objective.derive(*views)
    assert mixed.weight.min() == 1
    assert objective.derived_losses(mixed)["mix_sure"] == 0


@pytest.mark.parametrize("mask", ["classmix", "cutmix"])
def test_the_loss_is_the_weighted_mean_of_the_mixed_labels(mask):
    label = torch.randint(0, K, (2, *SIZE), generator=torch.Generator().manual_seed(1))
    label[0, :2] = 255
    objective = ClassMix(weight=0.5, aux_weight=0.3, mask=mask, confidence=0.5, name="b", **PLAIN)
    logits, aux = random(1, 2, K, *SIZE), random(2, 2, K, *SIZE)
    teacher = 2 * random(3, 2, K, 3, 4)  # at a coarser resolution
    torch.manual_seed(1)
    mixed = objective.derive(*make(objective, teacher, logits, aux=aux, label=label))
    losses = objective.derived_losses(mixed)

    pasted = (mixed.image[:, 0] == 10).numpy()
    assert 0 < pasted.mean() < 1
    full = F.interpolate(teacher, SIZE, mode="bilinear").double().softmax(1).numpy()
    target = np.where(pasted, label.numpy(), full.argmax(1))
    share = (full.max(1) >= 0.5).mean()
    assert 0 < share < 1
    weight = np.where(pasted, 1, share)
    for key, each, factor in (("loss_mix_b", logits, 0.5), ("loss_mix_aux_b", aux, 0.3)):
        log_prob = each.double().log_softmax(1).numpy()
        total = sum(
            -weight[place] * log_prob[place[0], target[place], place[1], place[2]]
            for place in np.ndindex(*target.shape)
            if target[place] != 255
        )
        assert losses[key].item() == pytest.approx(factor * total / (target != 255).sum())
    assert losses["mix_sure_b"].item() == pytest.approx(share)
    assert len(losses) == 3
    ignored = (target == 255).sum()  # a class is never "ignore", a box may hold some
    assert ignored == (pasted & (label.numpy() == 255)).sum()
    assert (ignored > 0) == (mask == "cutmix")


def test_the_mixture_is_that_of_the_seed():
    teacher, logits = random(0, 2, K, *SIZE), random(1, 2, K, *SIZE)
    objective, mixtures = ClassMix(), []
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        mixtures.append(objective.derive(*make(objective, teacher, logits)))
    assert torch.equal(mixtures[0].image, mixtures[1].image)
    assert torch.equal(mixtures[0].label, mixtures[1].label)
    assert not torch.equal(mixtures[0].label, mixtures[2].label)


@pytest.mark.parametrize("mask", ["classmix", "cutmix"])
def test_the_device_is_never_waited_for(mask, monkeypatch):
    """Random numbers are drawn on the CPU; nothing is read back from where the images are."""

    def waits(*_):
        raise AssertionError("a value was read back from the device")

    objective = ClassMix(mask=mask, jitter_prob=1.0, blur_prob=1.0)
    views = make(objective, random(0, 2, K, *SIZE), random(1, 2, K, *SIZE))
    for name in ("item", "__bool__", "__int__", "__float__"):
        monkeypatch.setattr(torch.Tensor, name, waits)
    mixed = objective.derive(*views)
    assert mixed.logits.shape == (2, K, *SIZE)


def test_the_look_varies_and_labels_do_not():
    teacher, logits = random(0, 2, K, *SIZE), random(1, 2, K, *SIZE)
    found = []
    for look in (PLAIN, dict(jitter_prob=1.0, blur_prob=1.0)):
        objective = ClassMix(**look)
        torch.manual_seed(0)
        found.append(objective.derive(*make(objective, teacher, logits)))
    assert torch.equal(found[0].label, found[1].label)
    assert torch.equal(found[0].weight, found[1].weight)
    assert (found[0].image - found[1].image).abs().mean() > 1


def test_the_layout_in_memory_is_the_targets():
    for layout in (torch.channels_last, torch.contiguous_format):
        objective = ClassMix()
        source, target = make(objective, random(0, 2, K, *SIZE), None)
        source.image = source.image.contiguous(memory_format=layout)
        target.image = target.image.contiguous(memory_format=layout)
        assert objective.derive(source, target).image.is_contiguous(memory_format=layout)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(mask="cowmix"), "ClassMix: mask is 'classmix' or 'cutmix', not 'cowmix'"),
        (dict(confidence=1.5), "ClassMix: confidence is in 0..1, not 1.5"),
        (dict(jitter=0.6), "ClassMix: jitter is in 0..0.5, not 0.6"),
        (dict(blur_prob=-1), "ClassMix: blur_prob is in 0..1, not -1"),
    ],
)
def test_arguments_out_of_range(arguments, message):
    with pytest.raises(ConfigError, match=f"^{message}$"):
        ClassMix(**arguments)


def test_what_cannot_be_mixed():
    objective = ClassMix()
    source, target = make(objective, random(0, 2, K, *SIZE), None)
    target.teacher = None
    with pytest.raises(ConfigError, match=r"there is none: give model\.teacher_momentum"):
        objective.derive(source, target)
    target.image = target.image[..., :7]
    with pytest.raises(ConfigError, match=r"are 6x8, its labels 6x8, .*images 6x7: .*RandomCrop"):
        objective.derive(source, target)
    unlabelled = View(source.segmentor, source.image, align_corners=False)
    with pytest.raises(ConfigError, match=r"remove labels=False from .*source"):
        objective.derive(unlabelled, target)


def test_the_teacher_is_asked_once_and_without_a_graph():
    logits = random(0, 2, K, 3, 4).requires_grad_()
    source, target = make(ClassMix(), logits.half(), None)
    first = target.teacher_logits
    assert first.shape == (2, K, *SIZE)
    assert first.dtype is torch.float32
    assert target.teacher_logits is first
    target.detach()  # the full-size logits go, the answer stays
    assert torch.equal(target.teacher_logits, first)
    assert len(target.teacher.asked) == 1
    assert not target.teacher.asked[0][1]
    assert source.teacher_logits.shape == (2, K, *SIZE)  # of the source's image, too
