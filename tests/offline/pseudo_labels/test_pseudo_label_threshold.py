"""Thresholds of pseudo-labels, against numpy on all scores at once."""

import numpy as np
import pytest
import torch

from daseg.offline.pseudo_labels.threshold import BINS, Histogram, Threshold
from daseg.utils.errors import ConfigError


@pytest.fixture
def images():
    """Probabilities (3,20,30) of four images; class 1 is mostly sure, class 2 never first."""
    rng = np.random.default_rng(0)
    return [
        torch.from_numpy(np.moveaxis(rng.dirichlet([1.0, 3.0, 0.001], (20, 30)), 2, 0)).float()
        for _ in range(4)
    ]


def pooled(images):
    prob = torch.stack(images)
    confidence, classes = prob.max(1)
    return prob.numpy(), confidence.numpy(), classes.numpy()


def counted(threshold, images, tmp_path):
    histogram = Histogram(tmp_path / "histogram.npz", 3, dict(a=1))
    for number, prob in enumerate(images):
        histogram.add(prob.argmax(0), threshold.score(prob), str(number))
    return histogram


def kept(threshold, images, cuts):
    return np.stack([threshold.kept(threshold.score(p), p.argmax(0), cuts).numpy() for p in images])


@pytest.mark.parametrize("value", [None, 0.75])
def test_class_balanced_is_the_median_or_a_bound(value, images, tmp_path):
    threshold = Threshold("class-balanced", value=value)
    cuts = threshold.cuts(counted(threshold, images, tmp_path).counts)
    _, confidence, classes = pooled(images)
    bound = 0.9 if value is None else value
    medians = [np.median(confidence[classes == k]) for k in (0, 1)]
    assert medians[1] > 0.75, "the bound would not be tested"
    expected = [min(bound, m) for m in medians]
    assert cuts[:2] == pytest.approx(expected, abs=2e-3)
    assert cuts[2] == bound, "a class without a pixel"
    expected_kept = confidence >= np.array(cuts)[classes] - 1e-9
    found = kept(threshold, images, cuts)
    assert (found != expected_kept).mean() < 1e-3, "up to rounding at the edge of a bin"
    if value is None:
        assert found[classes == 0].mean() == pytest.approx(0.5, abs=2e-3)


def test_a_quantile_keeps_the_rest_of_each_class(images, tmp_path):
    threshold = Threshold("class-balanced", quantile=0.8)
    cuts = threshold.cuts(counted(threshold, images, tmp_path).counts)
    _, confidence, classes = pooled(images)
    found = kept(threshold, images, cuts)
    for k in (0, 1):
        assert cuts[k] == pytest.approx(np.quantile(confidence[classes == k], 0.8), abs=2e-3)
        assert found[classes == k].mean() == pytest.approx(0.2, abs=5e-3)
    everything = Threshold("class-balanced", quantile=0.0)
    assert kept(
        everything, images, everything.cuts(counted(everything, images, tmp_path).counts)
    ).all()


def test_entropy_keeps_a_share_of_all_pixels(images, tmp_path):
    threshold = Threshold("entropy", keep=0.3)
    cuts = threshold.cuts(counted(threshold, images, tmp_path).counts)
    found = kept(threshold, images, cuts)
    prob = np.clip(pooled(images)[0], 1e-30, 1)
    entropy = -(prob * np.log(prob)).sum(1) / np.log(3)
    assert found.mean() == pytest.approx(0.3, abs=2e-3)
    assert entropy[found].max() <= entropy[~found].min() + 2 / BINS
    assert len(set(cuts)) == 1
    assert cuts[0] == pytest.approx(1 - np.quantile(entropy, 0.3), abs=2e-3)


def test_fixed_and_none(images):
    _, confidence, _ = pooled(images)
    found = kept(Threshold("fixed"), images, [0.9] * 3)
    assert np.array_equal(found, confidence >= np.float32(0.9))
    assert kept(Threshold("fixed", value=0.6), images, [0.6] * 3).mean() > found.mean()
    assert kept(Threshold(), images, [0.0] * 3).all()


@pytest.mark.parametrize(
    "options",
    [
        dict(kind="class-balanced", quantile=0.95),
        dict(kind="entropy", keep=0.05),
    ],
)
def test_pixels_of_a_sure_network_are_told_apart(options, tmp_path):
    """Half of the pixels are surer than 0.9999; of them, too, only the surest are kept."""
    gaps = np.random.default_rng(3).uniform(5, 14, (2, 100, 100)).astype(np.float32)
    logits = torch.from_numpy(np.stack([gaps, np.zeros_like(gaps)], 1))
    images, threshold = list(logits.softmax(1)), Threshold(**options)
    assert (pooled(images)[1] > 0.9999).mean() > 0.5
    cuts = threshold.cuts(counted(threshold, images, tmp_path).counts)
    found = kept(threshold, images, cuts)
    assert found.mean() == pytest.approx(0.05, abs=1e-2)  # float32 is coarse up there
    assert gaps[found].min() > 13


def test_a_tie_at_the_threshold_is_kept_whole():
    """Half of the pixels are as sure as can be: their own bin is the threshold's."""
    counts = np.zeros((1, BINS), np.int64)
    counts[0, BINS - 1], counts[0, 100] = 5, 5
    assert Threshold("class-balanced", value=1.0).cuts(counts) == [1.0]
    threshold, sure = Threshold("class-balanced", quantile=0.5), torch.ones(1, 2)
    assert threshold.kept(sure, torch.zeros(1, 2).long(), threshold.cuts(counts)).all()


def test_the_histogram_goes_on_where_it_was_saved(images, tmp_path):
    path, threshold = tmp_path / "histogram.npz", Threshold("entropy")
    whole = counted(threshold, images, tmp_path)
    half = counted(threshold, images[:2], tmp_path)
    half.save()
    again = Histogram(path, 3, dict(a=1))
    assert again.sources == ["0", "1"]
    for prob in images[2:]:
        again.add(prob.argmax(0), threshold.score(prob), "more")
    assert np.array_equal(again.counts, whole.counts)
    assert Histogram(path, 3, dict(a=2)).sources == [], "of other settings"
    path.write_bytes(path.read_bytes()[:50])
    assert Histogram(path, 3, dict(a=1)).sources == [], "torn"


@pytest.mark.parametrize(("options", "message"), [
    (dict(kind="otsu"), "threshold is one of none, fixed, class-balanced, entropy, not 'otsu'"),
    (dict(kind="fixed", quantile=0.5), "quantile has no effect with the threshold fixed: it be"),
    (dict(kind="none", value=0.5), "threshold none: it belongs to fixed and class-balanced"),
    (dict(kind="class-balanced", keep=0.5), "keep has no effect with the threshold class-balanced"),
    (dict(kind="class-balanced", value=0.5, quantile=0.5), "with quantile there is no bound"),
    (dict(kind="fixed", value=1.5), "value is in 0..1"),
    (dict(kind="class-balanced", quantile=1.0), "quantile at least 0 and below 1"),
    (dict(kind="entropy", keep=0.0), "keep is a share above 0 and at most 1, not 0.0"),
])  # fmt: skip
def test_options_that_do_not_go_together(options, message):
    with pytest.raises(ConfigError, match=message):
        Threshold(**options)
