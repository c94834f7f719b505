"""Whole images, windows, scales and flips: against sums by hand."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from daseg.inference import MultiScaleFlip, SlideInference, WholeInference, add_resized
from daseg.utils.errors import ConfigError
from outputs import seg_output


class Toy(nn.Module):
    """Pointwise: each pixel's logits depend on that pixel alone; it counts its runs."""

    align_corners = False
    mean = torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1)

    def __init__(self, aux=False, kernel=1):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = torch.randn(4, 3, kernel, kernel, generator=generator) / 20
        self.aux, self.seen = aux, []

    def forward(self, image):
        self.seen.append(image)
        logits = F.conv2d(image.float(), self.weight, padding=self.weight.shape[-1] // 2)
        return seg_output(logits, -logits[..., ::2, ::2] if self.aux else None)


@pytest.fixture
def image():
    return torch.rand(2, 3, 20, 30, generator=torch.Generator().manual_seed(1)) * 255


def test_whole_is_the_softmax_of_the_resized_logits(image):
    toy = Toy()
    expected = F.interpolate(toy(image).logits, (10, 12), mode="bilinear", align_corners=False)
    torch.testing.assert_close(WholeInference()(toy, image, (10, 12)), expected.softmax(1))


def test_padding_by_hand(image):
    toy = Toy(kernel=3)  # a pixel at the edge sees the padding
    found = WholeInference(pad_stride=4).logits(toy, image, (20, 30))
    padded = toy.seen[-1]
    assert padded.shape == (2, 3, 21, 33)
    assert torch.equal(padded[..., :20, :30], image)
    assert padded[:, :, 20].unique(dim=-1).shape[-1] == 1  # the mean colour alone
    assert padded[1, :, 20, 32].tolist() == [1, 2, 3]
    assert padded[0, :, 3, 31].tolist() == [1, 2, 3]
    torch.testing.assert_close(found, toy(padded).logits[..., :20, :30])
    fitting = image[..., :17, :29]  # 4 * 4 + 1 and 7 * 4 + 1: nothing to pad
    found = WholeInference(pad_stride=4).logits(toy, fitting, (17, 29))
    torch.testing.assert_close(found, toy(fitting).logits)


def test_the_auxiliary_head_is_added_before_the_softmax(image):
    toy = Toy(aux=True)
    output = toy(image)
    aux = F.interpolate(
        output.predictions["aux"].logits, (20, 30), mode="bilinear", align_corners=False
    )
    expected = (output.logits + 0.5 * aux).softmax(1)
    torch.testing.assert_close(WholeInference(aux_weight=0.5)(toy, image, (20, 30)), expected)
    with pytest.raises(ConfigError, match=r"aux_weight=0.5 needs a segmentor with an aux_head"):
        WholeInference(aux_weight=0.5)(Toy(), image, (20, 30))


def test_windows_by_hand():
    windows = SlideInference(crop_size=(4, 4), stride=(3, 2)).windows((5, 7))
    rows, cols = [0, 1], [0, 2, 3]  # the last of each is moved back to end at the edge
    assert windows == [(slice(y, y + 4), slice(x, x + 4)) for y in rows for x in cols]
    assert SlideInference(crop_size=(8, 8), stride=(8, 8)).windows((5, 7)) == [
        (slice(0, 8), slice(0, 8))
    ]
    exact = SlideInference(crop_size=(4, 4), stride=(4, 4)).windows((8, 4))
    assert [r.start for r, _ in exact] == [0, 4]


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (17, 31), (33, 64), (100, 18)])
def test_windows_cover_every_pixel(size):
    count = torch.zeros(size)
    for rows, cols in SlideInference(crop_size=(16, 16), stride=(11, 16)).windows(size):
        count[rows, cols] += 1
    assert count.min() >= 1


def test_windows_equal_the_whole_image_for_a_pointwise_network(image):
    slide = SlideInference(crop_size=(8, 16), stride=(5, 9))
    whole = WholeInference()(Toy(), image, (40, 60))
    torch.testing.assert_close(slide(Toy(), image, (40, 60)), whole)


def test_overlapping_windows_are_averaged_as_logits(image):
    toy = Toy(kernel=3)
    left, right = (toy(image[..., x : x + 20]).logits for x in (0, 10))
    total = torch.zeros(2, 4, 20, 30)
    total[..., :20] += left
    total[..., 10:] += right
    total[..., 10:20] /= 2
    found = SlideInference(crop_size=(20, 20), stride=(20, 10))(toy, image, (20, 30))
    torch.testing.assert_close(found, total.softmax(1))


@pytest.mark.parametrize("stride", [(0, 4), (4, 5)])
def test_windows_that_would_leave_gaps_are_refused(stride):
    with pytest.raises(ConfigError, match="parts of the image are never seen"):
        SlideInference(crop_size=(4, 4), stride=stride)


def test_scales_and_flips_are_averaged_by_hand(image):
    toy = Toy(kernel=3)
    views = []
    for height, width in ((20, 30), (30, 45)):
        view = F.interpolate(image, (height, width), mode="bilinear", align_corners=False)
        for flipped in (False, True):
            logits = toy(view.flip(-1) if flipped else view).logits
            logits = F.interpolate(logits, (20, 30), mode="bilinear", align_corners=False)
            views.append(logits.softmax(1).flip(-1) if flipped else logits.softmax(1))
    found = MultiScaleFlip(scales=(1.0, 1.5), flip=True)(toy, image, (20, 30))
    torch.testing.assert_close(found, torch.stack(views).mean(0))
    torch.testing.assert_close(found.sum(1), torch.ones(2, 20, 30))


def test_augmentation_goes_around_another_inference(image):
    slide = dict(type="SlideInference", crop_size=(8, 8), stride=(8, 8))
    found = MultiScaleFlip(scales=(1.0,), flip=False, inference=slide)(Toy(), image, (20, 30))
    torch.testing.assert_close(found, WholeInference()(Toy(), image, (20, 30)))


@pytest.mark.parametrize("scales", [(), (0.0,), (1.0, -1.0)])
def test_impossible_scales_are_refused(scales):
    with pytest.raises(ConfigError, match="scales must be positive"):
        MultiScaleFlip(scales=scales)


def test_without_scales_and_flip_it_is_the_inference_itself(image):
    toy = Toy(kernel=3)
    found = MultiScaleFlip(scales=(1.0,), flip=False)(toy, image, (20, 30))
    torch.testing.assert_close(found, WholeInference()(toy, image, (20, 30)))
    assert len(toy.seen) == 2


@pytest.mark.parametrize(
    "inference",
    [
        WholeInference(),
        WholeInference(aux_weight=0.5),
        WholeInference(pad_stride=16),
        SlideInference(crop_size=(8, 12), stride=(5, 7)),
    ],
)
@pytest.mark.parametrize("size", [(20, 30), (33, 47), (10, 60)])
def test_classes_are_those_of_the_largest_logits(inference, size, image):
    toy = Toy(aux=True, kernel=3)
    if isinstance(inference, WholeInference):
        logits = inference.logits(toy, image, size)
    else:
        logits = inference(toy, image, size).log()
        assert inference.windows((20, 30))[1:]
    found = inference.classes(toy, image, size)
    assert found.dtype == torch.uint8
    assert torch.equal(found, logits.argmax(1).byte())


@pytest.mark.parametrize("batch_size", [2, 4, 5, 100])
def test_windows_in_batches(batch_size, image):
    toy = Toy(kernel=3)
    windows = dict(crop_size=(8, 12), stride=(5, 7))
    expected = SlideInference(**windows)(toy, image, (20, 30))
    toy.seen.clear()
    found = SlideInference(**windows, batch_size=batch_size)(toy, image, (20, 30))
    torch.testing.assert_close(found, expected)
    count = len(SlideInference(**windows).windows((20, 30)))
    assert [len(seen) for seen in toy.seen][:-1] == [2 * batch_size] * (-(-count // batch_size) - 1)
    assert sum(len(seen) for seen in toy.seen) == 2 * count
    with pytest.raises(ConfigError, match="batch_size is at least 1, not 0"):
        SlideInference(**windows, batch_size=0)


def test_classes_are_added_two_at_a_time():
    generator = torch.Generator().manual_seed(5)
    maps, total = torch.randn(2, 5, 6, 9, generator=generator), torch.zeros(2, 5, 30, 40)
    total += torch.randn(total.shape, generator=generator)
    expected = total[..., 3:23, 1:31] + F.interpolate(
        maps, (20, 30), mode="bilinear", align_corners=True
    )
    before = total.clone()
    add_resized(total[..., 3:23, 1:31], maps, align_corners=True)
    assert torch.equal(total[..., 3:23, 1:31], expected)
    total[..., 3:23, 1:31] = before[..., 3:23, 1:31]
    assert torch.equal(total, before)
