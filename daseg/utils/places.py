"""Where the two small worlds lie on disk, and how one gets what is missing there."""

import os
from pathlib import Path
from typing import NamedTuple


class Place(NamedTuple):
    """The folders of a world.

    Attributes:
        variable: Environment variable that names the folder.
        default: The folder where the variable is not set.
        remedy: What to do where the folder is not there.
        translated_default: Folder of the source's images in the target's look, which the world's
            owner makes, where the variable ``<variable>_TRANSLATED`` is not set.
        pseudo_default: Folder of the target's pseudo-labels, likewise, where the variable
            ``<variable>_PSEUDO_LABELS`` is not set.
    """

    variable: str
    default: str
    remedy: str
    translated_default: str
    pseudo_default: str

    @property
    def root(self) -> str:
        """The folder, as the environment says now."""
        return os.environ.get(self.variable, self.default)

    @property
    def translated(self) -> str:
        """The folder of the translated source, as the environment says now."""
        default = self.translated_default.format(root=self.root)
        return os.environ.get(f"{self.variable}_TRANSLATED", default)

    @property
    def pseudo_labels(self) -> str:
        """The folder of the target's pseudo-labels, as the environment says now."""
        default = self.pseudo_default.format(root=self.root)
        return os.environ.get(f"{self.variable}_PSEUDO_LABELS", default)


PLACES = {
    "demo": Place(
        "DASEG_DEMO",
        "data/demo",
        "draw the embedded world first: python tools/make_demo.py --root {root}",
        "{root}/gta5_translated",
        "{root}/pseudo_labels",
    ),
    "camvid": Place(
        "DASEG_CAMVID",
        "data/camvid",
        "say where CamVid is with the environment variable DASEG_CAMVID",
        "data/camvid_translated",  # CamVid's own folder may be read-only
        "data/camvid_pseudo_labels",
    ),
}


def remedy(folder: str | Path) -> str:
    """``"; do this"`` for a missing folder of a world, or inside of one; else ``""``."""
    for name, place in PLACES.items():
        if _inside(folder, place.translated):
            return (
                f"; translate the source of the world {name!r} into it first: "
                f"tools/translate.py CONFIG CHECKPOINT --world {name} --out {place.translated}"
            )
        if _inside(folder, place.pseudo_labels):
            return (
                f"; make those of the world {name!r} first: tools/pseudo_label.py CONFIG "
                f"CHECKPOINT --world {name} --out {place.pseudo_labels}"
            )
        if _inside(folder, place.root) and not Path(place.root).is_dir():
            return f"; {place.remedy.format(root=place.root)}"
    return ""


def _inside(folder: str | Path, root: str) -> bool:
    return Path(root) in (Path(folder), *Path(folder).parents)
