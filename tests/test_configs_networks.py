"""Networks in configs/_base_/models that methods build on: their real size, and in a world."""

from pathlib import Path

import pytest
import torch

from daseg.config.load import load_config
from daseg.segmentor import build_segmentor

ROOT = Path(__file__).parents[1]
MODELS = ROOT / "configs/_base_/models"
R101 = 42_500_160 - (64 * 147 + 128) + (27 * 32 + 64 + 288 * 32 + 64 + 288 * 64 + 128)  # the stem
BRANCHES = 2 * (19 * 2048 * 9 + 19)
LIGHT = 454_176  # the head of VFM-UDA on 384 channels
PARAMETERS = {
    "segformer_mitb5": 81_443_008 + 768 * (1024 + 4) + 3072 * 768 + 2 * 768 + 769 * 19,
    "daformer_mitb5": 85_155_283,
    "hrda_mitb5": 85_685_990,
    "daformer_r101": R101 + BRANCHES,
    "hrda_r101": R101 + 2 * BRANCHES,
    "vfm_dinov2_small": 22_056_192 - 384 + LIGHT,  # the class token takes its position in
    "vfm_dinov3_small": 21_596_160 + LIGHT,
}
CONFIG = """
_base_ = ['{models}/{name}.py', '{models}/../datasets/cityscapes_512.py',
          '{models}/../schedules/{schedule}.py', '{models}/../runtime.py']
"""


def config(name: str, folder: Path, **options):
    schedule = "adamw_warmup_hrda" if name.startswith("hrda") else "adamw_warmup"
    path = folder / f"{name}.py"
    path.write_text(CONFIG.format(models=MODELS, name=name, schedule=schedule))
    return load_config(path, {"model.segmentor.backbone.weights": None}, **options)


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_network_has_its_size(name, tmp_path) -> None:
    with torch.device("meta"):
        segmentor = build_segmentor(config(name, tmp_path))
    assert sum(p.numel() for p in segmentor.parameters()) == PARAMETERS[name]


@pytest.mark.parametrize("name", ["hrda_mitb5", "hrda_r101", "vfm_dinov2_large"])
def test_a_network_is_small_in_a_world(name, tmp_path) -> None:
    cfg = config(name, tmp_path, world="demo")
    segmentor = build_segmentor(cfg).eval()
    assert type(segmentor.backbone).__name__ == "EfficientNetLite0"
    assert sum(p.numel() for p in segmentor.parameters()) < 6_000_000
    assert cfg.optim_wrapper.segmentor.optimizer.lr == 0.001
    assert "decay_mult" not in cfg.optim_wrapper.segmentor
    if name.startswith("hrda"):
        assert segmentor.detail_size == (128, 128)
        assert segmentor.inference.crop_size == (256, 256)
        output = segmentor.train()(torch.zeros(2, 3, 256, 256))
        top, left, bottom, right = output.predictions["detail"].box
        assert (bottom - top, right - left) == (128, 128)
