"""Pipelines, optimizers, schedules and hooks are tried out before anything is trained."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmcv.transforms import BaseTransform

from daseg.config.load import load_config
from daseg.config.trial_pipelines import wrong_pipelines
from daseg.datasets.firewall import take_opened
from daseg.registry import HOOKS
from daseg.utils.errors import ConfigError

ROOT = Path(__file__).parents[2]
LOAD, LABEL, PACK = (dict(type=t) for t in ("LoadImageFromFile", "LoadLabel", "PackSample"))
Config = dict[str, Any]


def problems(*steps: Config, ends: bool = True) -> list[str]:
    pipeline = [LOAD, LABEL, *steps, PACK] if ends else list(steps)
    return list(wrong_pipelines(dict(train_dataloader=dict(dataset=dict(pipeline=pipeline)))))


PLACE = "train_dataloader.dataset.pipeline"
FAILING = {
    "crop_size_whole": (dict(type="RandomCrop", crop_size=32), ".2: RandomCrop: crop_size is (hei"),
    "crop_size_share": (dict(type="RandomCrop", crop_size=(0.5, 0.5)), ".2: RandomCrop: crop_size"),
    "crop_size_zero": (dict(type="RandomCrop", crop_size=(0, 8)), ".2: RandomCrop: crop_size is"),
    "crop_size_truth": (dict(type="RandomCrop", crop_size=(True, 8)), ".2: RandomCrop: crop_size"),
    "crop_size_text": (dict(type="RandomCrop", crop_size="32"), ".2: RandomCrop: crop_size is"),
    "no_crop_size": (dict(type="RandomCrop"), "crop_size"),
    "tries": (dict(type="RandomCrop", crop_size=(8, 8), tries=0), "tries >= 1"),
    "resize_factor": (dict(type="ResizePIL", scale=0.5), ".2: ResizePIL: scale is (width, height)"),
    "resize_negative": (dict(type="ResizePIL", scale=(-4, 8)), ".2: ResizePIL: scale is"),
    "mmcv_resize": (dict(type="Resize"), "scale"),
    "mmcv_resize_text": (dict(type="Resize", scale="big"), "scale"),
    "random_resize": (dict(type="RandomResize", scale=(64, 48)), "ratio_range"),
    "choice_resize": (dict(type="RandomChoiceResize", scales=7), "scales"),
    "flip": (dict(type="RandomFlip", prob=2.0), "assert 0 <= prob <= 1"),
    "flip_without": (dict(type="RandomFlip", prob=0.5, direction="up"), "direction"),
    "pad": (dict(type="Pad"), "size"),
    "pad_both": (dict(type="Pad", size=(9, 9), size_divisor=4), "size"),
    "distortion": (dict(type="PhotoMetricDistortion", hue_delta=-1), "hue_delta"),
    "augment": (dict(type="RandAugment", num_ops=0), "num_ops >= 1"),
    "grey_at_times": (dict(type="RandomGrayscale", prob=0.01), "RandomGrayscale"),
    "normalize": (dict(type="Normalize", mean=[0, 0, 0], std=[255] * 3), "Normalize"),
    "inner": (dict(type="RandomApply", transforms=[dict(type="Pad")]), "size"),
    "rare_choice": (
        dict(
            type="RandomChoice",
            transforms=[[dict(type="RandomFlip", prob=0.5)], [dict(type="RandomGrayscale")]],
            prob=[0.999, 0.001],
        ),
        "RandomChoice",
    ),
    "annotations": (dict(type="LoadAnnotations"), "use dict(type='LoadLabel')"),
    "inner_annotations": (
        dict(type="RandomApply", transforms=[dict(type="LoadAnnotations")]),
        "use dict(type='LoadLabel')",
    ),
}


@pytest.mark.parametrize("case", FAILING)
def test_a_step_that_cannot_work_is_named_with_its_place(case):
    step, said = FAILING[case]
    (problem,) = problems(step)
    assert problem.startswith(PLACE)
    assert said in problem
    assert "daseg_trial_" not in problem


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([LOAD, LABEL], "gives no tensor 'image': its last transform is dict(type='PackSample')"),
        ([PACK], ".0: transform PackSample failed"),
        ([LABEL, LOAD, PACK], ".0: transform LoadLabel failed"),
        ([LOAD, dict(type="RandomCrop", crop_size=(8, 8)), LABEL, PACK], "right after LoadImage"),
        ([], "gives no tensor 'image'"),
    ],
)
def test_a_pipeline_in_the_wrong_order_or_without_its_ends(steps, said):
    (problem,) = problems(*steps, ends=False)
    assert problem.startswith(PLACE)
    assert said in problem


def test_no_generator_moves_and_no_label_file_is_opened(tiny_config):
    take_opened()
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    assert problems(dict(type="RandomFlip", prob=0.123), dict(type="AutoAugment")) == []
    assert random.getstate() == states[0]
    assert all(np.array_equal(a, b) for a, b in zip(np.random.get_state(), states[1], strict=True))
    assert torch.equal(torch.get_rng_state(), states[2])
    assert not [path for path in take_opened() if "daseg_trial_" not in path]


class NeedsMore(BaseTransform):
    """Of another package: it reads a file that lies beside an image."""

    def transform(self, results: Config) -> Config:
        Path(results["img_path"]).with_suffix(".depth").read_bytes()
        return results


def test_a_transform_of_another_package_is_not_judged_by_a_made_image():
    assert problems(NeedsMore(), dict(type="Normalize", mean=[0] * 3, std=[1] * 3)) == []


def test_margins_are_those_of_real_images(tmp_path):
    """Wider than the whole synthetic image; in the wrong place they are refused all the same."""
    base, config = ROOT / "configs/hrda/gta5_mitb5.py", tmp_path / "config.py"
    text = """_base_ = [{base!r}]
wide = dict(type='IgnoreMargins', top=30, bottom=240, left=30, right=30)
steps = [dict(type='LoadImageFromFile'), {steps}, *_base_.end]
train_dataloader = dict(dataset=dict(target=dict(pipeline=steps)))
"""
    crop = "dict(type='RandomCrop', crop_size=(1024, 1024))"
    config.write_text(text.format(base=str(base), steps=f"wide, {crop}"))
    assert load_config(config).train_dataloader.dataset.target.pipeline[1].bottom == 240
    for steps, said in ((f"{crop}, wide", "after or inside RandomCrop"), ("wide, " * 2, "twice")):
        config.write_text(text.format(base=str(base), steps=steps.rstrip(", ")))
        with pytest.raises(ConfigError, match=rf"target\.pipeline.*{said}"):
            load_config(config)


def test_a_class_is_named_by_its_path(tiny_config):
    path = tiny_config(
        "import mmcv.transforms\n"
        "train_dataloader['dataset']['pipeline'][1] = dict(type=mmcv.transforms.LoadAnnotations)\n"
        "del mmcv\n"
    )
    with pytest.raises(ConfigError, match=r"pipeline.1: mmcv.*LoadAnnotations cannot .*LoadLabel"):
        load_config(path)


def wrong(tiny_config: Callable[..., Path], text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(tiny_config(text))
    return str(caught.value)


SGD = "optim_wrapper['segmentor']['optimizer']"
TRIED = {
    "lr_text": (f"{SGD}['lr'] = '1e-3'", "segmentor.optimizer.lr: has to be a number or Tensor"),
    "lr_negative": (f"{SGD}['lr'] = -1.0", "optim_wrapper.segmentor: ValueError: Invalid learning"),
    "lr_none": (f"{SGD}['lr'] = None", "optimizer.lr: has to be a number"),
    "lr_endless": (f"{SGD}['lr'] = float('inf')", "optimizer.lr is inf"),
    "momentum": (f"{SGD}['momentum'] = [0.9]", "optimizer.momentum: has to be a number"),
    "betas": (
        f"{SGD} = dict(type='Adam', lr=1e-3, betas=0.9)",
        "optimizer.betas: has to be (",
    ),
    "betas_range": (f"{SGD} = dict(type='Adam', lr=1e-3, betas=(0.9, 2.0))", "Invalid beta"),
    "lr_mult": ("optim_wrapper['segmentor']['lr_mult']['head'] = '10'", "lr_mult.head has to be"),
    "decay_mult": (
        "optim_wrapper['segmentor']['decay_mult'] = dict(a=-1)",
        "decay_mult.a has to",
    ),
    "layer_decay": (
        "optim_wrapper['segmentor']['layer_decay'] = 1.5",
        "layer_decay has to be",
    ),
    "clip": ("optim_wrapper['segmentor']['clip_grad'] = dict(max=1)", "optim_wrapper.segmentor: "),
    "power": ("param_scheduler[0]['power'] = 'x'", "param_scheduler.0.power: has to be a number"),
    "begin": ("param_scheduler[0].update(begin=9, end=3)", "end=3 has to be above begin=9"),
    "log": ("default_hooks['logger']['interval'] = 0", "logger.interval: has to be above 0, not 0"),
    "log_share": (
        "default_hooks['logger']['interval'] = 1.5",
        "interval: has to be a whole",
    ),
    "saving": ("default_hooks['checkpoint']['interval'] = -2", "interval: has to be above 0"),
    "subset": ("val_evaluator['subset_means'] = ['mIoU99']", "knows no subset 'mIoU99'"),
}


@pytest.mark.parametrize("case", TRIED)
def test_settings_that_only_libraries_check(tiny_config, case):
    text, said = TRIED[case]
    assert said in wrong(tiny_config, text + "\n")


def test_a_hook_of_another_package_is_not_built_to_see_whether_it_can_be(tiny_config):
    @HOOKS.register_module()
    class Unlucky:
        def __init__(self):
            raise AssertionError("built")

    try:
        load_config(tiny_config("custom_hooks = [dict(type='Unlucky')]\n"))
    finally:
        HOOKS.module_dict.pop("Unlucky")
