"""A translator in a config: resumed exactly, checked strictly, seen in the pictures."""

import numpy as np
import pytest
import torch

from daseg.config.load import load_config
from daseg.engine.checkpoint import read_checkpoint
from daseg.engine.evaluate import prepare
from daseg.engine.train import train
from daseg.hooks.observatory import pictures_of
from daseg.objectives import View
from daseg.utils.errors import ConfigError
from outputs import seg_output

PLACES = {
    "loader": "train_dataloader['dataset']['translator'] = {}",
    "device": "model['translator'] = {}",
}
FOURIER = "dict(type='FourierTranslator', beta=0.1)"
# The twelve images are alike: only a target of other colours shows that something is translated.
DARK = """
train_dataloader['dataset']['target']['pipeline'].insert(1, dict(type='Darken'))
custom_imports = dict(imports=['darken', 'gan_parts'])
model['segmentor']['backbone'] = dict(type='SmallBackbone', norm='gn')
"""
DARKEN = """
from mmcv.transforms import BaseTransform
from daseg.registry import TRANSFORMS

@TRANSFORMS.register_module(force=True)
class Darken(BaseTransform):
    def transform(self, results):
        results['img'] = results['img'] // 3
        return results
"""
SOURCE_ONLY = """
model['objectives'] = [dict(type='Supervised')]
optim_wrapper.pop('discriminators')
"""


@pytest.fixture
def config(two_domain_config, tmp_path, monkeypatch):
    """Write the config of an adaptation, or of a source-only training, with a translator."""
    (tmp_path / "darken.py").write_text(DARKEN)
    monkeypatch.syspath_prepend(tmp_path)

    def write(place=None, translator=FOURIER, extra=""):
        line = PLACES[place].format(translator) if place else ""
        return two_domain_config(DARK + line + extra, name=f"translated_{place}")

    return write


def weights(path) -> dict[str, torch.Tensor]:
    return read_checkpoint(path)["state_dict"]


SLOWER = pytest.param("loader", 2, marks=pytest.mark.slow)


@pytest.mark.parametrize(("place", "workers"), [SLOWER, ("device", 0)])
def test_a_resumed_run_equals_an_uninterrupted_one(config, tmp_path, place, workers):
    path = config(place, extra=SOURCE_ONLY)
    options = {"train_dataloader.num_workers": workers}
    whole, halves, plain = (tmp_path / name for name in ("whole", "halves", "plain"))
    train(path, work_dir=whole, cfg_options=options)
    half = options | {"train_cfg.max_iters": 3, "param_scheduler.0.end": 6}
    train(path, work_dir=halves, cfg_options=half)
    train(path, work_dir=halves, resume=True, cfg_options=options)
    expected, found = weights(whole / "iter_6.pth"), weights(halves / "iter_6.pth")
    assert expected.keys() == found.keys()
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    train(config(extra=SOURCE_ONLY), work_dir=plain, cfg_options=options)
    other = weights(plain / "iter_6.pth")
    assert any(not torch.equal(other[name], value) for name, value in expected.items())


def test_on_the_device_no_objective_need_look_at_the_target(config, tmp_path):
    runner = train(config("device", extra=SOURCE_ONLY), work_dir=tmp_path)
    assert not runner.bare_model.views["target"].has_run
    source = runner.bare_model.views["source"].image.mean()
    assert source == pytest.approx(runner.bare_model.views["target"].image.float().mean(), abs=8)


def test_a_test_leaves_the_translator_out(config, tmp_path):
    cfg = load_config(config("device"))
    assert "translator" in cfg.model
    prepare(cfg, tmp_path)
    assert "translator" not in cfg.model


@pytest.mark.parametrize(
    ("place", "where"), [("loader", "train_dataloader.dataset"), ("device", "model")]
)
def test_a_config_is_checked_strictly(config, place, where):
    for translator, match in (
        ("dict(type='FourierTranslator', bta=0.1)", rf"{where}\.translator\.bta: .*'beta'"),
        ("dict(type='Fourier')", rf"{where}\.translator: no translator is called 'Fourier'"),
        ("dict(type='ResNet', depth=18)", rf"{where}\.translator: .*'ResNet' is a backbone"),
    ):
        with pytest.raises(ConfigError, match=match):
            train(config(place, translator))


def test_a_picture_shows_the_translated_image():
    image = torch.tensor([-3.0, 0.4, 99.6, 258.0]).view(1, 1, 2, 2).expand(1, 3, 2, 2)
    output = seg_output(torch.zeros(1, 4, 2, 2))
    view = View(lambda _: output, image, align_corners=True)
    expected = np.array([[0, 0], [100, 255]], np.uint8)[..., None].repeat(3, 2)
    assert np.array_equal(pictures_of(view)[0], expected)
