"""The panel of several models on the same images."""

import cv2
import pytest

from daseg.utils.errors import ConfigError
from daseg.visualization.compare import show_models


def test_models_are_shown_side_by_side(trained, tmp_path):
    models = [(name, trained["config"], trained["checkpoint"]) for name in ("one", "two")]
    show_models(models[:1], tmp_path / "one.png", num=2)
    show_models(models, tmp_path / "two.png", num=2)
    one, two = (cv2.imread(str(tmp_path / name)) for name in ("one.png", "two.png"))
    assert two.shape[1] > one.shape[1], "a second model is another column"


def test_models_of_other_classes_or_without_a_test_set_are_refused(trained, tmp_path):
    text, other = trained["config"].read_text(), tmp_path / "other.py"
    model = ("model", trained["config"], trained["checkpoint"])
    other.write_text(text + "del test_dataloader, test_cfg, test_evaluator\n")
    with pytest.raises(ConfigError, match=r"other.py has no test_dataloader to take images from"):
        show_models([("other", other, trained["checkpoint"]), model], tmp_path / "out.png")
