"""What the first process does beside the steps, told from what the others do themselves."""

import os
from argparse import ArgumentParser
from types import SimpleNamespace

import pytest
import torch

from daseg.benchmarks import first_process, processes
from daseg.benchmarks.compare import Settings
from daseg.benchmarks.first_process import Beside, join_group, summary
from daseg.cli import benchmark
from daseg.utils.errors import ConfigError


def process(monkeypatch, busy, *, images, log=0.0):
    """Eight steps of a second; a hook that takes as long as given, another of half of it."""
    monkeypatch.setattr(first_process, "LOGGED", 2)
    monkeypatch.setattr(first_process, "DRAWN", 4)
    hooks = dict(A=[(t, t + log) for t in busy], B=[(t / 2, t / 2) for t in busy])
    intervals = dict(logged=10, drawn=100, saved=1000)
    return dict(hooks=hooks, steps=[(1.0, 1.0)] * 8, images=images, intervals=intervals)


def test_the_others_wait_for_what_they_do_not_do_themselves(monkeypatch):
    # After the iterations 1..8: the first logs, as all do; 2, 6 are logged, 4 drawn, 8 saved.
    first = process(monkeypatch, [9.0, 0.2, 0.02, 0.4, 0.02, 0.2, 0.02, 0.8], images=2)
    other = process(monkeypatch, [9.0] + [0.02] * 7, images=3)
    found = summary([first, other])
    assert found["ms_step"] == 1000
    kinds = dict(ordinary=0, logged=270, drawn=570, saved=1170)
    for kind, milliseconds in kinds.items():
        assert found[f"ms_waited_{kind}"] == pytest.approx(milliseconds)
    share = 100 * (270 / 10 + 300 / 100 + 600 / 1000) / 1000
    assert found["percent_waited"] == pytest.approx(share)
    assert (found["images_validated_0"], found["images_validated_1"]) == (2, 3)


def test_where_processes_wait_in_a_hook_their_cpu_time_counts(monkeypatch):
    first = process(monkeypatch, [0.2] * 8, images=2)
    other = process(monkeypatch, [0.2] * 8, images=2, log=-0.2)  # it only waits in hook A
    assert summary([first, other])["ms_waited_ordinary"] == pytest.approx(200)


def test_hooks_steps_and_images_are_noted(monkeypatch):
    hook = SimpleNamespace(after_train_iter=lambda *args, **kwargs: None)
    model = SimpleNamespace(train_step=lambda data: "losses", val_step=lambda data: "maps")
    beside = Beside(SimpleNamespace(hooks=[hook], model=model))
    clock = iter([0.0, 2.0, 5.0, 5.5])
    monkeypatch.setattr(first_process.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(first_process.time, "thread_time", lambda: 1.0)
    assert model.train_step(None) == "losses"
    hook.after_train_iter(None)
    assert model.val_step(dict(image=[0, 0])) == model.val_step(dict(image=[0])) == "maps"
    assert beside.steps == [(2.0, 0.0)]
    assert beside.hooks == dict(SimpleNamespace=[(0.5, 0.0)])
    assert beside.images == 3


def test_the_device_reaches_every_process():
    sides = [each.ours for each in processes.compare(Settings(device="cuda:1"))]
    assert [side.arguments["device"] for side in sides] == ["cuda:1"] * 4


@pytest.mark.parametrize(
    ("device", "gpus", "place", "backend"),
    [
        ("cpu", 2, "cpu", "gloo"),
        ("cuda", 2, "cuda:1", "nccl"),
        ("cuda", 1, "cuda:0", "gloo"),  # NCCL refuses two processes on one GPU
        ("cuda:1", 2, "cuda:1", "gloo"),
    ],
)
def test_the_second_of_two_processes_joins(device, gpus, place, backend, monkeypatch, tmp_path):
    joined, current = [], []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    monkeypatch.setattr(
        first_process.dist, "init_process_group", lambda name, **own: joined.append((name, own))
    )
    assert join_group(1, 2, str(tmp_path), device) == place
    meet = f"file://{tmp_path}/meet"
    assert joined == [(backend, dict(init_method=meet, rank=1, world_size=2))]
    assert [str(each) for each in current] == ([] if place == "cpu" else [place])


@pytest.mark.parametrize(("device", "seen"), [("cpu", ""), ("cuda:1", "0,1")])
def test_a_training_on_the_cpu_sees_no_gpu(device, seen, monkeypatch, tmp_path):
    monkeypatch.setattr(first_process.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(first_process, "make_world", lambda **options: None)
    monkeypatch.setenv("DASEG_DEMO", "elsewhere")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    first_process.train_together(2, 1, device)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == seen


def test_a_device_that_is_not_there_is_refused_before_anything_is_measured():
    parser = ArgumentParser()
    benchmark.add_arguments(parser)
    message = r"the device 'cuda:7' cannot be used: .*; there are: cpu"
    with pytest.raises(ConfigError, match=message):
        benchmark.run(parser.parse_args(["processes", "--device", "cuda:7"]))
