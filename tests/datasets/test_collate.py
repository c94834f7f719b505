"""Samples to batches."""

import pytest
import torch
from mmengine import registry as mm

from daseg.datasets import collate
from daseg.registry import FUNCTIONS
from daseg.utils.errors import DataError


def sample(name: str, height: int = 2, width: int = 3, label: bool = True) -> dict:
    made = dict(image=torch.full((3, height, width), len(name), dtype=torch.uint8))
    if label:
        made["label"] = torch.full((height, width), len(name))
    return made | dict(meta=dict(image_path=name))


def test_stack() -> None:
    batch = collate([sample("a.png"), sample("bc.png")])
    assert batch["image"].shape == (2, 3, 2, 3)
    assert batch["image"].dtype == torch.uint8
    assert batch["image"][:, 0, 0, 0].tolist() == [5, 6]
    assert batch["label"].shape == (2, 2, 3)
    assert batch["label"][:, 1, 2].tolist() == [5, 6]
    assert [m["image_path"] for m in batch["meta"]] == ["a.png", "bc.png"]


def test_different_sizes_are_explained() -> None:
    with pytest.raises(
        DataError,
        match=r"a\.png and b\.png give 2x3 .* and 4x5 .*: use batch_size=1, or .*RandomCrop",
    ):
        collate([sample("a.png"), sample("b.png", 4, 5)])


@pytest.mark.parametrize("order", [1, -1])
def test_some_labels_are_not_enough(order: int) -> None:
    samples = [sample("a.png"), sample("b.png", label=False)][::order]
    with pytest.raises(DataError, match="with and without label"):
        collate(samples)


@pytest.mark.parametrize("order", [1, -1])
def test_samples_without_margins_are_trusted_everywhere(order: int) -> None:
    """As of one part of a mixed target; a batch of them alone has no mask."""
    mask = torch.tensor([[True, False, True], [False, True, True]])
    some, other = sample("a.png", label=False) | dict(trusted=mask), sample("b.png", label=False)
    batch = collate([some, other][::order])
    assert torch.equal(batch["trusted"], torch.stack([mask, torch.ones(2, 3).bool()][::order]))
    assert "trusted" not in collate([other, other])


def test_found_by_name_here_and_by_the_runner() -> None:
    assert FUNCTIONS.get("collate") is mm.FUNCTIONS.get("collate") is collate
