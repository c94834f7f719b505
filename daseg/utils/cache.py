"""Where daseg keeps what it has worked out once and can work out again."""

import os
from pathlib import Path

VARIABLE = "DASEG_CACHE"


def cache_folder(subject: str) -> Path:
    """The folder of what is kept of a subject; it need not exist.

    It lies in the folder that the environment variable ``DASEG_CACHE`` names, else in
    ``XDG_CACHE_HOME/daseg``, else in ``~/.cache/daseg``. Everything in it may be removed.
    """
    base = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(os.environ.get(VARIABLE) or Path(base) / "daseg") / subject
