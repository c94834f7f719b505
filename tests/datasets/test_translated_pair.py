"""A source in the target's look, by the loader's workers."""

from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from daseg.datasets import DomainPair, PairIndex, PairSampler, SampleIndex, collate
from daseg.translation import FourierTranslator, HistogramTranslator
from daseg.utils.errors import ConfigError
from daseg.visualization.browse import WIDTH, browse
from daseg.visualization.sheet import GAP

FOURIER = dict(type="FourierTranslator", beta=0.2)


def dataset(root: Path, crop: tuple[int, int]) -> dict[str, Any]:
    load = [dict(type="LoadImageFromFile"), dict(type="LoadLabel")]
    steps = [dict(type="RandomCrop", crop_size=crop), dict(type="RandomFlip", prob=0.5)]
    pipeline = [*load, *steps, dict(type="PackSample")]
    classes = ["left", "right", "square"]
    return dict(type="FolderDataset", root=str(root), classes=classes, pipeline=pipeline)


@pytest.fixture
def domains(tmp_path: Path) -> dict[str, Any]:
    """Six source images, cropped to 16x24, and four darker target images, cropped to 20x30."""
    rng = np.random.default_rng(0)
    for name, num, top in (("source", 6, 256), ("target", 4, 120)):
        for folder in ("images", "labels"):
            (tmp_path / name / folder).mkdir(parents=True)
        for i in range(num):
            image = rng.integers(0, top, (32, 48, 3)).astype(np.uint8)
            cv2.imwrite(str(tmp_path / name / f"images/{i}.png"), image)
            label = rng.integers(0, 3, (32, 48)).astype(np.uint8)
            cv2.imwrite(str(tmp_path / name / f"labels/{i}.png"), label)
    target = dataset(tmp_path / "target", (20, 30))
    return dict(source=dataset(tmp_path / "source", (16, 24)), target=target)


def test_the_source_image_alone_is_translated_by_its_own_target(domains) -> None:
    plain = DomainPair(**domains, seed=3)
    pair = DomainPair(**domains, seed=3, translator=FOURIER)
    for at in range(6):
        before, after = plain[at], pair[at]
        source, target = before["source"], before["target"]
        image = FourierTranslator(beta=0.2)(source["image"], target["image"]).numpy()
        expected = np.clip(np.rint(image), 0, 255).astype(np.uint8)
        assert after["source"]["image"].dtype == torch.uint8
        np.testing.assert_array_equal(after["source"]["image"].numpy(), expected)
        assert torch.equal(after["source"]["label"], source["label"])
        assert after["source"]["meta"] == source["meta"]
        assert torch.equal(after["target"]["image"], target["image"])
        assert type(after["target"]) is type(target)
        assert not torch.equal(after["source"]["image"], source["image"])


def test_a_mixed_source_and_a_built_translator(domains) -> None:
    mixed = dict(type="MixedDataset", datasets=[domains["source"], domains["source"]])
    pair = DomainPair(mixed, domains["target"], seed=3, translator=HistogramTranslator())
    sample = pair[7]  # the second part's second image
    plain = DomainPair(mixed, domains["target"], seed=3)[7]
    expected = HistogramTranslator()(plain["source"]["image"], plain["target"]["image"])
    assert torch.equal(sample["source"]["image"], expected.round().byte())


def test_a_sample_depends_on_its_place_only(domains) -> None:
    """On which an exact resume rests: workers, other samples and what was drawn do not matter."""

    def stream(workers: int, skip: int = 0) -> list[torch.Tensor]:
        pair = DomainPair(**domains, translator=FOURIER)
        sampler = PairSampler(pair, seed=5, rank=0, world_size=1)
        order = list(islice(sampler, 12))[skip:]
        loader = DataLoader(pair, 2, sampler=order, num_workers=workers, collate_fn=collate)
        return [image for batch in loader for image in batch["source"]["image"]]

    whole = stream(0)
    for other in (stream(2), stream(0, skip=6)):
        assert all(torch.equal(a, b) for a, b in zip(whole[-len(other) :], other, strict=True))
    index = PairIndex(SampleIndex(2, 40), SampleIndex(1, 41))
    pair = DomainPair(**domains, seed=1, translator=FOURIER)
    torch.manual_seed(1)
    first = pair[index]["source"]["image"]
    torch.manual_seed(2)
    assert torch.equal(first, pair[index]["source"]["image"])


def test_a_contact_sheet_shows_what_the_network_sees(domains) -> None:
    sheets = [
        browse(DomainPair(**domains, translator=translator), num=1)
        for translator in (None, dict(type="FourierTranslator", beta=0.5))
    ]
    picture, target = slice(0, WIDTH), slice(2 * (WIDTH + GAP), None)
    assert sheets[1][:200, picture].mean() < sheets[0][:200, picture].mean() - 20  # darker
    np.testing.assert_array_equal(sheets[1][:200, target], sheets[0][:200, target])


def test_a_translator_that_does_not_exist(domains) -> None:
    with pytest.raises(ConfigError, match=r"no translator is called 'Fourier'.*FourierTranslator"):
        DomainPair(**domains, translator=dict(type="Fourier"))
