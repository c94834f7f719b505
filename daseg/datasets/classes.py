"""The classes of a data set that is not built: its files need not be there."""

from collections.abc import Sequence
from typing import Any

from daseg.ops.colours import default_palette
from daseg.registry import DATASETS

Classes = tuple[tuple[str, ...], Sequence[Sequence[int]]]


def classes_of(cfg: Any) -> Classes | None:
    """Names and RGB colours of the classes that a data set's config stands for.

    Args:
        cfg: Config of a data set. One of several data sets has the classes of the first.

    Returns:
        None where only the built data set could tell.
    """
    if not isinstance(cfg, dict) or "type" not in cfg:
        return None
    if cfg.get("datasets"):
        return classes_of(cfg["datasets"][0])
    kind = DATASETS.get(cfg["type"])
    names = tuple(getattr(kind, "CLASSES", ()) or cfg.get("classes") or ())
    colours = getattr(kind, "PALETTE", ()) or cfg.get("palette") or default_palette(len(names))
    return (names, colours) if names else None
