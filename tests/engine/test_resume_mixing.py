"""A run that asks its teacher in each step, resumed: the run that was not stopped, bit for bit."""

import pytest
import torch

from daseg.engine.train import train
from runs import curve, same_run

MIX = """
model['objectives'] = [
    dict(type='Supervised'), dict(type='ClassMix', confidence=0.4), model['objectives'][2],
    dict(type='ClassMix', mask='cutmix', confidence=0.4, name='cut')]
train_dataloader['dataset']['target']['pipeline'][2].update(crop_size=(32, 32))
"""


# All that self-training has, and the teacher of DAFormer, beside an adversarial objective.
ALL = """
frozen = dict(type='SmallBackbone', norm='gn', weights='3')
taught = dict(loss='supervised', confidence=0.4, colors='hsv', joint=True, flip=True)
model['objectives'] = [
    dict(type='Supervised', loss=dict(type='CrossEntropyLoss', mean='all')),
    dict(type='FeatureDistance', backbone=frozen, classes=['left', 'square'], weight=0.1),
    dict(type='FeatureDistance', backbone=frozen, projector=True, distance='cosine', classes=None,
         domains=['source', 'target'], index=0, name='wide'),
    dict(type='ClassMix', classes_of='batch', paste_ignored=True, ignore_top=2, **taught),
    dict(type='MaskedConsistency', block=8, images='both', weighting='pixel', **taught),
    dict(type='InformationMaximization'), model['objectives'][2]]
model.update(teacher_start='initial', teacher_statistics='batch', teacher_buffers='own',
             evaluate='student')
train_dataloader['dataset']['target']['pipeline'][2].update(crop_size=(32, 32))
"""


@pytest.mark.slow
def test_a_run_with_all_of_self_training_goes_on_where_it_stopped(gan_config, tmp_path):
    config, options = gan_config(ALL), {"default_hooks.checkpoint.interval": 2}
    train(config, work_dir=tmp_path / "whole", cfg_options=options)
    half = options | {"train_cfg.max_iters": 2, "param_scheduler.0.end": 6}
    train(config, work_dir=tmp_path / "halves", cfg_options=half)
    train(config, work_dir=tmp_path / "halves", resume=True, cfg_options=options)
    last = same_run(tmp_path / "whole/iter_6.pth", tmp_path / "halves/iter_6.pth")
    assert not any("frozen" in key for key in last["state_dict"])
    assert last["meta"]["evaluated"] == "student"
    rows = curve(tmp_path / "whole")
    assert any("projector" in key for key in last["state_dict"])
    keys = {
        "loss_feature",
        "loss_feature_wide",
        "loss_feature_target_wide",
        "loss_mix",
        "loss_masked",
        "loss_masked_aux",
        "loss_information",
    }
    assert keys <= rows[-1].keys()
    assert all(row["loss_feature"] > 0 for row in rows)
    assert curve(tmp_path / "halves") == rows


@pytest.mark.parametrize("workers", [0, 2])
def test_resumed_equals_uninterrupted(gan_config, tmp_path, workers):
    config = gan_config(MIX)
    options = {"train_dataloader.num_workers": workers, "default_hooks.checkpoint.interval": 2}
    train(config, work_dir=tmp_path / "whole", cfg_options=options)
    half = options | {"train_cfg.max_iters": 2, "param_scheduler.0.end": 6}
    train(config, work_dir=tmp_path / "halves", cfg_options=half)
    train(config, work_dir=tmp_path / "halves", resume=True, cfg_options=options)
    last = same_run(tmp_path / "whole/iter_6.pth", tmp_path / "halves/iter_6.pth")
    state = last["state_dict"]
    pairs = [(k, k.replace("teacher.module.", "segmentor.")) for k in state if "teacher.mod" in k]
    weights = [(a, b) for a, b in pairs if a.endswith("weight") and "norm" not in a]
    assert len(weights) > 5
    assert not any(torch.equal(state[teacher], state[own]) for teacher, own in weights)
    rows = curve(tmp_path / "whole")
    keys = {"loss_mix", "loss_mix_aux", "mix_sure", "loss_mix_cut", "mix_sure_cut", "loss_adv"}
    assert keys <= rows[-1].keys()
    assert any(0 < row["mix_sure"] < 1 for row in rows)
    assert curve(tmp_path / "halves") == rows
