"""List, show or copy the configs that come with daseg.

daseg configs list
daseg configs list 'advent*'
daseg configs show adaptseg/lsgan_b2        # the file; --full: with all of its bases merged
daseg configs copy adaptseg/lsgan_b2        # into configs/, with its bases, to be changed there
"""

import shutil
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from daseg.utils.errors import ConfigError


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("action", choices=["list", "show", "copy"])
    add("name", nargs="?", help="a name, as `list` shows them; of `list`: a folder or a wildcard")
    add("--full", action="store_true", help="show: the whole config, its bases merged")
    add("--to", default="configs", metavar="DIR", help="copy: into this folder (default configs)")
    add("--force", action="store_true", help="copy: replace files that differ")


def run(args: Namespace) -> None:
    """List, show or copy."""
    if args.action == "list":
        _list(args.name or "*")
    elif args.name is None:
        raise ConfigError(f"daseg configs {args.action}: which config? Give its name")
    elif args.action == "show":
        _show(args.name, full=args.full)
    else:
        _copy(args.name, Path(args.to), force=args.force)


def _list(pattern: str) -> None:
    from daseg.config.names import config_folder, config_names, summary

    names = list(config_names(pattern))
    if not names:
        raise ConfigError(f"no config is called {pattern}; `daseg configs list` shows all")
    width = max(map(len, names))
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000
    for name in names:
        line = f"{name:<{width}}  {summary(config_folder() / f'{name}.py')}"
        print(line if len(line) <= columns else f"{line[: columns - 3]}...")


def _show(name: str, *, full: bool) -> None:
    from daseg.config.files import check_files
    from daseg.config.load import load_config
    from daseg.config.names import find_config
    from daseg.config.text import config_text

    if full:
        print(config_text(load_config(name)._cfg_dict, completed=True), end="")
        return
    file = find_config(name)
    check_files(file)
    print(f"# {file}\n{file.read_text('utf-8')}", end="")


def _copy(name: str, folder: Path, *, force: bool) -> None:
    """Copy a config and its bases, in the folders in which they lie to each other."""
    from daseg.config.files import base_files
    from daseg.config.names import config_folder, find_config
    from daseg.utils.files import atomic_write_text

    root = config_folder().resolve()
    file = find_config(name).resolve()
    files = dict.fromkeys([file, *(base.resolve() for base in base_files(file))])
    if not file.is_relative_to(root):
        raise ConfigError(f"{name} is a file of yours: copy it, and its bases, as any file")
    places = {each: folder / each.relative_to(root) for each in files}
    for source, place in places.items():
        if place.exists() and place.read_bytes() != source.read_bytes() and not force:
            raise ConfigError(
                f"{place} differs from daseg's: --force replaces it; or copy --to another folder"
            )
    for source, place in places.items():
        atomic_write_text(place, source.read_text("utf-8"))
        print(place)
    print(f"change it, then: daseg train {places[file]}")
