"""Find daseg's own configs by name: ``adaptseg/lsgan_b2``."""

import ast
import difflib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

PACKAGE = Path(__file__).parents[1]


def config_folder() -> Path:
    """The folder of daseg's configs: in the package, or in a checkout beside it."""
    packaged = PACKAGE / "_configs"
    return packaged if packaged.is_dir() else PACKAGE.parent / "configs"


def find_config(path: str | Path) -> Path:
    """The file of a config that is given as a path or as the name of one of daseg's.

    Args:
        path: A path; where no file is there, the name of a config with or without ``configs/``
            before and ``.py`` behind it.

    Returns:
        The file; the path as it was given where there is none.
    """
    given = Path(path)
    if given.is_file() or given.is_absolute() or not given.name:
        return given
    name = given.with_name(given.name.removesuffix(".py") + ".py")
    parts = name.parts[1:] if name.parts[0] == "configs" else name.parts
    named = config_folder().joinpath(*parts)
    return named if named.is_file() else given


def config_names(pattern: str = "*") -> Iterator[str]:
    """Names of daseg's configs that match a shell wildcard, or lie in a folder of that name."""
    folder = config_folder()
    for file in sorted(folder.rglob("*.py")):
        name = file.relative_to(folder).with_suffix("").as_posix()
        is_base = any(part.startswith("_") for part in name.split("/"))
        if not is_base and (fnmatch(name, pattern) or fnmatch(name.split("/")[0], pattern)):
            yield name


def similar_configs(path: Path) -> str:
    """``"; did you mean ..."``: files beside a path that is missing, and daseg's configs."""
    files = {str(file) for file in path.parent.glob("*.py")}
    name = str(path).removeprefix("configs/").removesuffix(".py")
    near = difflib.get_close_matches(str(path), sorted(files), 3, cutoff=0.6)
    near = near or difflib.get_close_matches(name, list(config_names()), 3, cutoff=0.6)
    return (
        f"; did you mean {' or '.join(near)}?" if near else "; `daseg configs list` shows daseg's"
    )


def summary(file: Path) -> str:
    """The first sentence of a config's docstring, in one line."""
    text = " ".join((ast.get_docstring(ast.parse(file.read_text("utf-8"))) or "").split())
    return text.partition(". ")[0].rstrip(".")
