"""Check that hooks which watch a metric watch one that the validation computes."""

import inspect
from collections.abc import Iterator
from typing import Any

from mmengine.hooks import Hook

from daseg.config.look_up import find
from daseg.evaluation import IoUMetric
from daseg.registry import HOOKS, METRICS, did_you_mean

MEANS = ("mIoU", "pixAcc", "mAcc")
LABEL_FREE = ("entropy", "information", "flip_agreement", "teacher_agreement")
# The argument that names the metric, by the class of the hook.
WATCHERS = dict(CheckpointHook="save_best", EarlyStoppingHook="monitor")


def wrong_monitors(cfg: dict[str, Any]) -> Iterator[str]:
    """Report hooks that watch a metric which no validation of this config computes."""
    known = known_metrics(cfg)
    for path, hook, kind in hooks_of(cfg):
        for base in inspect.getmro(kind) if inspect.isclass(kind) else ():
            argument = WATCHERS.get(base.__name__)
            if argument and hook.get(argument) is not None:
                yield from _wrong(f"{path}.{argument}", hook[argument], cfg, known)
                break


def hooks_of(cfg: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], Any]]:
    """The configs of all hooks: their place, the dict, and the class; None where there is none."""
    named = cfg.get("default_hooks") or {}
    listed = [(f"default_hooks.{name}", hook) for name, hook in named.items()]
    listed += [(f"custom_hooks.{i}", h) for i, h in enumerate(cfg.get("custom_hooks") or [])]
    for path, hook in listed:
        if isinstance(hook, dict):
            yield path, hook, find(hook.get("type"), HOOKS)


def _wrong(path: str, metric: Any, cfg: dict[str, Any], known: list[str] | None) -> Iterator[str]:
    if not isinstance(metric, str):
        yield f"{path}: is the name of one metric, not {metric!r}"
    elif not cfg.get("val_evaluator"):
        yield f"{path}: there is no val_evaluator to compute {metric!r}"
    elif known is not None and metric not in (*known, "auto"):
        hint = did_you_mean(metric, known)
        yield f"{path}: no validation computes {metric!r}{hint} (it computes {', '.join(known)})"


def known_metrics(cfg: dict[str, Any]) -> list[str] | None:
    """Names of the metrics of a validation; None where parts of other packages may add some.

    What metrics and hooks of other packages compute is not known.
    """
    evaluators = cfg.get("val_evaluator") or []
    names: list[str] = []
    for metric in [evaluators] if isinstance(evaluators, dict) else evaluators:
        kind = find(metric.get("type"), METRICS) if isinstance(metric, dict) else type(metric)
        if kind is IoUMetric and isinstance(metric, dict):
            names += [*MEANS, *(metric.get("subsets") or {}), *(metric.get("subset_means") or [])]
        elif getattr(kind, "__name__", "") != "DumpResults":  # which gives none
            return None
    for _, _, kind in hooks_of(cfg):
        if getattr(kind, "__name__", "") == "LabelFreeScoresHook":
            has_teacher = (cfg.get("model") or {}).get("teacher_momentum") is not None
            scores = LABEL_FREE if has_teacher else LABEL_FREE[:-1]
            names += [f"labelfree_{name}" for name in scores]
        elif not inspect.isclass(kind):
            return None
        elif kind.__module__.startswith(("daseg.", "mmengine.")):
            continue
        elif getattr(kind, "after_val_epoch", None) is not Hook.after_val_epoch:
            return None  # it is called with the metrics, and may add its own
    return list(dict.fromkeys(names))
