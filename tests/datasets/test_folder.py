"""What a data set of one's own may say of its classes."""

from pathlib import Path
from typing import Any

import pytest

from daseg.datasets import FolderDataset
from daseg.utils.errors import ConfigError
from perfect import draw_streets


@pytest.mark.parametrize(
    ("classes", "options", "message"),
    [
        (["a", "b"], dict(palette=[[1, 2, 3], [300, 0, 0]]), r"colour of 'b' is \[300, 0, 0\]"),
        (["a", "b"], dict(palette=[[1, 2, -3], [0, 0, 0]]), r"colour of 'a' is \[1, 2, -3\]"),
        (["a", "b"], dict(palette=[[1, 2, 3], [4, 5, 6, 7]]), r"'b' is \[4, 5, 6, 7\], not three"),
        (["car", "sky", "car"], {}, "several classes have the name car"),
    ],
)
def test_classes_that_no_checkpoint_could_name_are_refused(
    tmp_path: Path, classes: list[str], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        FolderDataset(draw_streets(tmp_path / "data"), classes, **options)


def test_a_mask_of_0_and_255_is_read_as_the_message_advises(tmp_path: Path) -> None:
    root = draw_streets(tmp_path / "data", count=1)
    with pytest.raises(ConfigError, match=r"\[255\] are both mapped .* with ignored_ids=\[\]"):
        FolderDataset(root, ["dry", "water"], id_map={0: 0, 255: 1})
    FolderDataset(root, ["dry", "water"], id_map={0: 0, 255: 1}, ignored_ids=[])
