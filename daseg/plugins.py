"""Parts of other packages: found through the entry-point group ``daseg.plugins``.

A package announces a module that registers its parts, in its own ``pyproject.toml``::

    [project.entry-points."daseg.plugins"]
    mypackage = "mypackage.parts"

Every tool loads it before reading a config, so a config names the parts like daseg's own. A module
that is not installed as a package is named in the config instead:
``custom_imports = dict(imports=['mymodule'])``.
"""

from functools import cache
from importlib.metadata import entry_points

from daseg.utils.errors import ConfigError

GROUP = "daseg.plugins"


@cache
def load_plugins() -> tuple[str, ...]:
    """Import every installed plugin once; return their names.

    Raises:
        ConfigError: A plugin fails on import. The message names it and the package it is from.
    """
    loaded = []
    for entry in entry_points(group=GROUP):
        try:
            entry.load()
        except Exception as error:
            package = entry.dist.name if entry.dist else "an unknown package"
            raise ConfigError(
                f"the daseg plugin {entry.name!r} ({entry.value}, from {package}) fails on import: "
                f"{type(error).__name__}: {error}. Mend it, or: pip uninstall {package}"
            ) from error
        loaded.append(entry.name)
    return tuple(loaded)
