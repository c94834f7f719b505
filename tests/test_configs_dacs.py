"""The config of DACS has the values of the public code."""

from pathlib import Path

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
