"""Heads by name: what objectives and inference weigh, and heads that cover a part of the image."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from daseg.adaptation import DomainAdapter
from daseg.engine.optim import OptimizersByNetwork
from daseg.inference import SlideInference, WholeInference
from daseg.objectives import ClassMix, EntropyMinimization, OutputAdversarial, Supervised, View
from daseg.ops.logits import entropy
from daseg.segmentor import Prediction, Segmentor
from daseg.utils.errors import ConfigError

CLASSES, SIZE = 3, (16, 24)
BOX = (4, 8, 12, 24)  # rows 4 to 12, columns 8 to 24
DETAIL = dict(main=1.0, detail=0.5)


class Backbone(nn.Conv2d):
    out_channels = (4,)

    def __init__(self):
        super().__init__(3, 4, 3, stride=4, padding=1)

    def forward(self, image):
        return (super().forward(image).relu(),)


class Head(nn.Conv2d):
    def forward(self, features):
        return super().forward(features[-1])


class DetailSegmentor(Segmentor):
    """A head more, which sees a box of the image at full resolution."""

    head_names = ("main", "detail")

    def __init__(self):
        torch.manual_seed(0)
        super().__init__(Backbone(), Head(4, CLASSES, 1), num_classes=CLASSES)
        self.detail = nn.Conv2d(3, CLASSES, 3, padding=1)

    def forward(self, image):
        output = super().forward(image)
        top, left, bottom, right = BOX
        logits = self.detail(self.normalize(image[..., top:bottom, left:right]))[..., ::2, ::2]
        predictions = output.predictions | {"detail": Prediction(logits, BOX)}
        return output._replace(predictions=predictions)


def batch():
    generator = torch.Generator().manual_seed(1)
    image = torch.randint(0, 256, (2, 3, *SIZE), generator=generator).byte()
    label = torch.randint(0, CLASSES, (2, *SIZE), generator=generator)
    label[:, :6] = 255
    return image, label


def view(domain="source"):
    image, label = batch()
    label = label if domain == "source" else None
    return View(DetailSegmentor(), image, label, align_corners=False, domain=domain)


def full_size(logits, size):
    return F.interpolate(logits, size, mode="bilinear", align_corners=False)


def test_a_prediction_with_a_box_is_compared_with_that_box_of_the_label():
    source = view()
    objective = Supervised(weights=DETAIL)
    objective.prepare(source.segmentor)
    losses = objective.source_losses(source)
    assert losses.keys() == {"loss_seg", "loss_seg_detail"}
    main, detail = (p.logits for p in source.output.predictions.values())
    _, label = batch()
    expected = F.cross_entropy(full_size(main, SIZE), label, ignore_index=255)
    torch.testing.assert_close(losses["loss_seg"], expected)
    own = label[:, 4:12, 8:24]
    expected = 0.5 * F.cross_entropy(full_size(detail, (8, 16)), own, ignore_index=255)
    torch.testing.assert_close(losses["loss_seg_detail"], expected)


def test_the_box_follows_a_label_of_another_size():
    image, label = batch()
    label = label.repeat_interleave(2, 1).repeat_interleave(2, 2)
    source = View(DetailSegmentor(), image, label, align_corners=False)
    assert source.head("detail").shape == (2, CLASSES, 16, 32)
    assert torch.equal(source.crop(label, "detail"), label[:, 8:24, 16:48])


def test_objectives_on_the_target_weigh_heads_by_name():
    target = view("target")
    losses = EntropyMinimization(weights=dict(detail=2.0)).target_losses(target)
    assert losses.keys() == {"loss_entropy_detail"}
    detail = full_size(target.output.predictions["detail"].logits, (8, 16))
    torch.testing.assert_close(losses["loss_entropy_detail"], 2 * entropy(detail).mean())
    game = OutputAdversarial(dict(type="PixelDiscriminator", channels=4), level="detail")
    game.prepare(target.segmentor)
    assert game.target_map(target).shape == (2, CLASSES, 8, 16)
    assert game.target_losses(target).keys() == {"loss_adv_detail"}


def test_all_heads_are_trained_and_a_mixture_is_weighed_likewise():
    pixel = dict(type="PixelDiscriminator", channels=4)
    objectives = [
        Supervised(weights=DETAIL),
        ClassMix(weights=DETAIL),
        OutputAdversarial(pixel, level="detail"),
    ]
    adapter = DomainAdapter(DetailSegmentor(), objectives, teacher_momentum=0.1, micro_batch=1)
    sgd = dict(optimizer=dict(type="SGD", lr=0.1))
    wrappers = OptimizersByNetwork(dict(segmentor=sgd, discriminators=sgd))(adapter.train())
    start = {name: p.detach().clone() for name, p in adapter.segmentor.named_parameters()}
    image, label = batch()
    data = dict(source=dict(image=image, label=label), target=dict(image=image.flip(0)))
    log = adapter.train_step(data, wrappers)
    assert {"loss_seg_detail", "loss_mix_detail", "loss_disc_detail"} <= log.keys()
    for name, parameter in adapter.segmentor.named_parameters():
        assert not torch.equal(parameter, start[name]), name


def test_heads_that_are_not_there_or_not_weighed_are_refused():
    segmentor = DetailSegmentor()
    with pytest.raises(ConfigError, match=r"^the objective Supervised has no weight .* 'detail'"):
        Supervised().prepare(segmentor)
    plain = Segmentor(Backbone(), Head(4, CLASSES, 1), num_classes=CLASSES)
    with pytest.raises(ConfigError, match=r"^the objective ClassMix needs the head 'detail', but"):
        ClassMix(weights=DETAIL).prepare(plain)
    with pytest.raises(ConfigError, match=r"needs an auxiliary head, .*model\.segmentor\.aux_head"):
        EntropyMinimization(weights=dict(aux=1.0)).prepare(plain)
    Supervised(aux_weight=0.5).prepare(plain)  # a default is unused without the head
    with pytest.raises(ConfigError, match=r"asks for the head 'aux', .*\(main, detail\)"):
        view().head("aux")


def test_inference_weighs_heads_by_name():
    torch.manual_seed(0)
    heads = Head(4, CLASSES, 1), Head(4, CLASSES, 1)
    segmentor = Segmentor(Backbone(), *heads, num_classes=CLASSES).eval()
    image, _ = batch()
    main, aux = (p.logits for p in segmentor(image).predictions.values())
    expected = full_size(0.25 * main + 2 * aux, SIZE).softmax(1)
    weights = dict(main=0.25, aux=2.0)
    for inference in (
        WholeInference(weights=weights),
        SlideInference(crop_size=SIZE, stride=SIZE, weights=weights),
    ):
        torch.testing.assert_close(inference(segmentor, image, SIZE), expected)
    alone = WholeInference(weights=dict(aux=1.0))(segmentor, image, SIZE)
    torch.testing.assert_close(alone, full_size(aux, SIZE).softmax(1))
    with pytest.raises(ConfigError, match=r"weights\['fine'\] needs a segmentor with"):
        WholeInference(weights=dict(fine=1.0))(segmentor, image, SIZE)
    with pytest.raises(ConfigError, match=r"weights\['detail'\]: this head covers a part"):
        WholeInference(weights=DETAIL)(DetailSegmentor(), image, SIZE)
    with pytest.raises(ConfigError, match=r"leaves out every head"):
        WholeInference(weights=dict(main=0.0))
