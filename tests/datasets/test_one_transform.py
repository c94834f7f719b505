"""What a transform gives back."""

import pytest

from daseg.datasets import CamVid
from daseg.utils.errors import DataError


def test_a_transform_that_returns_no_dict_names_itself_and_the_file(make_camvid) -> None:
    class Returns:
        def __call__(self, results: dict) -> int:
            return 3

    dataset = CamVid(make_camvid(1), pipeline=[Returns()])
    with pytest.raises(DataError, match=r"Returns gave 3 for .*_000\.jpg: it has to return the"):
        dataset[0]
