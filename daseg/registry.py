"""Every extension point of daseg: one registry for each noun.

A part is registered under its class name and looked up by it::

    @HEADS.register_module()
    class MyHead(nn.Module): ...

    HEADS.build(dict(type="MyHead", num_classes=19))  # or HEADS.build(MyHead(num_classes=19))

Registries whose parts are built by mmengine's runner (models, datasets, hooks, ...) are children of
mmengine's own; the others stand alone. A look-up that fails says where it looked and what is near.
"""

import difflib
import fnmatch
from typing import Any

from mmengine import registry as mm

from daseg.utils.errors import ConfigError


class UnknownNameError(ConfigError, KeyError):
    """No part of this name is registered."""

    def __str__(self) -> str:  # KeyError would show the repr of the message
        return str(self.args[0])


class Registry(mm.Registry):
    """An mmengine registry that passes built parts through and suggests near names.

    Args:
        name: What a part of this registry is called, in the singular: "backbone".
        parent: The mmengine registry whose names are found here too, if any.
        locations: Modules imported at the first look-up, which register daseg's own parts.
    """

    def __init__(
        self, name: str, parent: mm.Registry | None = None, locations: list[str] | None = None
    ) -> None:
        super().__init__(name, parent=parent, scope="daseg", locations=locations or [])

    def get(self, key: str) -> Any:
        """Return the class or function registered as ``key``; raise `UnknownNameError` if none."""
        found = super().get(key)
        if found is None:
            raise UnknownNameError(unknown_name(key, self))
        return found

    def build(self, cfg: Any, *args: Any, **defaults: Any) -> Any:
        """Build a part from a config dict; a part that is built already is returned as it is.

        Args:
            cfg: ``dict(type='Name', **kwargs)``, or a built part.
            defaults: Keyword arguments for keys that ``cfg`` does not state.
        """
        if isinstance(cfg, str):
            raise ConfigError(f"a {self.name} is given as dict(type={cfg!r}), not as text")
        if not isinstance(cfg, dict):
            return cfg
        if "type" not in cfg:
            raise ConfigError(f"a {self.name} config needs the key 'type', got {dict(cfg)}")
        return super().build({**defaults, **cfg}, *args)

    def names(self, pattern: str = "*") -> list[str]:
        """Registered names that match a shell wildcard, sorted; daseg's own, not mmengine's."""
        self.import_from_location()
        return sorted(fnmatch.filter(self.module_dict, pattern))


def all_names(registry: mm.Registry) -> set[str]:
    """Names that a look-up in ``registry`` would find, those of its parents included."""
    registry.import_from_location()
    own = set(registry.module_dict)
    return own | all_names(registry.parent) if registry.parent is not None else own


def near(word: str, words: Any, count: int = 3, cutoff: float = 0.6) -> list[str]:
    """The words that are spelt most like ``word``, ignoring case."""
    by_lower = {w.lower(): w for w in words}
    matches = difflib.get_close_matches(word.lower(), list(by_lower), count, cutoff)
    return [by_lower[m] for m in matches]


def did_you_mean(word: str, words: Any) -> str:
    """``"; did you mean 'A' or 'B'?"``, or ``""`` where nothing is near."""
    matches = near(word, words)
    return f"; did you mean {' or '.join(repr(m) for m in matches)}?" if matches else ""


def unknown_name(key: str, registry: mm.Registry) -> str:
    """The message for a name that ``registry`` does not know."""
    names = all_names(registry)
    hint = did_you_mean(key, names)
    if not hint:
        others = [kind for kind, other in KINDS.items() if key in all_names(other)]
        if others:
            hint = f"; {key!r} is a {others[0]}"
        elif isinstance(registry, Registry):
            hint = f"; known are {', '.join(registry.names()) or 'none'}"
    return f"no {registry.name} is called {key!r}{hint}"


# Parts that daseg builds itself.
BACKBONES = Registry("backbone", locations=["daseg.backbones"])
HEADS = Registry("head", locations=["daseg.heads"])
DISCRIMINATORS = Registry("discriminator", locations=["daseg.discriminators"])
GENERATORS = Registry("generator", locations=["daseg.generators"])
LOSSES = Registry("loss", locations=["daseg.losses"])
OBJECTIVES = Registry("objective", locations=["daseg.objectives"])
INFERENCES = Registry("inference", locations=["daseg.inference"])
TRANSLATORS = Registry("translator", locations=["daseg.translation"])
LAUNCHERS = Registry("launcher", locations=["daseg.study"])

# Parts that mmengine's runner builds.
MODELS = Registry(
    "model",
    mm.MODELS,
    ["daseg.segmentor", "daseg.hrda", "daseg.adaptation", "daseg.translation"],
)
DATASETS = Registry("dataset", mm.DATASETS, ["daseg.datasets"])
TRANSFORMS = Registry("transform", mm.TRANSFORMS, ["daseg.datasets", "mmcv.transforms"])
DATA_SAMPLERS = Registry("data sampler", mm.DATA_SAMPLERS, ["daseg.datasets"])
FUNCTIONS = Registry("function", mm.FUNCTIONS, ["daseg.datasets"])
METRICS = Registry("metric", mm.METRICS, ["daseg.evaluation"])
HOOKS = Registry("hook", mm.HOOKS, ["daseg.hooks"])
LOOPS = Registry("loop", mm.LOOPS, ["daseg.engine"])
OPTIM_WRAPPERS = Registry("optim_wrapper", mm.OPTIM_WRAPPERS, ["daseg.engine"])
OPTIM_WRAPPER_CONSTRUCTORS = Registry(
    "optimizer wrapper constructor", mm.OPTIM_WRAPPER_CONSTRUCTORS, ["daseg.engine"]
)
MODEL_WRAPPERS = Registry("model_wrapper", mm.MODEL_WRAPPERS, ["daseg.engine"])
OPTIMIZERS = Registry("optimizer", mm.OPTIMIZERS)
PARAM_SCHEDULERS = Registry("parameter scheduler", mm.PARAM_SCHEDULERS, ["daseg.engine"])
EVALUATORS = Registry("evaluator", mm.EVALUATOR)
VISUALIZERS = Registry("visualizer", mm.VISUALIZERS)
VISBACKENDS = Registry("vis_backend", mm.VISBACKENDS)
LOG_PROCESSORS = Registry("log_processor", mm.LOG_PROCESSORS)

KINDS: dict[str, mm.Registry] = {
    "backbone": BACKBONES,
    "head": HEADS,
    "discriminator": DISCRIMINATORS,
    "generator": GENERATORS,
    "loss": LOSSES,
    "objective": OBJECTIVES,
    "inference": INFERENCES,
    "translator": TRANSLATORS,
    "model": MODELS,
    "dataset": DATASETS,
    "transform": TRANSFORMS,
    "sampler": DATA_SAMPLERS,
    "collate": FUNCTIONS,
    "metric": METRICS,
    "hook": HOOKS,
    "loop": LOOPS,
    "optim_wrapper": OPTIM_WRAPPERS,
    "optim_wrapper_constructor": OPTIM_WRAPPER_CONSTRUCTORS,
    "model_wrapper": MODEL_WRAPPERS,
    "optimizer": OPTIMIZERS,
    "scheduler": PARAM_SCHEDULERS,
    "evaluator": EVALUATORS,
    "visualizer": VISUALIZERS,
    "vis_backend": VISBACKENDS,
    "log_processor": LOG_PROCESSORS,
    "launcher": LAUNCHERS,  # named by studies, the others by configs
}


def list_parts(kind: str, pattern: str = "*") -> list[str]:
    """Names of the registered parts of a kind, those of installed plugins included.

    Args:
        kind: A key of `KINDS`: "backbone", "head", "loss", "dataset", "transform", "hook", ...
        pattern: Shell wildcard on the name: ``"DeepLab*"``.

    Raises:
        ConfigError: ``kind`` is not one of `KINDS`.

    Example:
        >>> list_parts("head", "DeepLabV3*")
        ['DeepLabV3Head', 'DeepLabV3PlusHead']
    """
    from daseg.plugins import load_plugins

    if kind not in KINDS:
        raise ConfigError(
            f"there is no kind of part called {kind!r}{did_you_mean(kind, KINDS)} "
            f"(kinds: {', '.join(KINDS)})"
        )
    load_plugins()
    registry = KINDS[kind]
    assert isinstance(registry, Registry)
    return registry.names(pattern)
