"""The default work dir, and the checkpoint that a run in a small world starts from."""

import re
from pathlib import Path

from daseg.config.files import base_files
from daseg.worlds.load import name_of

CHECKPOINT = re.compile(r"work_dirs/([\w-]+)/iter_\d+\.pth")


def default_work_dir(config: str | Path, world: str | None = None) -> str:
    """The default work dir; in a world with the config's folder, since file names recur."""
    path = Path(config)
    if world is None:
        return f"work_dirs/{path.stem}"
    return f"work_dirs/{name_of(world)}/{path.resolve().parent.name}_{path.stem}"


def start_in_world(load_from: str, config: Path, world: str, max_iters: int) -> str:
    """The checkpoint that a config starts from in a world, in place of its ``load_from``.

    In the place of a base's checkpoint, in that base's default work dir, it is the base's last one
    in the world. Any other file stays.

    Args:
        load_from: The checkpoint that the config names.
        config: The config's file.
        world: The world's name.
        max_iters: How many iterations a training has there.
    """
    match = CHECKPOINT.fullmatch(load_from)
    for base in base_files(config):
        if match and base.stem == match[1]:
            return f"{default_work_dir(base, world)}/iter_{max_iters}.pth"
    return load_from
