"""The benchmark of augmentation: its steps are the ones that it names, on what it says."""

import numpy as np

from daseg.benchmarks import augment
from daseg.benchmarks.compare import Settings
from daseg.ops.labels import IGNORE


def test_the_last_sample_is_cropped_where_its_seed_says(monkeypatch):
    monkeypatch.setattr(augment, "COUNT", 3)
    found = augment.compare(Settings(size=(256, 128)))
    assert [each.name for each in found] == [
        "3 samples of 256x128: resize, crop, flip",
        "3 samples of 256x128: resize, crop, flip, colours",
    ]
    assert [(each.target, each.peer_name) for each in found] == [(1.0, "mmsegmentation")] * 2

    np.random.seed(2)  # that of the last of three samples
    scale = 0.5 + 1.5 * np.random.random_sample()
    width, height = int(256 * scale), int(128 * scale)
    label = augment._sample((256, 128))["gt_seg_map"]
    assert np.bincount(label.ravel(), minlength=256)[[19, IGNORE]].tolist() == [0, 0]
    rows, columns = np.arange(height) * 128 // height, np.arange(width) * 256 // width
    label = label[rows][:, columns]
    y, x = np.random.randint(height - 64 + 1), np.random.randint(width - 128 + 1)
    window = label[y : y + 64, x : x + 128]
    assert np.bincount(window.ravel()).max() < 0.75 * window.size  # the first window is taken
    window = window[:, ::-1] if np.random.random_sample() < 0.5 else window
    seen = window[::16, ::16].astype(int)
    for each in found:
        run = each.ours.make(**each.ours.arguments)
        assert run() == dict(labelled=4 * 8, classes=float(seen.sum()))
