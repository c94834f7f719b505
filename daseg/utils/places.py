"""Where the two small worlds lie on disk, and how one gets what is missing there."""

import os
from pathlib import Path
from typing import NamedTuple


class Place(NamedTuple):
    """The folder of a world.

    Attributes:
        variable: Environment variable that names the folder.
        default: The folder where the variable is not set.
        remedy: What to do where the folder is not there.
    """

    variable: str
    default: str
    remedy: str

    @property
    def root(self) -> str:
        """The folder, as the environment says now."""
        return os.environ.get(self.variable, self.default)


PLACES = {
    "demo": Place(
        "DASEG_DEMO",
        "data/demo",
        "draw the embedded world first: python tools/make_demo.py --root {root}",
    ),
    "camvid": Place(
        "DASEG_CAMVID",
        "data/camvid",
        "say where CamVid is with the environment variable DASEG_CAMVID",
    ),
}


def remedy(folder: str | Path) -> str:
    """``"; do this"`` for a missing folder inside one of the worlds; else ``""``."""
    for place in PLACES.values():
        root = Path(place.root)
        if Path(folder) == root or root in Path(folder).parents:
            return f"; {place.remedy.format(root=place.root)}"
    return ""
