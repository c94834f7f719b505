"""The quality gate: what a segmentor sees before and after a translation."""

import json

import cv2
import numpy as np
import pytest
import torch

from daseg.offline.translation import gate
from daseg.offline.translation.translate import translate
from daseg.utils.errors import ConfigError

CLASSES = ("left", "right", "square")


class Largest:
    """A segmentor whose class is the largest of red, green and blue."""

    preprocess = None
    classes = CLASSES
    palette = ((200, 0, 0), (0, 200, 0), (0, 0, 200))

    def predict_classes(self, image, size):
        assert image.shape[-2:] == size
        return image.argmax(1).byte()


@pytest.fixture
def largest(monkeypatch):
    monkeypatch.setattr(gate, "init_segmentor", lambda *_, **__: Largest())


@pytest.fixture
def swapped(monkeypatch):
    """The identity, but what is mostly green becomes mostly blue."""
    from daseg.translation import IdentityTranslator

    def swap(self, source, target):
        green = source.argmax(1, keepdim=True) == 1
        return torch.where(green, source[:, [0, 2, 1]], source)

    monkeypatch.setattr(IdentityTranslator, "translate", swap)


def judged(config, out, **options):
    segmentor = ("config.py", "weights.pth")
    options = dict(out=out, translator=["IdentityTranslator"], workers=0) | options
    translate(config, segmentor=segmentor, **options)
    return json.loads((out / "report.json").read_text())


def test_an_untouched_set_agrees_in_everything(pair_config, largest, tiny_data, tmp_path):
    found = judged(pair_config(), tmp_path / "out")
    assert found["same"] == 100
    assert found["IoU"] == dict.fromkeys(CLASSES, 100.0)
    assert found["changed"] == dict.fromkeys(CLASSES, 0.0)
    assert found["shifts"] == []
    assert (found["images"], found["labelled"]) == (12, 12)
    assert "WARNING" not in (tmp_path / "out/report.txt").read_text()
    # Against the labels, counted here by hand.
    counts = np.zeros((3, 3))
    for number in range(12):
        image = cv2.imread(str(tiny_data / f"images/{number:02d}.png"))[..., ::-1]
        label = cv2.imread(str(tiny_data / f"labels/{number:02d}.png"), cv2.IMREAD_UNCHANGED)
        known = label != 255
        np.add.at(counts, (label[known], image.argmax(-1)[known]), 1)
    iou = np.diag(counts) / (counts.sum(0) + counts.sum(1) - np.diag(counts))
    assert list(found["label_IoU_source"].values()) == pytest.approx(100 * iou)
    assert found["label_IoU_translated"] == found["label_IoU_source"]


def test_a_class_that_becomes_another_is_warned_of(pair_config, largest, swapped, tmp_path, capsys):
    out = tmp_path / "out"
    found = judged(pair_config(), out)
    (shift,) = found["shifts"]
    assert (shift["before"], shift["after"]) == ("right", "square")
    assert shift["changed"] == pytest.approx(1)
    warning = (
        "WARNING: 100 % of the right pixels are no longer right after the translation, and most "
        "of them square (100 %)"
    )
    assert warning in (out / "report.txt").read_text().splitlines()
    assert warning in capsys.readouterr().out
    assert found["IoU"]["left"] == 100
    assert found["IoU"]["right"] == 0
    assert found["label_IoU_translated"]["right"] == 0 < found["label_IoU_source"]["right"]
    matrix = np.array(found["matrix"])
    assert matrix.sum() == 12 * 32 * 48
    green = matrix[1].sum() / matrix.sum()
    assert found["same"] == pytest.approx(100 * (1 - green))
    shares = list(found["worst"].values())
    assert len(shares) == 12
    assert shares == sorted(shares), "the worst first"
    picture = cv2.imread(str(out / "worst.png"))
    assert picture.shape[0] > 4 * 200


def test_small_translations_are_compared_at_the_size_of_the_source(pair_config, largest, tmp_path):
    found = judged(pair_config(scale=(24, 16)), tmp_path / "out", size="trained")
    assert np.array(found["matrix"]).sum() == 12 * 32 * 48
    assert found["same"] > 75


def test_a_real_segmentor_judges_and_other_classes_are_refused_at_once(
    pair_config, trained, tmp_path
):
    model = (trained["config"], trained["checkpoint"])
    options = dict(translator=["IdentityTranslator"], workers=0)
    translate(pair_config(), out=tmp_path / "out", segmentor=model, limit=2, **options)
    found = json.loads((tmp_path / "out/report.json").read_text())
    assert (found["same"], found["images"]) == (100, 2)
    extra = "names[0] = 'port'\n"
    message = r"its classes are left, right, square; those of the source .* port, right, square"
    with pytest.raises(ConfigError, match=message):
        translate(pair_config(extra), out=tmp_path / "two", segmentor=model, **options)
    assert not (tmp_path / "two").exists()
