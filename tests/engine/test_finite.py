"""Weights that are not finite are neither written nor measured."""

import subprocess
import sys

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from torch import nn

from daseg.engine.checkpoint import read_checkpoint
from daseg.engine.finite import check_training, constants
from daseg.engine.train import train
from daseg.registry import HOOKS
from daseg.utils.errors import TrainingDivergedError
from processes import environment, free_port


@HOOKS.register_module(force=True)
class PoisonGradient(Hook):
    """Make one gradient of one iteration not a number; its loss is fine."""

    def __init__(self, iteration):
        self.iteration = iteration

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if batch_idx + 1 == self.iteration:
            weight = runner.bare_segmentor.head.classifier.weight
            self.handle = weight.register_hook(lambda gradient: gradient * float("nan"))


def poisoned(iteration, **more):
    text = f"custom_hooks.append(dict(type='PoisonGradient', iteration={iteration}))\n"
    return text + "".join(f"{key}\n" for key in more.values())


def test_a_gradient_that_is_not_a_number_in_the_last_iteration_is_found(small_config, tmp_path):
    """The last loss is finite, and no loss comes after it."""
    config = small_config(poisoned(6), norm="gn")
    with pytest.raises(
        TrainingDivergedError,
        match=r"after iteration 6 .*not finite: segmentor.head.classifier.weight \(48 NaN of 48",
    ):
        train(config, work_dir=tmp_path / "run")
    assert [path.name for path in tmp_path.glob("run/*.pth")] == ["iter_3.pth"]
    assert read_checkpoint(tmp_path / "run/iter_3.pth")["meta"]["iter"] == 3


def test_it_is_found_before_a_validation(small_config, tmp_path):
    options = {"train_cfg.val_interval": 2, "default_hooks.checkpoint.interval": 100}
    with pytest.raises(TrainingDivergedError, match=r"after iteration 2 "):
        train(small_config(poisoned(2), norm="gn"), work_dir=tmp_path / "run", cfg_options=options)
    assert not list(tmp_path.glob("run/*.pth"))


def test_every_kind_of_state_is_looked_at():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9))
    wrapper.update_params(model(torch.randn(4, 2)).square().sum())
    check_training(model, wrapper, 1)
    momentum = wrapper.optimizer.state[model[0].bias]["momentum_buffer"]
    for tensor, said in (
        (model[0].weight.data, r"0.weight \(1 infinite of 4 values\)"),
        (model[1].running_var, r"1.running_var \(1 infinite of 2 values\)"),
        (momentum, r"momentum_buffer of 0.bias \(1 infinite of 2 values\)"),
    ):
        kept = tensor.clone()
        tensor.view(-1)[0] = float("inf")
        with pytest.raises(TrainingDivergedError, match=rf"after iteration 7 .*: {said}"):
            check_training(model, wrapper, 7)
        tensor.copy_(kept)
    momentum[0] = float("nan")
    check_training(model, None, 7)  # a checkpoint without optimizer has none of it


def test_a_mask_that_a_model_is_built_with_may_be_infinite():
    model = nn.Linear(1, 1)
    model.register_buffer("mask", torch.tensor([0.0, float("-inf")]))
    assert constants(model) == {"mask"}
    check_training(model, None, 1, constants(model))
    with pytest.raises(TrainingDivergedError, match="mask"):
        check_training(model, None, 1)
    model.weight.data.fill_(float("nan"))
    assert constants(model) == {"mask"}  # a parameter is none


ONE_RANK = """
import torch
from torch import nn
from daseg.engine.distributed import init_processes
from daseg.engine.finite import check_training
from mmengine.dist import get_rank
init_processes("pytorch", 60)
model = nn.BatchNorm1d(2)
check_training(model, None, 1)
if get_rank() == 1:
    model.running_mean[0] = float("nan")
try:
    check_training(model, None, 2)
except FloatingPointError as error:
    print(error)
"""


def test_all_processes_stop_where_one_is_not_finite(tmp_path):
    """In a buffer, which is each process's own: who raised alone would leave others waiting."""
    (tmp_path / "ranks.py").write_text(ONE_RANK)
    port = str(free_port())
    started = [
        subprocess.Popen(
            [sys.executable, str(tmp_path / "ranks.py")],
            env=environment(
                RANK=str(rank),
                LOCAL_RANK=str(rank),
                WORLD_SIZE="2",
                MASTER_ADDR="127.0.0.1",
                MASTER_PORT=port,
                CUDA_VISIBLE_DEVICES="",
            ),
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    said = [process.communicate(timeout=300)[0].strip() for process in started]
    assert said[0] == said[1]
    assert (
        "after iteration 2 the training is not finite in process 1: running_mean (1 NaN" in said[0]
    )
