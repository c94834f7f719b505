"""Build a config's optimizers, schedules, hooks and metrics once, before anything is trained."""

import io
import math
import re
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from mmengine.hooks import ParamSchedulerHook
from mmengine.optim import OptimWrapper
from mmengine.registry import DefaultScope

from daseg import registry as own
from daseg.config.argument_types import types_of
from daseg.config.look_up import find
from daseg.config.monitors import hooks_of
from daseg.config.schedules import schedulers
from daseg.evaluation import IoUMetric
from daseg.utils.annotations import fits
from daseg.utils.reasons import reason
from daseg.utils.writable import check_file

OURS = ("daseg.", "mmengine.")
INTERVAL = re.compile(r"(\w*_)?interval(_\w+)?|every_n\w*")
STEPS = 3
COLLECT_DEVICES = ("cpu", "gpu", "npu")  # mmengine's


def wrong_optimizers(cfg: dict[str, Any]) -> Iterator[str]:
    """Build each network's optimizer and schedules on two small weights, and make a few steps."""
    schedule = cfg.get("param_scheduler")
    for name, network in (cfg.get("optim_wrapper") or {}).items():
        if not isinstance(network, dict):
            continue
        path = f"optim_wrapper.{name}"
        try:
            wrapper = _trained(network)
        except Exception as error:
            yield f"{path}: {reason(error)}"
            continue
        own_schedule, key = schedule, "param_scheduler"
        if isinstance(schedule, dict) and "type" not in schedule:  # one for each network
            own_schedule, key = schedule.get(name), f"param_scheduler.{name}"
        for place, one in schedulers(own_schedule, key):
            try:
                _schedule(one, wrapper)
            except Exception as error:
                yield f"{place}: {one['type']}: {reason(error)}"


def _trained(network: dict[str, Any]) -> OptimWrapper:
    """The optimizer of a network, after a step on a kernel and a bias."""
    weights = [torch.nn.Parameter(torch.ones(shape)) for shape in ((2, 3, 1, 1), (2,))]
    cfg = dict(network["optimizer"])
    for key in ("lr", "weight_decay"):
        if isinstance(cfg.get(key), float) and not math.isfinite(cfg[key]):
            raise ValueError(f"optimizer.{key} is {cfg[key]}")
    for option in ("lr_mult", "decay_mult"):
        for key, factor in (network.get(option) or {}).items():
            if not fits(factor, float) or not factor >= 0:
                raise ValueError(f"{option}.{key} has to be a number of at least 0, not {factor!r}")
    layer_decay = network.get("layer_decay", 1.0)
    if not fits(layer_decay, float) or not 0 < layer_decay <= 1:
        raise ValueError(f"layer_decay has to be above 0 and at most 1, not {layer_decay!r}")
    optimizer = own.OPTIMIZERS.build(cfg | {"params": weights})
    wrapper = OptimWrapper(optimizer, clip_grad=network.get("clip_grad"))
    for weight in weights:
        weight.grad = torch.ones_like(weight)
    wrapper.step()
    _check_state(optimizer.state_dict())
    return wrapper


def _schedule(cfg: dict[str, Any], wrapper: OptimWrapper) -> None:
    settings = {"by_epoch": False, **cfg}
    settings.setdefault("end", settings.get("begin", 0) + STEPS + 1)  # the training's, here
    scheduler = own.PARAM_SCHEDULERS.build(settings, optimizer=wrapper)
    with warnings.catch_warnings():  # torch's, of steps of the schedule before the optimizer's
        warnings.simplefilter("ignore")
        for _ in range(STEPS):
            scheduler.step()
    _check_state(scheduler.state_dict())


def _check_state(state: Any) -> None:
    """Refuse a state that a checkpoint could not restore: loading it runs no code."""
    stream = io.BytesIO()
    try:
        torch.save(state, stream)
        torch.load(io.BytesIO(stream.getvalue()), weights_only=True)
    except Exception as error:
        raise ValueError(
            "its state holds more than tensors and plain values, so a checkpoint of the training "
            "could not be read: use another one"
        ) from error


def wrong_hooks(cfg: dict[str, Any]) -> Iterator[str]:
    """Report intervals that are not positive, and hooks that cannot be built.

    Hooks of other packages are not built, since their constructors may have side effects.
    """
    for path, hook, kind in hooks_of(cfg):
        if kind is None:
            continue
        standard = (cfg.get("default_hooks") or {}).get("param_scheduler", kind)
        if kind is ParamSchedulerHook and path.startswith("custom_hooks") and standard:
            yield f"{path}: every run has a ParamSchedulerHook, and two would step schedules twice"
        wrong = list(_intervals(hook, kind, path))
        yield from wrong
        if not wrong and kind.__module__.startswith(OURS):
            try:
                with DefaultScope.overwrite_default_scope("daseg"):
                    own.HOOKS.build(dict(hook))
            except Exception as error:
                yield f"{path}: {hook['type']}: {reason(error)}"


def _intervals(hook: dict[str, Any], kind: Any, path: str) -> Iterator[str]:
    for name, value in hook.items():
        if not INTERVAL.fullmatch(name) or isinstance(value, (str, bool, dict, list, tuple)):
            continue
        stated = types_of(kind).get(name)
        if value is None or (stated is not None and value == stated.default):
            continue
        if not value > 0:
            yield f"{path}.{name}: has to be above 0, not {value!r}"


def wrong_metrics(cfg: dict[str, Any]) -> Iterator[str]:
    """Metrics that cannot be built, or fail only when a validation ends."""
    for key in ("val_evaluator", "test_evaluator"):
        given, of_ours = cfg.get(key) or [], 0
        for index, metric in enumerate([given] if isinstance(given, dict) else given):
            place = key if isinstance(given, dict) else f"{key}.{index}"
            if not isinstance(metric, dict):
                if not hasattr(metric, "compute_metrics"):
                    yield f"{place}: has to be a dict, not {metric!r}"
                continue
            kind = find(metric.get("type"), own.METRICS)
            if metric.get("collect_device", "cpu") not in COLLECT_DEVICES:
                yield f"{place}.collect_device: has to be one of {', '.join(COLLECT_DEVICES)}"
            try:
                if getattr(kind, "__name__", "") == "DumpResults":
                    check_file(metric["out_file_path"], "out_file_path")
                elif kind in own.METRICS.module_dict.values():
                    own.METRICS.build(dict(metric))
            except Exception as error:
                yield f"{place}: {reason(error)}"
            of_ours += kind is IoUMetric
        if of_ours > 1:
            yield f"{key}: give a single IoUMetric: numbers of several have the same names"
