"""daseg: domain-adaptive semantic segmentation.

Import layers, lowest first (a test holds them): registry, plugins, utils; the parts (backbones,
heads, losses, datasets, evaluation); segmentor, inference, objectives; adaptation, hooks, engine.
"""

from typing import TYPE_CHECKING, Any

from daseg.compat.moved import find_moved_modules

if TYPE_CHECKING:
    from daseg.api import init_segmentor, predict
    from daseg.registry import list_parts

__version__ = "0.1.0"
__all__ = ["__version__", "init_segmentor", "list_parts", "predict"]

_HOME = {"init_segmentor": "daseg.api", "predict": "daseg.api", "list_parts": "daseg.registry"}

find_moved_modules()


def __getattr__(name: str) -> Any:
    """Import the public functions when they are first used, so that ``--help`` needs no torch."""
    if name not in _HOME:
        raise AttributeError(f"module 'daseg' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
