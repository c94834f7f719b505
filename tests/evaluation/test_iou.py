"""The metric against counting by hand, pixel by pixel."""

import json

import numpy as np
import pytest
import torch

from daseg.evaluation import IoUMetric
from daseg.registry import METRICS
from daseg.utils.errors import ConfigError, DataError

CITYSCAPES = (
    "road sidewalk building wall fence pole traffic_light traffic_sign vegetation terrain sky "
    "person rider car truck bus train motorcycle bicycle"
)
CITYSCAPES = tuple(name.replace("_", " ") for name in CITYSCAPES.split())


def sample(pred, label, **meta) -> dict:
    return dict(pred=torch.as_tensor(pred), label=torch.as_tensor(label), meta=meta)


def evaluate(metric: IoUMetric, samples: list[dict]) -> dict:
    metric.process(None, samples)
    return metric.evaluate(len(samples))


def naive(pairs: list[tuple[np.ndarray, np.ndarray]], num_classes: int) -> dict[str, float]:
    """IoU, accuracy and pixel accuracy in percent from sets of pixels, class by class."""
    pred = [int(v) for p, label in pairs for v in p[label != 255]]
    true = [int(v) for _, label in pairs for v in label[label != 255]]
    ious, accs = [], []
    for c in range(num_classes):
        predicted = {i for i, v in enumerate(pred) if v == c}
        labelled = {i for i, v in enumerate(true) if v == c}
        if predicted | labelled:
            ious.append(len(predicted & labelled) / len(predicted | labelled))
        if labelled:
            accs.append(len(predicted & labelled) / len(labelled))
    right = sum(p == t for p, t in zip(pred, true, strict=True)) / len(true)
    return dict(mIoU=100 * np.mean(ious), mAcc=100 * np.mean(accs), pixAcc=100 * right)


def test_by_hand():
    label = [[0, 0, 0, 1], [1, 1, 2, 255]]
    pred = [[0, 0, 1, 1], [1, 0, 2, 3]]
    metric = IoUMetric(classes=["a", "b", "c", "d"])
    values = evaluate(metric, [sample(pred, label)])
    # a: 2 of 4; b: 2 of 4; c: 1 of 1; d only where there is no label, so it is in no mean.
    assert values["mIoU"] == pytest.approx(100 * (0.5 + 0.5 + 1) / 3)
    assert values["mAcc"] == pytest.approx(100 * (2 / 3 + 2 / 3 + 1) / 3)
    assert values["pixAcc"] == pytest.approx(100 * 5 / 7)
    expected = [[2, 1, 0, 0], [1, 2, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    assert metric.last_result is not None
    assert metric.last_result.matrix.tolist() == expected
    assert np.isnan(metric.last_result.iou[3])


@pytest.mark.parametrize("seed", range(8))
def test_random_images_equal_naive_counting(seed):
    random = np.random.RandomState(seed)
    num_classes = random.randint(2, 8)
    pairs = []
    for _ in range(random.randint(1, 5)):
        size = random.randint(1, 12, 2)
        label = random.randint(0, num_classes, size).astype(np.int64)
        pred = np.where(random.rand(*size) < 0.5, label, random.randint(0, num_classes, size))
        label[random.rand(*size) < 0.2] = 255
        label[0, 0] = 0
        pairs.append((pred.astype(np.uint8), label))
    metric = IoUMetric(classes=[f"c{i}" for i in range(num_classes)])
    values = evaluate(metric, [sample(pred, label) for pred, label in pairs])
    assert values == pytest.approx(naive(pairs, num_classes))


def test_batches_and_their_order_do_not_matter():
    random = np.random.RandomState(0)
    samples = [sample(random.randint(0, 3, (4, 5)), random.randint(0, 3, (4, 5))) for _ in range(7)]
    metric = IoUMetric(classes="abc")
    at_once = evaluate(metric, samples)
    for start in range(0, 7, 3):  # batches of 3, 3 and 1
        metric.process(None, samples[start : start + 3])
    assert metric.evaluate(7) == at_once
    assert not metric.results  # the next evaluation starts from nothing


def test_padded_samples_are_dropped():
    metric = IoUMetric(classes="ab")
    metric.process(None, [sample([[0]], [[0]]), sample([[1]], [[0]]), sample([[0]], [[0]])])
    assert metric.evaluate(2)["pixAcc"] == pytest.approx(50)


def nineteen_classes() -> np.ndarray:
    """A toy matrix: 10 right pixels for each class; 5 of train (16) taken for road (0)."""
    matrix = 10 * np.eye(19, dtype=int)
    matrix[16, 0] = 5
    return matrix


def samples_of(matrix: np.ndarray) -> list[dict]:
    """One image that has this confusion matrix."""
    rows, columns = np.nonzero(matrix)
    counts = matrix[rows, columns]
    return [sample(np.repeat(columns, counts)[None], np.repeat(rows, counts)[None])]


def test_both_conventions_of_synthia():
    names = ["mIoU16", "mIoU13", "mIoU16_restricted", "mIoU13_restricted"]
    metric = IoUMetric(classes=CITYSCAPES, subset_means=names)
    values = evaluate(metric, samples_of(nineteen_classes()))
    # Road: 10 of 15 where trains count as false positives, 10 of 10 where they are left out.
    assert values["mIoU16"] == pytest.approx(100 * (15 + 10 / 15) / 16)
    assert values["mIoU13"] == pytest.approx(100 * (12 + 10 / 15) / 13)
    assert values["mIoU16_restricted"] == pytest.approx(100)
    assert values["mIoU13_restricted"] == pytest.approx(100)
    assert values["mIoU"] == pytest.approx(100 * (17 + 10 / 15 + 10 / 15) / 19)


def test_nineteen_sixteenths_only_where_the_other_three_are_zero():
    others = [9, 14, 16]  # terrain, truck, train
    matrix = np.random.RandomState(0).randint(0, 9, (19, 19))
    metric = IoUMetric(classes=CITYSCAPES, subset_means=["mIoU16"])
    values = evaluate(metric, samples_of(matrix))
    assert values["mIoU16"] != pytest.approx(values["mIoU"] * 19 / 16)
    matrix[others, others] = 0
    values = evaluate(metric, samples_of(matrix))
    assert values["mIoU16"] == pytest.approx(values["mIoU"] * 19 / 16)


def test_restricted_keeps_wrong_classes_as_misses():
    metric = IoUMetric(classes="abc", subsets=dict(ab=["a", 1]), subset_means=["ab_restricted"])
    # a: 1 right, 1 predicted as c (a miss); b: 1 right; c: 1 predicted as a (left out).
    values = evaluate(metric, [sample([[0, 2, 1, 0]], [[0, 0, 1, 2]])])
    assert values["ab_restricted"] == pytest.approx(100 * (1 / 2 + 1) / 2)
    assert values["ab"] == pytest.approx(100 * (1 / 3 + 1) / 2)


def test_classes_of_the_data_set_and_keys_without_prefix():
    metric = METRICS.build(dict(type="IoUMetric"))
    metric.dataset_meta = dict(classes=("a", "b"))
    assert list(evaluate(metric, [sample([[0]], [[0]])])) == ["mIoU", "pixAcc", "mAcc"]


def test_sizes_are_recorded():
    metric = IoUMetric(classes="ab")
    for side in (4, 2, 4):
        batch = dict(image=torch.zeros(1, 3, side, 2 * side))
        metric.process(batch, [sample(np.zeros((8, side)), np.zeros((8, side)))])
    metric.evaluate(3)
    result = metric.last_result
    assert result.input_sizes == [(2, 4), (4, 8)]
    assert result.label_sizes == [(8, 2), (8, 4)]
    assert result.num_images == 3


def test_files_are_written_at_each_evaluation(tmp_path):
    log = tmp_path / "logs" / "seed.txt"
    metric = IoUMetric(classes="ab", out_dir=str(tmp_path / "out"), seed_log=str(log))
    for pred, expected in ((0, 100.0), (1, 0.0)):
        evaluate(metric, [sample([[pred]], [[0]])])
        assert json.loads((tmp_path / "out" / "results.json").read_text())["mIoU"] == expected
        assert log.read_text().splitlines()[-1] == f"===> mIoU: {expected}"


def test_nothing_labelled_is_no_number_but_an_error_that_names_a_label():
    files = [sample([[0]], [[255]], label_path=f"gt/{name}.png") for name in "xy"]
    with pytest.raises(DataError, match=r"no labelled pixel in 2 images, the first .* gt/x\.png"):
        evaluate(IoUMetric(classes="ab"), files)


def test_classes_without_a_labelled_pixel_are_named_below_the_table():
    metric = IoUMetric(classes=("sky", "road", "car"))
    evaluate(metric, [sample([[0, 1, 2]], [[0, 1, 255]])])
    assert metric.last_result.unlabelled == ("car",)
    assert metric.last_result.table().splitlines()[-1] == "without a labelled pixel: car"
    assert metric.last_result.to_json()["unlabelled"] == ["car"]
    evaluate(metric, [sample([[0, 1, 2]], [[0, 1, 2]])])
    assert "without" not in metric.last_result.table()
    assert "unlabelled" not in metric.last_result.to_json()


def test_a_wrong_prediction_is_not_put_down_to_the_label_file():
    meta = dict(label_path="gt/x.png", image_path="img/x.jpg")
    with pytest.raises(
        DataError, match=r"^img/x\.jpg: the prediction holds \[2\].*num_classes"
    ) as e:
        IoUMetric(classes="ab").process(None, [sample([[2, 5]], [[0, 255]], **meta)])
    assert "gt/x.png" not in str(e.value)


@pytest.mark.parametrize("names", ["ba", "abc", "xa"])
def test_names_of_the_metric_that_are_those_of_other_classes_are_refused(names):
    metric = IoUMetric(classes=names)
    metric.dataset_meta = dict(classes=("a", "b"))
    with pytest.raises(ConfigError, match=r"IoUMetric has .*'a', 'b'\].* under wrong names"):
        metric.process(None, [sample([[0]], [[0]])])


def test_names_of_the_metric_may_be_others_than_the_data_sets():
    metric = IoUMetric(classes=("A", "b"))
    metric.dataset_meta = dict(classes=("a", "b"))
    metric.process(None, [sample([[0]], [[0]])])


def test_size_mismatch_names_the_file():
    metric = IoUMetric(classes="ab")
    bad = sample(np.zeros((2, 3)), np.zeros((4, 3)), label_path="gt/x.png")
    with pytest.raises(DataError, match=r"gt/x\.png: the prediction is 2x3 .* the label 4x3"):
        metric.process(None, [bad])


@pytest.mark.parametrize(
    ("pred", "label", "message"),
    [
        (0, 2, r"x\.png: the label holds \[2\], but there are 2 classes"),
        (0, -1, r"x\.png: the label holds \[-1\]"),
        (2, 0, r"x\.png: the prediction holds \[2\], but there are 2 classes"),
    ],
)
def test_out_of_range_names_file_and_values(pred, label, message):
    with pytest.raises(DataError, match=message):
        IoUMetric(classes="ab").process(None, [sample([[0, pred]], [[0, label]], name="x.png")])


def test_prediction_out_of_range_on_ignored_pixels_is_no_matter():
    values = evaluate(IoUMetric(classes="ab"), [sample([[0, 7]], [[0, 255]])])
    assert values["pixAcc"] == 100


def test_images_without_labels():
    bare = dict(pred=torch.zeros(2, 2), meta=dict(label_path=None, image_path="photos/a.png"))
    with pytest.raises(DataError, match=r"photos/a\.png has no label .* daseg predict"):
        IoUMetric(classes="ab").process(None, [bare])


def test_empty_data_set():
    with pytest.raises(DataError, match="counted no image"):
        IoUMetric(classes="ab").evaluate(0)


def test_unknown_classes():
    with pytest.raises(ConfigError, match="does not know the classes"):
        IoUMetric().process(None, [sample([[0]], [[0]])])


def test_unknown_subset_is_named_at_once():
    with pytest.raises(ConfigError, match="no subset 'mIoU61'; did you mean"):
        IoUMetric(subset_means=["mIoU61"])


def test_subset_of_unknown_class_is_named_at_the_first_image():
    metric = IoUMetric(classes=("road", "sky"), subsets=dict(far=["sky", "raod"]))
    with pytest.raises(ConfigError, match=r"'far' .* class 'raod', .* did you mean 'road'"):
        metric.process(None, [sample([[0]], [[0]])])
    metric = IoUMetric(classes=("road", "sky"), subsets=dict(far=[2]))
    with pytest.raises(ConfigError, match="names the class 2, which is not among"):
        metric.process(None, [sample([[0]], [[0]])])


@pytest.mark.cuda
@pytest.mark.parametrize(("pred_device", "label_device"), [("cuda", "cuda"), ("cuda", "cpu")])
def test_cuda_equals_cpu(pred_device, label_device):
    random = np.random.RandomState(0)
    pred, label = random.randint(0, 5, (2, 40, 50))
    expected = evaluate(IoUMetric(classes="abcde"), [sample(pred, label)])
    pred, label = torch.tensor(pred).to(pred_device), torch.tensor(label).to(label_device)
    assert evaluate(IoUMetric(classes="abcde"), [sample(pred, label)]) == expected
