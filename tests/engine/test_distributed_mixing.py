"""Self-training on several processes: each draws for its own images, the step is one for all."""

import shutil

import pytest
import torch

from daseg.engine.checkpoint import read_checkpoint
from processes import environment, free_port, largest_difference, launch
from runs import curve

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


# What is drawn in a step is each process's own: here nothing is.
SAME_DRAWS = """
import torch
from daseg.objectives import masking, mixing

mixing.class_mask = lambda label, *_, **__: label < 1
masking.block_mask = lambda n, size, *_: (torch.arange(size[1]) % 3 > 0).expand(n, 1, *size)
"""
TOGETHER = """
frozen = dict(type='SmallBackbone', norm='gn', weights='3')
taught = dict(confidence=0.375, jitter_prob=0.0, blur_prob=0.0, flip=True, aux_weight=0.5)
game = dict(type='PixelDiscriminator', channels=8)
heads = dict(main=0.8, aux=0.1, detail=0.1)
model['objectives'] = [
    dict(type='Supervised', weights=heads, loss=dict(type='CrossEntropyLoss', mean='all')),
    dict(type='FeatureDistance', backbone=frozen, classes=['left', 'square'], weight=0.1),
    dict(type='FeatureDistance', backbone=frozen, projector=True, distance='cosine', classes=None,
         domains=['source', 'target'], name='wide'),
    dict(type='ClassMix', ignore_top=2, **taught),
    dict(type='MaskedConsistency', weighting='pixel', **taught),
    dict(type='InformationMaximization', weight=20.0), dict(type='PseudoLabel'),
    dict(type='OutputAdversarial', weight=0.1, discriminator=game)]
model.update(teacher_momentum=0.05, teacher_start='initial',
             translator=dict(type='FourierTranslator', beta=0.1))
head = dict(type='FPNHead', channels=8, norm='gn', dropout=0.0)
model['segmentor'].update(
    type='HRDASegmentor', head=head, attention=head, detail_size=(32, 32), box_multiple=4)
domains = train_dataloader['dataset']
domains['target']['pipeline'][2].update(crop_size=(32, 32))
domains.update(pseudo_labels={pseudo!r}, pseudo_labels_without_manifest=True)
optim_wrapper['segmentor']['optimizer'].update(lr=0.01)
optim_wrapper['segmentor']['lr_mult'] = dict(projectors=10)
custom_imports = dict(imports=['gan_parts', 'same_draws'])
"""


@pytest.mark.slow
def test_two_processes_make_the_steps_of_one_with_the_doubled_batch(
    gan_config, tiny_data, tmp_path
):
    """All of self-training, on two resolutions, beside adversarial, FDA and pseudo-label parts."""
    shutil.copytree(tiny_data / "labels", tmp_path / "pseudo/labels")
    (tmp_path / "same_draws.py").write_text(SAME_DRAWS)
    config = gan_config(TOGETHER.format(pseudo=str(tmp_path / "pseudo")), norm="gn")
    for name, count, batch in (("one", 1, 4), ("two", 2, 2)):
        env = environment(tmp_path, MASTER_PORT=str(free_port()))
        options = ("--cfg-options", f"train_dataloader.batch_size={batch}")
        command = ("tools/dist_train.sh", config, count, "--work-dir", tmp_path / name, *options)
        launch(*command, env=env)
    one, two, other = (
        read_checkpoint(tmp_path / f"{name}.pth")["state_dict"]
        for name in ("one/rank0", "two/rank0", "two/rank1")
    )
    assert largest_difference(two, other) == 0
    start = read_checkpoint(tmp_path / "one/iter_3.pth")["state_dict"]
    assert largest_difference(one, start) > 1e-2
    assert largest_difference(one, two) < 1e-5
    shares, same = ([r["mix_sure"] for r in curve(tmp_path / name)] for name in ("one", "two"))
    assert same == pytest.approx(shares, abs=1e-3)
    assert any(0 < share < 1 for share in shares)
