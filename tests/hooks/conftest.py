"""A training that makes its own pseudo-labels."""

import shutil

import pytest
from mmengine.hooks import Hook

from daseg.offline import job
from daseg.registry import HOOKS

# The target is a copy of the images alone, under another root: nothing of it is labelled.
ONLINE = """
pair = dict(
    type='DomainPair', source=train_dataloader['dataset'],
    target=dict(data, root={target!r}, pipeline=[
        dict(type='LoadImageFromFile'), dict(type='RandomFlip', prob=0.5),
        dict(type='PackSample')]))
train_dataloader.update(dataset=pair, sampler=dict(type='PairSampler'))
model['segmentor'].update(backbone=dict(type='SmallBackbone', norm={norm!r}))
model['objectives'] = [dict(type='Supervised'), dict(type='PseudoLabel')]
custom_imports = dict(imports=['gan_parts'])
custom_hooks = [dict(type='RecordDataHook'), dict(type='ReportHook'), dict(type='KeepRanks')]
default_hooks['checkpoint'].update(interval=2)
optim_wrapper['segmentor'].update(lr_mult={{}})
"""


@HOOKS.register_module(force=True)
class StopAt(Hook):
    """End in the midst of a training: before the batch of an iteration, and any round there."""

    priority = "HIGHEST"

    def __init__(self, at):
        self.at = at

    def before_train_batch(self, runner):
        if runner.iter == self.at:
            raise KeyboardInterrupt


@pytest.fixture
def quickly(monkeypatch):
    """Drawing sheets and formatting configs takes longer than all the rest."""
    monkeypatch.setattr(job, "ROWS", 1)
    monkeypatch.setattr(job.Job, "write_sheet", lambda self, here: None)
    monkeypatch.setattr("mmengine.config.config.FormatCode", lambda text, **_: (text, True))


@pytest.fixture
def online(quickly, gan_config, tiny_config, tiny_data, tmp_path):
    """Write a config with the hook of these arguments; None: without it."""
    gan_config()  # for the path to the parts
    target = tmp_path / "target"
    shutil.copytree(tiny_data / "images", target / "images")

    def write(hook, extra="", *, norm="bn", name="online"):
        text = ONLINE.format(target=str(target), norm=norm) + extra
        if hook is not None:
            text += f"custom_hooks.append(dict(type='PseudoLabelHook', {hook}))\n"
        return tiny_config(text, norm=norm, name=name)

    return write
