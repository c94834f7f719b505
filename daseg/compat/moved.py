"""Modules that have moved can still be imported by their old names, as other packages do.

``from daseg.engine.config import load_config`` gives what ``daseg.config.load`` has, and a
``DeprecationWarning`` that names the new module.
"""

import sys
import warnings
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

# Old name -> new name, of a module or of a package with everything in it; the longest name wins.
MOVED = {
    **{
        f"daseg.engine.{name}": f"daseg.config.{name}"
        for name in (
            "argument_types arguments building look_up monitors overrides schedules settings "
            "trial_parts trial_pipelines unfit validate work_dirs"
        ).split()
    },
    "daseg.engine.config": "daseg.config.load",
    "daseg.engine.config_files": "daseg.config.files",
    "daseg.engine.config_text": "daseg.config.text",
    "daseg.engine.benchmark": "daseg.benchmarks.translation",
    "daseg.engine.compare": "daseg.visualization.compare",
    "daseg.engine.convert": "daseg.compat.convert",
    "daseg.engine.convert_cyclegan": "daseg.compat.cyclegan",
    "daseg.engine.pseudo_labels": "daseg.offline.pseudo_labels",
    "daseg.engine.pseudo_labels.job": "daseg.offline.job",
    "daseg.engine.pseudo_labels.report": "daseg.offline.pseudo_labels.coverage",
    "daseg.engine.pseudo_labels.teacher": "daseg.engine.lineage",
    "daseg.engine.recorder": "daseg.offline.recorder",
    "daseg.engine.study": "daseg.study",
    "daseg.engine.study.file": "daseg.study.reading",
    "daseg.engine.translation": "daseg.offline.translation",
    "daseg.engine.translation.data": "daseg.offline.images",
    "daseg.engine.translation.job": "daseg.offline.job",
    "daseg.engine.world_data": "daseg.worlds.data",
    "daseg.engine.worlds": "daseg.worlds.apply",
    "daseg.evaluation.curves": "daseg.visualization.curves",
    "daseg.evaluation.observatory": "daseg.visualization.observatory",
    "daseg.evaluation.pictures": "daseg.visualization.figures",
    "daseg.evaluation.study": "daseg.study",
    "daseg.evaluation.study.collect": "daseg.study.runs",
    "daseg.datasets.browse": "daseg.visualization.browse",
    "daseg.datasets.demo": "daseg.worlds.drawing",
    "daseg.datasets.demo.sheet": "daseg.worlds.sheet",
    **{
        f"daseg.datasets.{name}": f"daseg.datasets.files.{name}"
        for name in "inventory io lists picture scan walk".split()
    },
    **{
        f"daseg.datasets.{name}": f"daseg.datasets.probe.{name}"
        for name in "exchange follow geometry preview whole".split()
    },
    "daseg.heads.layers": "daseg.ops.layers",
    "daseg.losses.rectified": "daseg.losses.balanced",
    "daseg.utils.archive": "daseg.weights.archive",
    "daseg.utils.checkpoint_form": "daseg.weights.form",
    "daseg.utils.colors": "daseg.ops.colours",
    "daseg.utils.freeze": "daseg.ops.freeze",
    "daseg.utils.labels": "daseg.datasets.cityscapes",
    "daseg.utils.mixing": "daseg.ops.mixing",
    "daseg.utils.moving_average": "daseg.ops.ema",
    "daseg.utils.norm": "daseg.ops.norm",
    "daseg.utils.places": "daseg.datasets.files.inventory",
    "daseg.utils.plain": "daseg.weights.plain",
    "daseg.utils.resize": "daseg.ops.resize",
    "daseg.utils.strict": "daseg.weights.strict",
    "daseg.utils.unexpected": "daseg.cli.unexpected",
    "daseg.utils.weights": "daseg.weights.files",
}


def new_name(old: str) -> str | None:
    """The name that a module has now; None where no module has moved from ``old``."""
    pieces = old.split(".")
    for end in range(len(pieces), 2, -1):
        home = MOVED.get(".".join(pieces[:end]))
        if home is not None:
            return ".".join([home, *pieces[end:]])
    return None


class MovedModules(MetaPathFinder, Loader):
    """Finds a module by its old name, after everything else has failed to find it."""

    def find_spec(
        self, fullname: str, path: object = None, target: object = None
    ) -> ModuleSpec | None:
        """Say that a module is there if it has moved and its new home exists."""
        home = new_name(fullname)
        if home is None or find_spec(home) is None:
            return None
        return ModuleSpec(fullname, self, is_package=True)

    def exec_module(self, module: ModuleType) -> None:
        """Give the module everything that its new home has."""
        home = import_module(str(new_name(module.__name__)))
        warnings.warn(
            f"{module.__name__} has moved to {home.__name__}", DeprecationWarning, stacklevel=2
        )
        vars(module).update({k: v for k, v in vars(home).items() if not k.startswith("__")})


def find_moved_modules() -> None:
    """Let ``import`` find moved modules; done once, when daseg is imported."""
    if not any(isinstance(finder, MovedModules) for finder in sys.meta_path):
        sys.meta_path.append(MovedModules())
