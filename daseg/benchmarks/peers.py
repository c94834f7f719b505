"""The public code of other systems, imported from where the user has it."""

import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from daseg.utils.errors import ConfigError

# Each peer, and a file that its folder has. Installed packages are found in their site-packages.
PEERS = {
    "AdaptSegNet": "train_gta2cityscapes_multi.py",
    "Seg-Uncertainty": "trainer_ms_variance.py",
    "pytorch-CycleGAN": "models/cycle_gan_model.py",
    "DAFormer": "mmseg/models/uda/dacs.py",
    "mmsegmentation": "mmseg/evaluation/metrics/iou_metric.py",
    "torchmetrics": "torchmetrics/__init__.py",
    "cityscapesScripts": "cityscapesscripts/evaluation/evalPixelLevelSemanticLabeling.py",
}


def find_peers(paths: Iterable[str]) -> dict[str, Path]:
    """Which peers are at these paths, by name.

    Raises:
        ConfigError: A path is none of them, or two are the same one.
    """
    found: dict[str, Path] = {}
    for path in map(Path, paths):
        names = [name for name, file in PEERS.items() if (path / file).is_file()]
        if not names:
            known = ", ".join(f"{name} (has {file})" for name, file in PEERS.items())
            raise ConfigError(f"--peer {path}: no code of a known peer is there: {known}")
        for name in names:
            if name in found:
                raise ConfigError(f"--peer: {found[name]} and {path} are both {name}")
            found[name] = path.resolve()
    return found


def peer_module(path: str, name: str, *, anew: Iterable[str] = ()) -> Any:
    """Import a module of a peer, whose folder comes before all others from now on.

    In the process of a `Side` only: its names, such as "utils", may be those of other modules.

    Args:
        path: The peer's folder.
        name: The module.
        anew: Packages that are imported once more: the peer's folder may have another version, or
            they remember what another version has registered.

    Raises:
        ConfigError: It cannot be imported: it needs a package that is not there.
    """
    if path not in sys.path:
        sys.path.insert(0, path)
    for loaded in [each for each in sys.modules if each.split(".")[0] in set(anew)]:
        del sys.modules[loaded]
    try:
        return import_module(name)
    except ImportError as error:
        raise ConfigError(f"{path}: cannot import {name}: {error}") from error
