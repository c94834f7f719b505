"""Settings that belong to no part, and metrics that hooks watch."""

import pytest

from daseg.config.load import load_config
from daseg.engine.train import train
from daseg.registry import METRICS
from daseg.utils.errors import ConfigError

WRONG = {
    "log_level = 'debug'": "log_level: has to be 'DEBUG' or 'INFO' or",
    "log_level = 10": "log_level: has to be",
    "randomness = dict(seed='3')": "randomness.seed: has to be a whole number of at least 0",
    "randomness = dict(seed=2**32)": "randomness.seed: has to be at most 4294967295",
    "randomness = dict(seed=True)": "randomness.seed: has to be a whole number",
    "train_cfg['max_iters'] = 1e4": "train_cfg.max_iters: has to be a whole number",
    "train_cfg['max_iters'] = '10'": "train_cfg.max_iters: has to be a whole number",
    "del train_cfg['type']": "train_cfg.type: missing",
    "train_dataloader['batch_size'] = 0": "train_dataloader.batch_size: has to be a whole number",
    "train_dataloader['num_workers'] = -1": "train_dataloader.num_workers: has to be a whole",
    "train_dataloader['drop_last'] = 'no'": "drop_last: has to be True or False, not 'no'",
    "train_dataloader['timeout'] = 'x'": "train_dataloader.timeout: has to be a number",
    "train_dataloader['timeout'] = 5": "train_dataloader.timeout: it is for worker processes",
    "train_dataloader['generator'] = 5": "train_dataloader.generator: random numbers follow from",
    "val_dataloader['dataset'] = []": "val_dataloader.dataset: has to be a dict, not []",
    "val_dataloader['sampler'] = 'DefaultSampler'": "val_dataloader.sampler: has to be a dict, not",
    "val_dataloader['drop_last'] = True": "val_dataloader.drop_last: images at the end would not",
    "load_from = 7": "load_from: has to be text or a path or None, not 7",
    "custom_hooks = dict(type='ReportHook')": "custom_hooks: has to be a list or None",
    "default_scope = 'mmseg'": "default_scope: has to be 'daseg', not 'mmseg'",
    "env_cfg = dict(mp_cfg=dict(mp_start_method='new'))": "mp_start_method: has to be 'fork' or",
    "runner_type = 'FlexibleRunner'": "runner_type: has no effect in daseg",
    "strategy = dict(type='DDPStrategy')": "strategy: has no effect in daseg",
    "model['segmentor']['num_classes'] = '3'": "segmentor.num_classes: has to be a whole number",
    "model['segmentor']['backbone']['depth'] = None": "backbone.depth: has to be",
    "val_evaluator = 'IoUMetric'": "val_evaluator: has to be a dict or a list",
    "val_evaluator = [dict(type='IoUMetric')] * 2": "val_evaluator: give a single IoUMetric",
    "val_evaluator = [3]": "val_evaluator.0: has to be a dict, not 3",
    "val_evaluator['collect_device'] = 'x'": "val_evaluator.collect_device: has to be one of cpu,",
    "val_evaluator = dict(type='DumpResults', out_file_path='/dev/null/x.pkl')": "val_evaluator: "
    "out_file_path /dev/null: /dev/null is not a regular file",
    "custom_hooks = [dict(type='ParamSchedulerHook')]": "two would step schedules twice",
    "default_hooks['checkpoint']['save_best'] = 'miou'": "no validation computes 'miou'; "
    "did you mean 'mIoU'? (it computes mIoU, pixAcc, mAcc)",
    "default_hooks['checkpoint']['save_best'] = 'mIoU16'": "no validation computes 'mIoU16'",
    "default_hooks['checkpoint']['save_best'] = ['mIoU']": "save_best: has to be text or None",
    "default_hooks['checkpoint'].update(save_best='mIoU', rule='most')": "rule",
    "custom_hooks = [dict(type='EarlyStoppingHook', monitor='loss')]": "custom_hooks.0.monitor: no",
    "custom_hooks = [dict(type='LabelFreeScoresHook'), dict(type='EarlyStoppingHook', "
    "monitor='labelfree_teacher_agreement', rule='greater')]": "no validation computes",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_setting_is_one_message(tiny_config, text):
    with pytest.raises(ConfigError) as caught:
        load_config(tiny_config(text + "\n"))
    assert WRONG[text] in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "default_hooks['checkpoint']['save_best'] = 'mIoU'",
        "default_hooks['checkpoint']['save_best'] = 'auto'",
        "default_hooks['checkpoint']['save_best'] = 'mIoU16'\n"
        "val_evaluator['subset_means'] = ['mIoU16']",
        "default_hooks['checkpoint'].update(save_best='two', rule='greater')\n"
        "val_evaluator['subsets'] = dict(two=[0, 1])",
        "default_hooks['checkpoint'].update(save_best='labelfree_entropy', rule='less')\n"
        "custom_hooks = [dict(type='LabelFreeScoresHook')]",
        "randomness = dict(seed=None)",
        "train_dataloader['pin_memory'] = True",
        "train_dataloader['drop_last'] = True",
        "default_hooks['param_scheduler'] = None\ncustom_hooks = [dict(type='ParamSchedulerHook')]",
        "train_dataloader.update(timeout=60, num_workers=2)",
    ],
)
def test_what_is_right_passes(tiny_config, text):
    load_config(tiny_config(text + "\n"))


def test_what_another_packages_metric_gives_cannot_be_known(tiny_config):
    @METRICS.register_module()
    class Boundaries:
        def __init__(self):
            pass

    text = "default_hooks['checkpoint'].update(save_best='bIoU', rule='greater')\n"
    try:
        load_config(tiny_config(text + "val_evaluator = [dict(type='Boundaries')]\n"))
    finally:
        METRICS.module_dict.pop("Boundaries")


@pytest.mark.parametrize("key", ["val_cfg", "val_dataloader", "val_evaluator"])
def test_half_a_validation_is_refused_before_anything_is_built(tiny_config, tmp_path, key):
    with pytest.raises(ConfigError, match=rf"{key}: missing, but .* set all of them to None"):
        train(tiny_config(f"{key} = None\n"), work_dir=tmp_path / "run")
    assert not (tmp_path / "run").exists() or not list((tmp_path / "run").glob("*.pth"))


def test_the_scope_need_not_be_stated(tiny_config, tmp_path):
    train(
        tiny_config("del default_scope\n"),
        work_dir=tmp_path / "run",
        cfg_options={"train_cfg.max_iters": 1},
    )
    assert (tmp_path / "run/iter_1.pth").is_file()
