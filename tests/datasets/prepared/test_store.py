"""A prepared data set gives the samples of the direct road, and refuses what is not its own."""

import os
import pickle
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

from daseg.datasets import FolderDataset, MixedDataset, SampleIndex
from daseg.datasets.firewall import take_opened
from daseg.datasets.pipeline import Pipeline
from daseg.datasets.prepared.settings import folder_name, num_fixed, settings_of
from daseg.offline.prepare import Preparation
from daseg.utils.errors import ConfigError, DataError

LOAD = [dict(type="LoadImageFromFile"), dict(type="LoadLabel")]
RESIZE = dict(type="ResizePIL", scale=(36, 24))
REST = [
    dict(type="RandomCrop", crop_size=(20, 24)),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PhotoMetricDistortion"),
    dict(type="PackSample"),
]
TRAIN = [*LOAD, RESIZE, *REST]
TEST = [LOAD[0], RESIZE, LOAD[1], dict(type="PackSample")]


@pytest.fixture
def root(tmp_path):
    """Seven images in two folders, one label with a suffix in capitals."""
    rng = np.random.RandomState(0)
    for index in range(7):
        for kind, pixels in (
            ("images", rng.randint(0, 256, (32, 48, 3))),
            ("labels", rng.choice([0, 1, 7, 255], (32, 48))),
        ):
            suffix = ".PNG" if (kind, index) == ("labels", 3) else ".png"
            path = tmp_path / f"data/{kind}/{'ab'[index % 2]}/{index}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.astype(np.uint8)).save(path)
    return tmp_path / "data"


def build(root, pipeline=TRAIN, **options):
    classes = dict(classes=["x", "y"], id_map={0: 0, 7: 1}, ignored_ids=[1, 255])
    return FolderDataset(root, pipeline=pipeline, **classes, **options)


def prepared(root, pipeline=TRAIN, compress=False, **options):
    """The data set as it reads what was prepared of it, in shards of three."""
    direct = build(root, pipeline, **options)
    out = root.parent / "prepared"
    folder = out / folder_name(settings_of(direct))
    Preparation(direct, folder, 3, compress).run(0, False)
    return direct, build(root, pipeline, prepared=out, **options)


def same(one, other):
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    return torch.equal(one, other) if torch.is_tensor(one) else one == other


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("pipeline", [TRAIN, TEST, LOAD + REST], ids=["train", "test", "whole"])
def test_samples_are_those_of_the_direct_road(root, pipeline, compress):
    direct, quick = prepared(root, pipeline, compress)
    assert quick.samples == direct.samples
    for index in range(7):
        place = SampleIndex(index, 50 + index, draw_class=1)
        assert same(direct[place], quick[place])
    if pipeline is TEST:
        assert all(same(direct[index], quick[index]) for index in range(7))
        assert "moved" not in quick[0]["meta"]


def test_what_is_kept_of_a_pipeline():
    assert num_fixed(build_transforms(TRAIN)) == 3
    assert num_fixed(build_transforms(TEST)) == 3
    assert num_fixed(build_transforms(LOAD + REST)) == 2
    assert num_fixed(build_transforms([REST[0], *LOAD])) == 0


def build_transforms(pipeline):
    return Pipeline(pipeline).transforms


def test_subsets(root):
    direct, quick = prepared(root)
    subset, quick_subset = (
        build(root, num_samples=4, subset_seed=5, prepared=out)
        for out in (None, root.parent / "prepared")
    )
    assert quick_subset.names == subset.names
    assert same(quick_subset[SampleIndex(3, 9)], subset[SampleIndex(3, 9)])
    assert quick_subset.num_found == subset.num_found == 7
    assert direct.names == quick.names


def test_a_subset_alone_is_prepared_and_more_is_refused(root):
    direct, quick = prepared(root, num_samples=4)
    assert same(direct[SampleIndex(2, 2)], quick[SampleIndex(2, 2)])
    smaller = build(root, num_samples=2, prepared=root.parent / "prepared")
    assert same(smaller[SampleIndex(1, 0)], build(root, num_samples=2)[SampleIndex(1, 0)])
    with pytest.raises(ConfigError, match=r"holds 4 of the 7 samples .* not 3 of the 7"):
        build(root, prepared=root.parent / "prepared")


def test_mixed(root):
    direct, quick = prepared(root)
    one, other = MixedDataset([direct, direct]), MixedDataset([quick, quick])
    assert same(one[SampleIndex(9, 3)], other[SampleIndex(9, 3)])


def test_a_worker_that_is_started_anew(root):
    direct, quick = prepared(root)
    again = pickle.loads(pickle.dumps(quick))
    assert same(again[SampleIndex(6, 1)], direct[SampleIndex(6, 1)])


def test_labels_that_are_not_asked_for_are_neither_read_nor_written(root):
    take_opened()
    _, quick = prepared(root, labels=False)
    assert "label" not in quick[SampleIndex(0, 0)]
    assert not take_opened()
    shards = sorted((root.parent / "prepared").rglob("*.tar"))
    names = []
    for shard in shards:
        with tarfile.open(shard) as tar:
            names += tar.getnames()
    assert len(names) == 14
    assert not any("label" in name for name in names)
    with pytest.raises(ConfigError, match="labels: False there, True here"):
        build(root, prepared=root.parent / "prepared")


def test_a_copy_of_a_label_counts_as_its_file(root):
    direct, quick = prepared(root)
    take_opened()
    direct[SampleIndex(3, 0)]
    opened = take_opened()
    quick[SampleIndex(3, 0)]
    assert take_opened() == opened != {}


def test_the_source_need_not_be_there(root):
    direct, _ = prepared(root)
    expected = [direct[SampleIndex(index, index)] for index in range(7)]
    root.rename(root.parent / "elsewhere")
    quick = build(root, prepared=root.parent / "prepared")
    assert all(same(expected[i], quick[SampleIndex(i, i)]) for i in range(7))


def test_other_settings_are_refused_by_name(root):
    prepared(root)
    other = [*LOAD, dict(type="ResizePIL", scale=(40, 24)), *REST]
    with pytest.raises(ConfigError, match=r"steps: .*\(36, 24\).* there, .*\(40, 24\).* here"):
        build(root, other, prepared=root.parent / "prepared")
    with pytest.raises(ConfigError, match="holds no prepared samples of FolderDataset"):
        build(root, prepared=root.parent / "nothing")


def test_a_changed_image_is_refused_and_a_touched_one_is_not(root):
    direct, quick = prepared(root)
    image = direct.samples[2].image
    os.utime(image, (1, 1))
    assert same(direct[SampleIndex(2, 0)], quick[SampleIndex(2, 0)])
    Image.fromarray(np.zeros((32, 48, 3), np.uint8)).save(image)
    with pytest.raises(DataError, match=rf"{image.name} was changed after"):
        quick[SampleIndex(2, 0)]


def test_a_new_image_is_refused(root):
    prepared(root)
    for kind in ("images", "labels"):
        name = "8.png"
        (root / kind / "a" / name).write_bytes((root / kind / "a/0.png").read_bytes())
    with pytest.raises(DataError, match="has 8 samples now, not the 7"):
        build(root, prepared=root.parent / "prepared")


def test_a_damaged_shard_is_refused_by_name(root):
    _, quick = prepared(root)
    shard = sorted(quick.prepared.folder.glob("*.tar"))[0]
    data = bytearray(shard.read_bytes())
    data[700] ^= 1
    shard.write_bytes(data)
    with pytest.raises(DataError, match=r"000000\.tar is damaged"):
        quick[SampleIndex(0, 0)]
    shard.write_bytes(data[:-512])
    with pytest.raises(DataError, match=r"000000\.tar has \d+ bytes, not"):
        build(root, prepared=root.parent / "prepared")


def test_an_unfinished_one_is_refused(root):
    _, quick = prepared(root)
    (quick.prepared.folder / "prepared.json").unlink()
    with pytest.raises(DataError, match="is unfinished: run the same daseg prepare again"):
        build(root, prepared=root.parent / "prepared")


def test_its_index_is_small(root):
    _, quick = prepared(root)
    arrays = quick.prepared.index.values()
    assert sum(array.nbytes for array in arrays) / 7 < 200
    assert all(isinstance(array, np.memmap) for array in arrays)
