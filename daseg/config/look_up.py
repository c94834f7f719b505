"""Find the class or function that the ``type`` of a config names."""

from typing import Any

from mmengine import registry as mm

from daseg import registry as own
from daseg.registry import all_names

ALL_REGISTRIES = tuple(r for r in own.KINDS.values() if r is not own.LAUNCHERS)


def find(name: Any, registry: mm.Registry | None) -> Any:
    """The class or function of a name; None where there is none.

    Args:
        name: A registered name, with or without scope (``mmengine.EMAHook``); the path of an
            object (``mmcv.transforms.Pad``); or the class or function itself.
        registry: Where to look; None: in all.
    """
    if not isinstance(name, str):
        return name if callable(name) else None
    registries = (registry,) if registry is not None else ALL_REGISTRIES
    for candidate in registries:
        if name in all_names(candidate):
            return candidate.get(name)
    return _by_path(name, registries[0]) if "." in name else None


def _by_path(name: str, registry: mm.Registry) -> Any:
    try:
        return registry.get(name)
    except Exception:  # mmengine raises whatever an import of the module does
        return None
