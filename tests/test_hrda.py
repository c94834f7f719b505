"""`HRDASegmentor` gives the published outputs, and fits into training, testing and other sizes."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from daseg.adaptation import DomainAdapter
from daseg.compat.convert import convert_state_dict
from daseg.compat.rules import rename
from daseg.engine.optim import OptimizersByNetwork
from daseg.hrda import HRDASegmentor
from daseg.inference import SlideInference
from daseg.objectives import (
    ClassMix,
    MemoryRegularization,
    RectifiedPseudoLabel,
    Supervised,
    View,
)
from daseg.ops.resize import resize
from daseg.utils.errors import ConfigError
from published import (
    assert_as_published,
    modern_fixtures,
    normal,
    published_shapes,
    published_state,
)

FIXTURE = modern_fixtures()["hrda"]["hrda_mitb0"]
ATTENTION = dict(type="DAFormerHead", fusion="conv")


def hrda(backbone: dict | None = None, **options) -> HRDASegmentor:
    return HRDASegmentor(
        backbone or dict(type="MiT", arch="b0"),
        dict(type="DAFormerHead"),
        ATTENTION,
        **dict(detail_size=(64, 64), mean=(0, 0, 0), std=(1, 1, 1)) | options,
    )


@pytest.fixture(scope="module")
def published() -> HRDASegmentor:
    """The published network, without a normalisation: the fixtures' inputs are normalised."""
    network = hrda(context_prediction=True).eval()
    weights = published_state("hrda_mitb0")
    state, report = convert_state_dict(weights, "hrda", network.state_dict())
    assert report.mapped.keys() == weights.keys()
    network.load_state_dict(state)
    return network


@torch.no_grad()
def test_training_forward(published) -> None:
    case = FIXTURE["training_forward"]
    top, bottom, left, right = case["hr_crop_box_y1_y2_x1_x2"]
    box = (top, left, bottom, right)
    attention = []
    handle = published.attention.register_forward_hook(lambda m, a, out: attention.append(out))
    output = published(normal(case["input_seed"], case["input_shape"]), box)
    handle.remove()
    expected = case["outputs"]
    assert_as_published(output.logits, expected["fused"])
    assert output.predictions["detail"].box == box
    assert_as_published(output.predictions["detail"].logits, expected["hr_crop"])
    context = output.predictions["context"].logits
    assert_as_published(context, expected["lr_times_one_minus_attention"])
    assert_as_published(attention[0].sigmoid(), expected["attention_before_box_mask"])
    assert output.features[0].shape[2:] == (16, 16)  # stride 4 of the half image


@pytest.mark.parametrize("at_a_time", [None, 4])
@torch.no_grad()
def test_sliding_details(published, at_a_time, monkeypatch) -> None:
    monkeypatch.setattr(published, "windows_per_pass", at_a_time)
    case = FIXTURE["teacher_or_test_forward_one_window"]
    image = normal(case["input_seed"], case["input_shape"])
    windows = [(top, left, bottom, right) for top, bottom, left, right in
               case["hr_windows_y1_y2_x1_x2"]]  # fmt: skip
    assert published.boxes((128, 128)) == windows
    output = published(image)
    assert output.predictions.keys() == {"main"}
    logits = resize(output.logits, (128, 128), align_corners=False)
    assert_as_published(logits, case["outputs"]["logits_at_input_size"])


@torch.no_grad()
def test_sliding_windows_around_sliding_details(published, monkeypatch) -> None:
    case = FIXTURE["slide_inference_of_a_larger_image"]
    slide = SlideInference(crop_size=(128, 128), stride=(64, 64))
    monkeypatch.setattr(torch.Tensor, "softmax", lambda logits, dim: logits)  # kept as they are
    logits = slide(published, normal(case["input_seed"], case["input_shape"]), (128, 192))
    assert_as_published(logits, case["outputs"]["logits_at_input_size"])


class Tiny(nn.Module):
    """A backbone of strides 4 and 8."""

    out_channels, strides = (6, 8), (4, 8)

    def __init__(self):
        super().__init__()
        self.fine, self.coarse = nn.Conv2d(3, 6, 3, 4, 1), nn.Conv2d(6, 8, 3, 2, 1)

    def forward(self, image):
        fine = self.fine(image).relu()
        return fine, self.coarse(fine).relu()


def tiny(**options) -> HRDASegmentor:
    torch.manual_seed(0)
    head = dict(type="FPNHead", channels=8)
    settings = dict(attention=head, num_classes=3, detail_size=(32, 48)) | options
    return HRDASegmentor(Tiny(), head, **settings)


def test_boxes_are_drawn_on_a_grid_and_reach_every_side() -> None:
    network = tiny()
    torch.manual_seed(3)
    boxes = [network.draw_box((64, 64)) for _ in range(300)]
    places = {(top, left) for top, left, _, _ in boxes}
    assert places == {(y, x) for y in range(0, 33, 8) for x in (0, 8, 16)}
    assert all((b - t, r - left) == (32, 48) for t, left, b, r in boxes)
    torch.manual_seed(3)
    assert [network.draw_box((64, 64)) for _ in range(300)] == boxes
    assert network.draw_box((20, 48)) == (0, 0, 20, 48)  # all of a smaller image


@pytest.mark.parametrize("size", [(64, 96), (53, 75), (20, 30)])
def test_images_of_any_size(size) -> None:
    network = tiny().eval()
    image = torch.rand(1, 3, *size) * 255
    prediction = network.predict(image)
    assert prediction.shape == (1, 3, *size)
    torch.testing.assert_close(prediction.sum(1), torch.ones(1, *size))
    output = network.train()(image)
    assert output.predictions.keys() == {"main", "detail"} == set(network.head_names)
    assert output.logits.shape[2:] == network.eval()(image).logits.shape[2:]


@torch.no_grad()
def test_one_attention_for_all_classes_and_no_context_outside_of_it() -> None:
    """With an attention of 1 everywhere, the fused logits are the details', 0 around the box."""
    network = tiny(classwise=False).eval()
    network.attention.classifier.weight.zero_()
    network.attention.classifier.bias.fill_(50.0)
    image, box = torch.rand(2, 3, 64, 96) * 255, (16, 32, 48, 80)
    output = network(image, box)
    context = network.head(network.backbone(network.backbone_input(image)))
    outside = resize(context, (16, 24), align_corners=False)
    detail = output.predictions["detail"].logits
    # Between the two, the attention's edge is blurred over one place on each side.
    torch.testing.assert_close(output.logits[:, :, 5:11, 9:19], detail[:, :, 1:7, 1:11])
    torch.testing.assert_close(output.logits[:, :, :3], outside[:, :, :3])
    assert not torch.allclose(detail[:, :, 1:7, 1:11], outside[:, :, 5:11, 9:19])


def batch() -> dict:
    generator = torch.Generator().manual_seed(1)
    image = torch.randint(0, 256, (2, 3, 64, 64), generator=generator).byte()
    label = torch.randint(0, 3, (2, 64, 64), generator=generator)
    return dict(source=dict(image=image, label=label), target=dict(image=image.flip(0)))


def trained(micro_batch: int | None = None) -> tuple[DomainAdapter, dict]:
    weights = dict(main=0.9, detail=0.1)
    objectives = [Supervised(weights=weights), ClassMix(weights=weights)]
    adapter = DomainAdapter(tiny(), objectives, teacher_momentum=0.1, micro_batch=micro_batch)
    sgd = dict(optimizer=dict(type="SGD", lr=0.1))
    wrappers = OptimizersByNetwork(dict(segmentor=sgd))(adapter.train())
    torch.manual_seed(7)
    return adapter, adapter.train_step(batch(), wrappers)


@pytest.mark.parametrize("micro_batch", [None, 1])
def test_a_step_trains_every_part_and_repeats_itself(micro_batch) -> None:
    start = dict(tiny().named_parameters())
    adapter, log = trained(micro_batch)
    assert {"loss_seg", "loss_seg_detail", "loss_mix", "loss_mix_detail"} <= log.keys()
    for name, parameter in adapter.segmentor.named_parameters():
        assert not torch.equal(parameter, start[name]), name
    again, _ = trained(micro_batch)
    for own, other in zip(adapter.parameters(), again.parameters(), strict=True):
        assert torch.equal(own, other)


@torch.no_grad()
def test_an_attention_of_another_resolution_is_resized() -> None:
    """One that is the same everywhere gives the same as one of the head's own resolution."""
    fine, coarse = tiny().eval(), tiny(attention=dict(type="LinearHead")).eval()
    for network in (fine, coarse):
        network.attention.classifier.weight.zero_()
        network.attention.classifier.bias[:] = torch.tensor([-1.0, 0.0, 2.0])
    assert coarse.attention(coarse.backbone(torch.rand(1, 3, 64, 96))).shape[2:] == (8, 12)
    coarse.head.load_state_dict(fine.head.state_dict())
    coarse.backbone.load_state_dict(fine.backbone.state_dict())
    image = torch.rand(2, 3, 64, 96) * 255
    for box in (None, (16, 32, 48, 80)):
        own, other = (network(image, box).logits for network in (coarse, fine))
        inside = (slice(5, 11), slice(9, 19)) if box else (slice(None), slice(None))
        torch.testing.assert_close(own[(..., *inside)], other[(..., *inside)])


def test_objectives_of_two_heads_train_an_auxiliary_one_on_the_context() -> None:
    network = tiny(aux_head=dict(type="LinearHead", in_index=0))
    assert network.head_names == ("main", "aux", "detail")
    objectives = [
        Supervised(weights=dict(main=0.9, detail=0.1, aux=0.1)),
        MemoryRegularization(begin=0),
        RectifiedPseudoLabel(),
    ]
    adapter = DomainAdapter(network, objectives).train()
    before = network.aux_head.classifier.weight.clone()
    wrappers = OptimizersByNetwork(dict(segmentor=dict(optimizer=dict(type="SGD", lr=0.1))))
    data = batch()
    data["target"]["pseudo_label"] = data["source"]["label"].flip(0)
    log = adapter.train_step(data, wrappers(adapter))
    assert {"loss_seg_aux", "loss_memory", "loss_rectified", "loss_rectified_aux"} <= log.keys()
    assert all(value.isfinite() for value in log.values())
    assert not torch.equal(network.aux_head.classifier.weight, before)
    output = network.eval()(data["target"]["image"])
    assert output.predictions.keys() == {"main", "aux"}
    assert output.head("aux").logits.shape[2:] == (8, 8)  # of the image at half its size


def test_the_detail_loss_is_that_of_the_box_of_the_label(monkeypatch) -> None:
    network, box = tiny().train(), (8, 16, 40, 64)
    monkeypatch.setattr(network, "draw_box", lambda size: box)
    source = View(network, batch()["source"]["image"], batch()["source"]["label"],
                  align_corners=False)  # fmt: skip
    losses = Supervised(weights=dict(main=0.9, detail=0.1)).source_losses(source)
    detail = source.output.predictions["detail"].logits
    own = F.interpolate(detail, (32, 48), mode="bilinear", align_corners=False)
    expected = F.cross_entropy(own, batch()["source"]["label"][:, 8:40, 16:64])
    torch.testing.assert_close(losses["loss_seg_detail"], 0.1 * expected)


def test_what_cannot_be_built() -> None:
    with pytest.raises(ConfigError, match=r"context_scale is between 0 and 1: 1\.0"):
        tiny(context_scale=1.0)
    with pytest.raises(ConfigError, match=r"detail_size=\(0, 8\)"):
        tiny(detail_size=(0, 8))
    with pytest.raises(ConfigError, match=r"stride \(40, 8\) must be positive and at most"):
        tiny(detail_stride=(40, 8))
    with pytest.raises(ConfigError, match="no weight for the head 'detail'"):
        DomainAdapter(tiny(), [Supervised()])


def test_published_shapes_of_b5() -> None:
    with torch.device("meta"):
        network = hrda(dict(type="MiT", arch="b5"))
    assert sum(p.numel() for p in network.parameters()) == 85_685_990
    shapes = published_shapes("hrda_mitb5")
    weights = {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
    assert len(weights) == 1126
    renamed = {rename(key, "hrda", False): value.shape for key, value in weights.items()}
    own = {key: value.shape for key, value in network.state_dict().items()}
    assert renamed == {key: shape for key, shape in own.items() if key not in ("mean", "std")}


def test_mixed_precision_fuses_in_float32() -> None:
    network = tiny().train()
    image, box = torch.rand(2, 3, 64, 64) * 255, (8, 16, 40, 64)
    exact = network(image, box)
    with torch.autocast("cpu", torch.bfloat16):
        rough = network(image, box)
    for name, prediction in exact.predictions.items():
        own = rough.predictions[name].logits
        assert own.dtype == torch.float32
        torch.testing.assert_close(own, prediction.logits, rtol=0.05, atol=0.05)
    rough.logits.sum().backward()
    assert all(p.grad is not None for p in network.parameters())
