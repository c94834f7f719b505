"""The configs of DACS and VFM-UDA have the values of the public codes."""

from pathlib import Path

import pytest

from daseg.config.load import load_config

PATH = Path(__file__).parents[1] / "configs/dacs/dacs.py"


def test_dacs_has_the_values_of_the_public_code():
    cfg = load_config(PATH)
    pair, segmentor, model = cfg.train_dataloader.dataset, cfg.model.segmentor, cfg.model
    for part, scale in ((pair.source, (1280, 720)), (pair.target, (1024, 512))):
        steps = {step.type: step for step in part.pipeline}
        assert steps["ResizePIL"].scale == scale
        assert steps["RandomCrop"].crop_size == (512, 512)
    assert (cfg.train_dataloader.batch_size, pair.target.labels) == (2, False)
    assert (segmentor.head.branches, segmentor.aux_head) == (2, None)
    assert [o.type for o in model.objectives] == ["Supervised", "ClassMix"]
    assert (model.objectives[1].confidence, model.teacher_momentum) == (0.968, 0.01)
    sgd = cfg.optim_wrapper.segmentor
    rates = (sgd.optimizer.lr, sgd.optimizer.momentum, sgd.optimizer.weight_decay, sgd.lr_mult.head)
    assert rates == (2.5e-4, 0.9, 5e-4, 10)
    (schedule,) = cfg.param_scheduler
    assert (cfg.train_cfg.max_iters, schedule.type, schedule.end) == (250000, "PolyDecay", 250000)


def test_both_domains_have_one_size_in_the_worlds():
    for world, size in (("demo", (128, 128)), ("camvid", (180, 120))):
        pair = load_config(PATH, world=world).train_dataloader.dataset
        for part in (pair.source, pair.target):
            (crop,) = (step.crop_size for step in part.pipeline if step.type == "RandomCrop")
            assert crop == size


def test_vfm_uda_has_the_values_of_the_public_code():
    cfg = load_config("vfm/gta5_dinov2_base")
    source, mix, masked = cfg.model.objectives
    assert source == dict(type="Supervised")  # over labelled pixels
    for objective in (mix, masked):
        assert objective.loss == dict(type="CrossEntropyLoss", mean="all")
        assert (objective.colors, objective.joint, objective.jitter) == ("rgb", False, 0.2)
        assert (objective.flip, objective.confidence) == (True, 0.968)
        assert not any(key.startswith("ignore_") for key in objective)
    assert (mix.classes_of, mix.paste_ignored) == ("batch", True)
    # 64 pixels of the image at 1120 are 17.5 blocks, which Python rounds to 18.
    assert round(1024 / masked.block) == round(1120 / 64) == 18
    assert masked.hidden == 0.7
    pair = cfg.train_dataloader.dataset
    crop = pair.source.pipeline[3]
    assert (crop.class_pixels, crop.cat_max_ratio, crop.tries) == (6001, 0.75, 21)
    margins = dict(top=30, bottom=256, left=61, right=61, size=(2048, 1024))
    assert pair.target.pipeline[1] == dict(type="IgnoreMargins", **margins)
    assert cfg.train_dataloader.sampler.source_sampler.temperature == 0.05
    groups = cfg.optim_wrapper.segmentor
    assert groups.optimizer.lr == pytest.approx(5e-5 * 8**0.5, rel=1e-4)
    assert (groups.lr_mult, groups.optimizer.weight_decay) == (dict(backbone=0.1), 0.01)
    warm_up, decay = cfg.param_scheduler
    assert (warm_up.start_factor, warm_up.end) == (1e-3, 1500)
    # After it the rate is that of a line from the first iteration to the last.
    assert (decay.power, decay.get("begin", 0), decay.end) == (1.0, 0, 40000)
