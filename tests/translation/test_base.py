import pytest
import torch
from torch import Tensor

from daseg.translation import Translator
from daseg.utils.errors import DataError


class Product(Translator):
    """The source times a matrix, which autocast would round to 16 bits."""

    def translate(self, source: Tensor, target: Tensor) -> Tensor:
        self.shapes = source.shape, target.shape
        return source @ torch.full((source.shape[-1],) * 2, 1 / 3, dtype=source.dtype)


def test_autocast_does_not_reach_inside() -> None:
    image = torch.full((2, 3, 4, 5), 101, dtype=torch.uint8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = Product()(image, image)
        assert (image.float() @ torch.ones(5, 5)).dtype == torch.bfloat16
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, torch.full((2, 3, 4, 5), 505 / 3))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.float32, torch.float64])
def test_floats_keep_what_they_have(dtype: torch.dtype) -> None:
    image = torch.ones(2, 3, 4, 5, dtype=dtype)
    expected = torch.float64 if dtype == torch.float64 else torch.float32
    assert Product()(image, image).dtype == expected


def test_one_image_is_a_batch_of_one() -> None:
    translator = Product()
    result = translator(torch.ones(3, 4, 5), torch.ones(3, 6, 7))
    assert result.shape == (3, 4, 5)
    assert translator.shapes == ((1, 3, 4, 5), (1, 3, 6, 7))


@pytest.mark.parametrize("shape", [(4, 5), (1, 4, 5), (2, 4, 5, 3), (0, 3, 4, 5), (1, 3, 0, 5)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    image = torch.ones(2, 3, 4, 5)
    for pair in ((torch.ones(shape), image), (image, torch.ones(shape))):
        with pytest.raises(DataError, match=r"takes RGB images \(N,3,H,W\) or \(3,H,W\), got"):
            Product()(*pair)
