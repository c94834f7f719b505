"""Check a whole config before anything is built or read: names, arguments, top-level keys."""

import re
from collections.abc import Iterator
from typing import Any

from mmengine import registry as mm

from daseg import registry as own
from daseg.config.argument_types import wrong_types
from daseg.config.arguments import accepted_arguments, arguments_of
from daseg.config.look_up import ALL_REGISTRIES, find
from daseg.config.monitors import wrong_monitors
from daseg.config.schedules import schedulers
from daseg.config.settings import NETWORK_KEYS, wrong_settings, wrong_shapes
from daseg.config.trial_parts import wrong_hooks, wrong_metrics, wrong_optimizers
from daseg.config.trial_pipelines import wrong_pipelines
from daseg.config.unfit import why_unfit, wrong_place
from daseg.registry import all_names, did_you_mean, near, unknown_name
from daseg.utils.errors import ConfigError

# Keys that the runner reads, or a tool of daseg. Any other top-level key is a config's own helper.
RUNNER_KEYS = frozenset(
    "model work_dir train_dataloader val_dataloader test_dataloader train_cfg val_cfg test_cfg "
    "optim_wrapper param_scheduler val_evaluator test_evaluator default_hooks custom_hooks "
    "load_from resume launcher env_cfg log_processor log_level visualizer default_scope randomness "
    "custom_imports tta sync_bn compile prepared activation_checkpointing world".split()
)
# Keys of mmengine's that would have no effect here.
UNREAD_KEYS = dict(
    model_wrapper_cfg="each trainable network is wrapped by itself",
    auto_scale_lr="set the learning rate of the batch size that you train with",
    data_preprocessor="the segmentor normalises: set its mean and std",
    experiment_name="a run is named after its config file",
    efficient_conv_bn_eval="convolution and batch norm are not fused",
    runner_type="daseg has a runner of its own",
    strategy="torchrun starts several processes; see docs/distributed.md",
)
DEFAULT_HOOKS = "runtime_info timer sampler_seed logger param_scheduler checkpoint".split()

# Which registry the value of a key is built by. A dict under another key may be any part.
REGISTRY_OF_KEY: dict[str, mm.Registry] = dict(
    model=own.MODELS,
    segmentor=own.MODELS,
    backbone=own.BACKBONES,
    head=own.HEADS,
    aux_head=own.HEADS,
    attention=own.HEADS,
    discriminator=own.DISCRIMINATORS,
    disc_source=own.DISCRIMINATORS,
    disc_target=own.DISCRIMINATORS,
    source_to_target=own.GENERATORS,
    target_to_source=own.GENERATORS,
    gan_loss=own.LOSSES,
    objectives=own.OBJECTIVES,
    loss=own.LOSSES,
    translator=own.TRANSLATORS,
    inference=own.INFERENCES,
    tta=own.INFERENCES,
    dataset=own.DATASETS,
    datasets=own.DATASETS,
    source=own.DATASETS,
    target=own.DATASETS,
    labelled_target=own.DATASETS,
    pipeline=own.TRANSFORMS,
    sampler=own.DATA_SAMPLERS,
    source_sampler=own.DATA_SAMPLERS,
    collate_fn=own.FUNCTIONS,
    train_cfg=own.LOOPS,
    val_cfg=own.LOOPS,
    test_cfg=own.LOOPS,
    val_evaluator=own.METRICS,
    test_evaluator=own.METRICS,
    default_hooks=own.HOOKS,
    custom_hooks=own.HOOKS,
    optimizer=own.OPTIMIZERS,
    optim_wrapper=own.OPTIM_WRAPPERS,
    param_scheduler=own.PARAM_SCHEDULERS,
    visualizer=own.VISUALIZERS,
    vis_backends=own.VISBACKENDS,
    log_processor=own.LOG_PROCESSORS,
)
# Arguments that are not in a config, since whoever builds the part supplies them.
SUPPLIED = {
    own.HEADS.name: "in_channels num_classes",
    own.DISCRIMINATORS.name: "in_channels",
    own.DATA_SAMPLERS.name: "dataset",
    own.LOOPS.name: "runner dataloader evaluator",
    own.OPTIMIZERS.name: "params",
    own.OPTIM_WRAPPERS.name: "optimizer",
    own.PARAM_SCHEDULERS.name: "optimizer end",  # the end is the training's
    own.VISBACKENDS.name: "save_dir",
}
NETWORK = re.compile(r"optim_wrapper\.\w+")


def validate(cfg: dict[str, Any]) -> None:
    """Raise one `ConfigError` that lists everything wrong with a config."""
    problems = list(wrong_shapes(cfg))
    # There is nothing else to check in a value that is not a dict.
    problems = problems or [
        *_misspelt_keys(cfg),
        *wrong_settings(cfg),
        *_optimizers(cfg),
        *_schedules(cfg),
        *_untrainable(cfg),
        *_parts(cfg),
    ]
    # Building and running, even of small parts, needs arguments of the right types.
    problems = problems or [
        *wrong_monitors(cfg),
        *wrong_optimizers(cfg),
        *wrong_hooks(cfg),
        *wrong_metrics(cfg),
        *wrong_pipelines(cfg),
    ]
    if problems:
        raise ConfigError("\n  ".join([f"{len(problems)} in the config:", *problems]))


def _misspelt_keys(cfg: dict[str, Any]) -> Iterator[str]:
    for key in sorted(cfg.keys() & UNREAD_KEYS.keys()):
        yield f"{key}: has no effect in daseg; {UNREAD_KEYS[key]}"
    for key in sorted(cfg.keys() - RUNNER_KEYS - UNREAD_KEYS.keys()):
        # Near in length too, so that `train_pipeline`, `log_interval`, `data` stay legal.
        similar = near(key, [k for k in RUNNER_KEYS if abs(len(k) - len(key)) <= 2], 1, cutoff=0.75)
        if similar:
            yield f"{key}: not a key that anything reads; did you mean {similar[0]!r}?"
    if "model" not in cfg:
        yield "model: missing; there is nothing to train or test"
    for name in cfg.get("default_hooks") or {}:
        if name not in DEFAULT_HOOKS:
            yield f"default_hooks.{name}: not a default hook{did_you_mean(name, DEFAULT_HOOKS)}"


def _optimizers(cfg: dict[str, Any]) -> Iterator[str]:
    wrapper, schedule = cfg.get("optim_wrapper"), cfg.get("param_scheduler")
    if not wrapper:
        return
    if "constructor" not in wrapper:
        yield "optim_wrapper.constructor: missing; use 'OptimizersByNetwork'"
        return
    constructor = {"type": wrapper["constructor"]}
    yield from _part(constructor, own.OPTIM_WRAPPER_CONSTRUCTORS, "optim_wrapper.constructor")
    networks = {k: v for k, v in wrapper.items() if isinstance(v, dict)}
    for name, network in networks.items():
        if not isinstance(network.get("optimizer"), dict):
            yield f"optim_wrapper.{name}.optimizer: missing; for example dict(type='SGD', lr=0.01)"
        elif "lr" not in network["optimizer"]:
            yield f"optim_wrapper.{name}.optimizer.lr: missing"
        rest = {k: v for k, v in network.items() if k not in NETWORK_KEYS}
        typed = {"type": "OptimWrapper"} | rest
        yield from _part(typed, own.OPTIM_WRAPPERS, f"optim_wrapper.{name}", NETWORK_KEYS)
    if isinstance(schedule, dict) and "type" not in schedule:
        for name in sorted(schedule.keys() - networks.keys()):
            hint = did_you_mean(name, networks)
            yield f"param_scheduler.{name}: optim_wrapper has no network of this name{hint}"


def _untrainable(cfg: dict[str, Any]) -> Iterator[str]:
    """Report a model that has optimizers, but no train step."""
    kind = find((cfg.get("model") or {}).get("type"), own.MODELS)
    is_segmentor = isinstance(kind, type) and issubclass(kind, own.MODELS.get("Segmentor"))
    if is_segmentor and cfg.get("train_cfg") and cfg.get("optim_wrapper"):
        yield (
            "model: a Segmentor has no losses to train with: use dict(type='DomainAdapter', "
            "segmentor=dict(type='Segmentor', ...), objectives=[dict(type='Supervised')])"
        )


def _schedules(cfg: dict[str, Any]) -> Iterator[str]:
    for path, scheduler in schedulers(cfg.get("param_scheduler")):
        if scheduler.get("by_epoch"):
            yield (
                f"{path}.by_epoch: training counts iterations, not epochs, and the schedule "
                "would never move: leave by_epoch out, and give begin and end in iterations"
            )


def _parts(node: Any, path: str = "", key: str = "", ours: bool = True) -> Iterator[str]:
    """Check every ``dict(type=...)`` below a node, with the registry that its key implies.

    Missing arguments are reported only where daseg builds the part (``ours``): a part of another
    package may supply them, and a helper variable need not be complete.
    """
    if isinstance(node, dict):
        registry = REGISTRY_OF_KEY.get(key)
        # The wrapper of a network is checked by `_optimizers`: it has daseg's own keys too.
        kind = node.get("type")
        names_part = registry is not None or isinstance(kind, str) or callable(kind)
        if "type" in node and names_part and not NETWORK.fullmatch(path):
            yield from _part(node, registry, path)
            if ours and registry is not None:
                yield from _missing_arguments(node, registry, path)
            home = str(getattr(find(node["type"], registry), "__module__", ""))
            ours = ours and home.startswith(("daseg.", "mmengine."))
        inherits = key in ("default_hooks", "param_scheduler") and "type" not in node
        for name, child in node.items():
            place, here = f"{path}.{name}".lstrip("."), ours and (bool(path) or name in RUNNER_KEYS)
            yield from _parts(child, place, key if inherits else name, here)
    elif isinstance(node, (list, tuple)):
        for index, child in enumerate(node):
            yield from _parts(child, f"{path}.{index}", key, ours)


def _missing_arguments(node: dict[str, Any], registry: mm.Registry, path: str) -> Iterator[str]:
    found = find(node["type"], registry)
    if found is None or registry is own.FUNCTIONS:  # functions get their arguments at each call
        return
    if why_unfit(found, registry):  # reported already
        return
    supplied = SUPPLIED.get(registry.name, "").split()
    for name in sorted(arguments_of(found).required - node.keys() - set(supplied)):
        yield f"{path}.{name}: missing; {node['type']} needs it"


def _part(
    node: dict[str, Any], registry: mm.Registry | None, path: str, extra: tuple[str, ...] = ()
) -> Iterator[str]:
    name, found = node["type"], find(node["type"], registry)
    if found is None:
        yield f"{path}: {_unknown(name, registry)}"
        return
    name = name if isinstance(name, str) else found.__name__
    unfit = why_unfit(found, registry) or wrong_place(found, path)
    if unfit:
        yield f"{path}: {name} cannot be used here: {unfit}"
        return
    given = {key: value for key, value in node.items() if key not in ("type", "_scope_", *extra)}
    for key, problem in wrong_types(given, found):
        yield f"{path}.{key}: {problem}"
    legal = accepted_arguments(found)
    if legal is None:
        return
    for key in sorted(node.keys() - legal - {"type", "_scope_"}):
        hint = did_you_mean(key, legal.union(extra)) or f"; it has {', '.join(sorted(legal))}"
        yield (
            f"{path}.{key}: {name} has no argument {key!r}{hint} "
            "(if it is left over from a base's other type: add _delete_=True)"
        )


def _unknown(name: Any, registry: mm.Registry | None) -> str:
    if not isinstance(name, str):
        return f"its type is a name, not {name!r}"
    if registry is not None:
        return unknown_name(name, registry)
    names = set().union(*(all_names(r) for r in ALL_REGISTRIES))
    return f"nothing is registered as {name!r}{did_you_mean(name, names)}"
