"""The compact table of samples: it gives what a list of them holds."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from daseg.datasets.files.scan import Layout, Sample
from daseg.datasets.files.table import SampleTable

IMAGES, LABELS = Path("root/images"), Path("root/labels")
LAYOUT = Layout("images", "labels", (".png", ".jpg"), "_ids.png", prefixes=("img_", "gt_"))
SAMPLES = [
    Sample(IMAGES / "a/img_1.png", LABELS / "a/gt_1_ids.png", "a/img_1"),
    Sample(IMAGES / "a/img_2.JPG", LABELS / "a/gt_2_ids.png", "a/img_2"),  # capitals
    Sample(IMAGES / "img_3.png", LABELS / "gt_3_IDS.png", "img_3"),  # not the layout's suffix
    Sample(IMAGES / "img_\udcff é.png", LABELS / "gt_\udcff é_ids.png", "img_\udcff é"),
    Sample(Path("elsewhere/x.png"), None, "img_4"),
]


@pytest.fixture
def table():
    return SampleTable(LAYOUT, IMAGES, LABELS, SAMPLES)


def test_it_is_the_list(table):
    assert len(table) == 5
    assert list(table) == SAMPLES == [table[i] for i in range(5)]
    assert table == SAMPLES
    assert table.names() == [sample.name for sample in SAMPLES]
    assert table[-1] == SAMPLES[-1]
    assert table[1:3] == SAMPLES[1:3]
    with pytest.raises(IndexError, match="sample 5 of 5"):
        table[5]


def test_some_of_them(table):
    rows = np.array([4, 1, 2])
    assert list(table.take(rows)) == [SAMPLES[i] for i in rows]
    assert list(table.take(rows).take(np.array([2, 0]))) == [SAMPLES[2], SAMPLES[4]]
    assert list(table.take(np.array([], np.int64))) == []


def test_it_travels_to_a_worker(table):
    assert list(pickle.loads(pickle.dumps(table))) == SAMPLES


def test_no_labels():
    plain = SampleTable(LAYOUT, IMAGES, None, [SAMPLES[0]._replace(label=None)])
    assert plain[0].label is None
    assert not plain.odd


def test_a_million_samples_of_cityscapes_names_take_less_than_200_bytes_each():
    names = [f"aachen/aachen_{i:06d}_000019" for i in range(1000)]
    samples = [Sample(IMAGES / f"{n}.png", LABELS / f"{n}_ids.png", n) for n in names]
    table = SampleTable(Layout("images", "labels", ".png", "_ids.png"), IMAGES, LABELS, samples)
    assert not table.odd
    assert table.nbytes() / len(names) < 27 + 12  # the name, its end and its suffix
