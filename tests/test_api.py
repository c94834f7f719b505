"""daseg from Python gives what the tools give."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import daseg
from daseg.api import read_rgb
from daseg.config.load import load_config
from daseg.datasets import GTA5, SYNTHIA, CamVid, Cityscapes
from daseg.datasets.classes import classes_of
from daseg.engine.runner import Runner
from daseg.utils.errors import CheckpointError, ConfigError, DataError

RESIZED = """
test_dataloader['dataset']['pipeline'].insert(1, dict(type='ResizePIL', scale=(36, 24)))
"""


@pytest.fixture(scope="module")
def resized(trained, tmp_path_factory) -> Path:
    """The config of the trained network, tested at a smaller size than the images'."""
    path = tmp_path_factory.mktemp("resized") / "resized.py"
    path.write_text(trained["config"].read_text() + RESIZED)
    return path


def tool_predictions(config, checkpoint, work_dir) -> dict[str, np.ndarray]:
    """What the runner predicts in testing, by the image's name."""
    from daseg.engine.checkpoint import load_segmentor

    cfg = load_config(config)
    cfg.work_dir = str(work_dir)
    runner = Runner.from_cfg(cfg)
    load_segmentor(runner.bare_segmentor, checkpoint)
    model = runner.model.eval()
    loader = runner.build_dataloader(cfg.test_dataloader)
    samples = [s for batch in loader for s in model.val_step(batch)]
    return {Path(s["meta"]["image_path"]).name: s["pred"].numpy() for s in samples}


def test_predict_equals_the_test_with_its_resizing(resized, trained, tiny_data, tmp_path):
    expected = tool_predictions(resized, trained["checkpoint"], tmp_path)
    assert len(expected) == 12
    segmentor = daseg.init_segmentor(resized, trained["checkpoint"])
    plain = daseg.init_segmentor(trained["config"], trained["checkpoint"])
    differ = 0
    for name, pred in expected.items():
        found = daseg.predict(segmentor, tiny_data / "images" / name)
        assert found.shape == (32, 48)
        assert found.dtype == np.uint8
        assert np.array_equal(found, pred)
        differ += (found != daseg.predict(plain, tiny_data / "images" / name)).sum()
    assert differ, "resizing makes no difference here, so that nothing was tested"


def test_an_array_is_the_same_as_its_file(trained, tiny_data):
    segmentor = daseg.init_segmentor(trained["config"], trained["checkpoint"])
    path = tiny_data / "images/03.png"
    pixels = cv2.imread(str(path))[..., ::-1]
    assert np.array_equal(read_rgb(path), pixels)
    expected = daseg.predict(segmentor, path)
    assert np.array_equal(daseg.predict(segmentor, pixels), expected)
    assert np.array_equal(daseg.predict(segmentor, pixels.astype(np.float64)), expected)


def test_an_array_of_floats_is_resized_as_its_file(resized, trained, tiny_data):
    segmentor = daseg.init_segmentor(resized, trained["checkpoint"])
    pixels = read_rgb(tiny_data / "images/03.png")
    expected = daseg.predict(segmentor, pixels, return_prob=True)[1]
    for floats in (pixels.astype(np.float32) + 0.4, pixels - 0.4):
        found = daseg.predict(segmentor, floats, return_prob=True)[1]
        assert np.array_equal(found, expected)
    with pytest.raises(DataError, match="numbers from 0 to 300"):
        daseg.predict(segmentor, np.where(pixels > 200, 300.0, 0))


def test_probabilities_sum_to_one_and_the_class_is_their_largest(trained, tiny_data):
    segmentor = daseg.init_segmentor(trained["config"], trained["checkpoint"])
    classes, prob = daseg.predict(segmentor, str(tiny_data / "images/00.png"), return_prob=True)
    assert prob.shape == (3, 32, 48)
    assert prob.dtype == np.float32
    np.testing.assert_allclose(prob.sum(0), 1, atol=1e-5)
    assert np.array_equal(prob.argmax(0), classes)


def test_the_segmentor_is_ready_to_use(trained):
    segmentor = daseg.init_segmentor(trained["config"], trained["checkpoint"])
    assert not segmentor.training
    assert segmentor.classes == ("left", "right", "square")
    assert len(segmentor.palette) == 3
    augmented = daseg.init_segmentor(trained["config"], trained["checkpoint"], tta=True)
    assert type(augmented.inference).__name__ == "MultiScaleFlip"


def test_without_a_checkpoint_classes_are_numbered(trained):
    segmentor = daseg.init_segmentor(
        trained["config"], cfg_options={"model.segmentor.num_classes": 4}
    )
    assert segmentor.classes == ("class 0", "class 1", "class 2", "class 3")
    nineteen = {"model.segmentor.num_classes": 19}
    assert daseg.init_segmentor(trained["config"], cfg_options=nineteen).classes[0] == "class 0"


def test_without_a_checkpoint_classes_are_those_of_the_configs_data_set(trained, tmp_path):
    folder = daseg.init_segmentor(trained["config"])
    assert folder.classes == ("left", "right", "square")
    assert len(folder.palette) == 3
    path = tmp_path / "city.py"
    mixed = dict(type="MixedDataset", datasets=[dict(type="GTA5", root="no/such/folder")])
    path.write_text(
        trained["config"].read_text()
        + "model['segmentor']['num_classes'] = 19\n"
        + f"train_dataloader['dataset'] = {mixed}\n"
    )
    city = daseg.init_segmentor(path)
    assert city.classes == Cityscapes.CLASSES
    assert city.palette[0] == [128, 64, 128]


@pytest.mark.parametrize("kind", [GTA5, SYNTHIA, Cityscapes, CamVid])
def test_the_classes_of_a_data_set_that_is_not_there(kind):
    names, palette = classes_of(dict(type=kind.__name__, root="no/such/folder"))
    fixed = (CamVid.CLASSES, 11) if kind is CamVid else (Cityscapes.CLASSES, 19)
    assert (names, len(palette)) == fixed


def test_classes_that_a_config_does_not_tell():
    assert classes_of(None) is None
    assert classes_of(dict(type="RepeatDataset", times=2)) is None
    stated = dict(type="FolderDataset", classes=["a", "b"], palette=[[1, 2, 3], [4, 5, 6]])
    assert classes_of(stated) == (("a", "b"), [[1, 2, 3], [4, 5, 6]])


def test_errors_of_the_user_are_named(trained, tmp_path):
    segmentor = daseg.init_segmentor(trained["config"], trained["checkpoint"])
    with pytest.raises(DataError, match=r"gone.png cannot be read: No such file"):
        daseg.predict(segmentor, tmp_path / "gone.png")
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(DataError, match=r"text.png cannot be read: not a picture"):
        daseg.predict(segmentor, tmp_path / "text.png")
    with pytest.raises(DataError, match=r"expected an image of shape \(H,W,3\), got \(4, 4\)"):
        daseg.predict(segmentor, np.zeros((4, 4), np.uint8))
    with pytest.raises(CheckpointError, match="no weights file at"):
        daseg.init_segmentor(trained["config"], tmp_path / "gone.pth")
    with pytest.raises(ConfigError, match="the device 'abacus' cannot be used"):
        daseg.init_segmentor(trained["config"], device="abacus")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="the device 'cuda' cannot be used"):
            daseg.init_segmentor(trained["config"], device="cuda")


def test_16_bit_files_are_read_as_the_test_pipeline_says(trained, tmp_path):
    config = tmp_path / "deep.py"
    load = "dict(type='LoadImageFromFile', max_value=4095)"
    config.write_text(
        trained["config"].read_text()
        + f"test_dataloader['dataset']['pipeline'] = [{load}, dict(type='PackSample')]\n"
    )
    segmentor = daseg.init_segmentor(config, trained["checkpoint"])
    assert segmentor.max_value == 4095
    values = np.random.RandomState(0).randint(0, 4096, (32, 48, 3)).astype(np.uint16)
    cv2.imwrite(str(tmp_path / "deep.png"), values[..., ::-1])
    expected = daseg.predict(segmentor, (values >> 4).astype(np.uint8))
    assert np.array_equal(daseg.predict(segmentor, tmp_path / "deep.png"), expected)
    plain = daseg.init_segmentor(trained["config"], trained["checkpoint"])
    assert plain.max_value is None
    with pytest.raises(DataError, match="is a 16-bit picture"):
        daseg.predict(plain, tmp_path / "deep.png")
