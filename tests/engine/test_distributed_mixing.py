"""ClassMix on several processes: each mixes its own images, and all hold the same networks."""

import pytest
import torch

from daseg.engine.checkpoint import read_checkpoint
from processes import environment, free_port, largest_difference, launch

MIX = """
model['objectives'] = [dict(type='Supervised'), dict(type='ClassMix', confidence=0.4)]
model.update(teacher_momentum=0.05)
del optim_wrapper['discriminators']
train_dataloader['dataset']['target']['pipeline'][2].update(crop_size=(32, 32))
custom_hooks = [*custom_hooks, dict(type='KeepMixtures')]
"""
HOOK = """
import torch
from mmengine.hooks import Hook
from daseg.registry import HOOKS

@HOOKS.register_module()
class KeepMixtures(Hook):
    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        view, teacher = runner.bare_model.views['derived'], runner.bare_model.teacher.module
        kept = dict(label=view.label, teacher=teacher.state_dict())
        torch.save(kept, f'{runner.work_dir}/mixture{batch_idx}_{runner.rank}.pth')
"""


def start(config, tmp_path, out, *options):
    (tmp_path / "keep_mixtures.py").write_text(HOOK)
    env = environment(tmp_path, MASTER_PORT=str(free_port()))
    command = ["tools/dist_train.sh", config, 2, "--work-dir", tmp_path / out, *options]
    launch(*command, env=env)


# All of self-training, with a teacher whose batch norm sees each process's own images.
ALL = """
frozen = dict(type='SmallBackbone', norm='gn', weights='3')
taught = dict(confidence=0.4, colors='hsv', joint=True, aux_weight=0.5)
model['objectives'] = [
    dict(type='Supervised'), dict(type='FeatureDistance', backbone=frozen, classes=['left']),
    dict(type='ClassMix', classes_of='batch', paste_ignored=True, **taught),
    dict(type='MaskedConsistency', block=8, **taught), dict(type='InformationMaximization')]
model.update(teacher_momentum=0.05, teacher_start='initial', teacher_statistics='batch',
             teacher_buffers='own', evaluate='student')
del optim_wrapper['discriminators']
train_dataloader['dataset']['target']['pipeline'][2].update(crop_size=(32, 32))
custom_hooks = [*custom_hooks, dict(type='KeepMixtures')]
"""


@pytest.mark.slow
@pytest.mark.parametrize(("mix", "norm"), [(MIX, "bn"), (MIX, "gn"), (ALL, "bn")])
def test_processes_mix_differently_and_hold_the_same_and_resume_exactly(
    gan_config, tmp_path, mix, norm
):
    text = mix + "custom_imports = dict(imports=['gan_parts', 'keep_mixtures'])\n"
    config = gan_config(text, norm=norm)
    start(config, tmp_path, "whole")
    ranks = [read_checkpoint(tmp_path / f"whole/rank{r}.pth")["state_dict"] for r in range(2)]
    assert largest_difference(*ranks) == 0
    for step in range(6):
        kept = [
            torch.load(tmp_path / f"whole/mixture{step}_{r}.pth", weights_only=True)
            for r in range(2)
        ]
        assert not torch.equal(kept[0]["label"], kept[1]["label"])
        for key, value in kept[0]["teacher"].items():  # after each step, not at the end alone
            assert torch.equal(kept[1]["teacher"][key], value), key

    half = ("--cfg-options", "train_cfg.max_iters=3", "param_scheduler.0.end=6")
    start(config, tmp_path, "halves", *half)
    start(config, tmp_path, "halves", "--resume")
    resumed = [read_checkpoint(tmp_path / f"halves/rank{r}.pth")["state_dict"] for r in range(2)]
    for ours, whole in zip(resumed, ranks, strict=True):
        assert largest_difference(ours, whole) == 0
