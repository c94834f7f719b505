"""A sampler says for which class it drew a sample, and the crop looks for that class."""

from itertools import islice

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from class_sampler import LAST_IMAGES, SquareSampler
from daseg.datasets import DomainPair, FolderDataset, MixedDataset, RandomCrop, SampleIndex, collate
from daseg.engine.train import train
from daseg.utils.errors import ConfigError
from runs import same_run

CROP = dict(type="RandomCrop", crop_size=(16, 16), class_pixels=90, tries=500)
PIPELINE = [dict(type=t) for t in ("LoadImageFromFile", "LoadLabel")] + [CROP]
PIPELINE += [dict(type="PackSample")]


def data(root, **options):
    return dict(type="FolderDataset", root=str(root), image_dir="images", label_dir="labels",
                classes=["left", "right", "square"], **options)  # fmt: skip


def pair_of(root) -> DomainPair:
    return DomainPair(
        data(root, pipeline=PIPELINE), data(root, pipeline=[PIPELINE[0], *PIPELINE[2:]])
    )


def batches(root, workers: int, begin: int = 0, count: int = 6) -> list[dict]:
    pair = pair_of(root)
    sampler = SquareSampler(pair, seed=5, rank=0, world_size=1)
    sampler.start_at(begin)
    loader = DataLoader(pair, 2, sampler=sampler, num_workers=workers, collate_fn=collate)
    return list(islice(loader, count))


def drawn(batch: dict) -> list[int | None]:
    return [meta.get("draw_class") for meta in batch["source"]["meta"]]


def test_the_class_reaches_the_crop_through_workers(tiny_data):
    for batch in batches(tiny_data, workers=2):
        assert drawn(batch) == [None, 2]
        assert "label" not in batch["target"]
        assert not any("draw_class" in meta for meta in batch["target"]["meta"])
        assert int((batch["source"]["label"][1] == 2).sum()) >= 90
        assert int(batch["source"]["meta"][1]["name"]) in LAST_IMAGES
    plain = [int((b["source"]["label"][0] == 2).sum()) for b in batches(tiny_data, 0)]
    assert min(plain) < 90  # by chance the square is not in a window


def test_a_start_in_the_middle_gives_the_same_samples(tiny_data):
    whole = batches(tiny_data, workers=0)
    for one, other in zip(batches(tiny_data, 2, begin=4, count=4), whole[2:], strict=True):
        for domain in ("source", "target"):
            assert torch.equal(one[domain]["image"], other[domain]["image"])
            assert one[domain]["meta"] == other[domain]["meta"]
        assert torch.equal(one["source"]["label"], other["source"]["label"])


def test_a_mixed_data_set_passes_the_class_on(tiny_data):
    mixed = MixedDataset([data(tiny_data, pipeline=PIPELINE), data(tiny_data, pipeline=PIPELINE)])
    sample = mixed[SampleIndex(14, 3, draw_class=2)]
    assert (sample["meta"]["name"], sample["meta"]["draw_class"]) == ("02", 2)
    part = FolderDataset(
        **{k: v for k, v in data(tiny_data, pipeline=PIPELINE).items() if k != "type"}
    )
    assert torch.equal(part[SampleIndex(2, 3, 2)]["label"], sample["label"])


@pytest.mark.parametrize(
    ("pixels", "tries", "windows"),
    [([1400, 1500, 1501, 0], 11, 3), ([1600, 0], 11, 1), ([1500] * 10 + [7, 9], 11, 11)],
)
def test_windows_are_drawn_until_one_has_enough_of_the_class(pixels, tries, windows, monkeypatch):
    """DAFormer's rule: more than 1500 pixels, at most ten more windows, else the last one."""
    label = np.zeros((1, 1700 * len(pixels)), np.uint8)
    for number, count in enumerate(pixels):
        label[0, 1700 * number : 1700 * number + count] = 6
    places = iter([p for number in range(len(pixels)) for p in (0, 1700 * number)])
    monkeypatch.setattr(np.random, "randint", lambda n: next(places))
    crop = RandomCrop(crop_size=(1, 1700), class_pixels=1501, tries=tries)
    sample = dict(img=np.zeros((*label.shape, 3), np.uint8), gt_seg_map=label, draw_class=6)
    assert crop(sample)["crop_box"] == (0, 1700 * (windows - 1), 1, 1700)


def test_without_a_class_a_crop_draws_what_it_drew_before():
    label = np.random.default_rng(0).integers(0, 3, (40, 40)).astype(np.uint8)
    boxes = []
    for options in (dict(), dict(class_pixels=20)):
        np.random.seed(1)
        crop = RandomCrop(crop_size=(5, 5), cat_max_ratio=0.4, **options)
        sample = dict(img=np.zeros((40, 40, 3), np.uint8), gt_seg_map=label)
        boxes.append([crop(dict(sample))["crop_box"] for _ in range(5)])
    assert boxes[0] == boxes[1]


def test_more_pixels_than_a_window_has_are_refused():
    with pytest.raises(
        ConfigError, match=r"class_pixels=26 are more than a window of \(5, 5\) has"
    ):
        RandomCrop(crop_size=(5, 5), class_pixels=26)
    with pytest.raises(ConfigError, match=r"class_pixels >= 0, got .* -1"):
        RandomCrop(crop_size=(5, 5), class_pixels=-1)


@pytest.mark.slow
def test_a_run_that_draws_for_classes_resumes_exactly(gan_config, tmp_path):
    config = gan_config(
        "custom_imports['imports'].append('class_sampler')\n"
        "train_dataloader['sampler'] = dict(type='SquareSampler')\n"
        "train_dataloader['dataset']['source']['pipeline'][2].update(class_pixels=90)\n"
    )
    options = {"train_dataloader.num_workers": 2}
    train(config, work_dir=tmp_path / "whole", cfg_options=options)
    half = options | {"train_cfg.max_iters": 3, "param_scheduler.0.end": 6}
    train(config, work_dir=tmp_path / "halves", cfg_options=half)
    train(config, work_dir=tmp_path / "halves", resume=True, cfg_options=options)
    same_run(tmp_path / "whole/iter_6.pth", tmp_path / "halves/iter_6.pth")
