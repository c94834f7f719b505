"""Read config files; an error names the file, the line and the reason."""

import ast
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from mmengine import Config

from daseg.config.names import find_config, similar_configs
from daseg.config.overrides import is_whole
from daseg.config.validate import RUNNER_KEYS
from daseg.utils.errors import ConfigError
from daseg.utils.log import quiet

ENVIRONMENT = re.compile(r"\{\{\s*\$[^}]*\}\}")  # {{$NAME:default}}, which is not Python


def read_config(path: Path, keys: Collection[str] = RUNNER_KEYS) -> Config:
    """Read a config file with its bases, and import its ``custom_imports``.

    Args:
        path: The file.
        keys: The variables that are read from such a file, which may override those of a base; all
            others are helper variables.

    Raises:
        ConfigError: A file is missing or broken, or sets a base's helper variable again.
    """
    path = find_config(path)
    check_files(path, keys)
    try:
        # It says which environment variables it has replaced, at every reading.
        with quiet(), _whole_mappings():
            cfg = Config.fromfile(path, import_custom_modules=False)
    except Exception as error:
        file, line = _place(error, path)
        reason = f"{type(error).__name__}: {error}"
        raise ConfigError(f"{file} cannot be read: {line}{reason}") from error
    import_modules(cfg, path)
    return cfg


@contextmanager
def _whole_mappings() -> Iterator[None]:
    """Let a mapping such as an id_map replace the base's; mmengine would merge the two.

    The function by which mmengine merges files is the only place to change that.
    """
    merge = Config._merge_a_into_b

    def merge_whole(a: dict[str, Any], b: dict[str, Any], allow_list_keys: bool = False) -> Any:
        replaced = {
            key: dict(value, _delete_=True)
            for key, value in a.items()
            if isinstance(value, dict) and isinstance(b.get(key), dict)
            if is_whole(value) or is_whole(b[key])
        }
        return merge({**a, **replaced}, b, allow_list_keys)

    Config._merge_a_into_b = staticmethod(merge_whole)
    try:
        yield
    finally:
        Config._merge_a_into_b = staticmethod(merge)


def base_files(path: Path) -> list[Path]:
    """The files of all bases of a config, its bases' bases among them."""
    direct = [path.parent / base for base in _bases(_parse(path))]
    return [file for base in direct for file in (base, *base_files(base))]


def check_files(path: Path, keys: Collection[str] = RUNNER_KEYS) -> set[str]:
    """Check a config file and its bases; return the names of all variables that they set.

    A helper variable of a base that is set again has no effect, since the base has computed with
    its own value already: that is an error, unless the file uses the new value itself.
    """
    tree = _parse(path)
    inherited: set[str] = set()
    for base in _bases(tree):
        try:
            inherited |= check_files(path.parent / base, keys)
        except _NoConfigError as error:
            raise ConfigError(f"{path}: its _base_ is missing: {error}") from None
    assigned = [t for n in tree.body if isinstance(n, ast.Assign) for t in n.targets]
    own = {t.id for t in assigned if isinstance(t, ast.Name)}
    loaded = {
        n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)
    }
    for name in sorted(own & inherited - set(keys) - loaded):
        if not name.startswith("_"):
            raise ConfigError(
                f"{path} sets {name!r} again, but a base has already computed with its own value, "
                f"so the new one has no effect: set the keys for which the base uses {name!r}"
            )
    return own | inherited


class _NoConfigError(ConfigError):
    """There is no such file."""


def _parse(path: Path) -> ast.Module:
    if path.is_dir():
        raise _NoConfigError(f"{path} is a folder: name a config in it")
    if not path.is_file():
        raise _NoConfigError(f"no config at {path}{similar_configs(path)}")
    if path.suffix != ".py":
        raise ConfigError(f"{path}: a config is a Python file, its name ends in .py")
    try:
        return ast.parse(ENVIRONMENT.sub("None", path.read_text(encoding="utf-8")))
    except SyntaxError as error:
        place = f"line {error.lineno}: " if error.lineno else ""
        raise ConfigError(f"{path} is not valid Python: {place}{error.msg}") from None
    except ValueError as error:  # not text
        raise ConfigError(f"{path} is not valid Python: {error}") from None


def _bases(tree: ast.Module) -> list[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_base_":
            value = ast.literal_eval(node.value)
            return [value] if isinstance(value, str) else list(value)
    return []


def _place(error: Exception, path: Path) -> tuple[str, str]:
    """The config file and the line of an error, from mmengine's traceback."""
    file, line, trace = str(path), "", error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_name == "_file2dict":
            file = str(trace.tb_frame.f_locals.get("filename", file))
        if code.co_filename == file and code.co_name == "<module>":
            line = f"line {trace.tb_lineno}: "
        trace = trace.tb_next
    return file, line


def import_modules(cfg: Config, path: Path) -> None:
    """Import the modules named in ``custom_imports``; mmengine would hide why one fails.

    Raises:
        ConfigError: A module fails, or exits as scripts do; or an entry is not a module name.
    """
    given = cfg.get("custom_imports") or {}
    imports = given.get("imports", []) if isinstance(given, dict) else None
    names = [imports] if isinstance(imports, str) else imports
    if not isinstance(names, (list, tuple)) or not all(isinstance(n, str) and n for n in names):
        raise ConfigError(
            f"{path}: custom_imports is dict(imports=['module', ...]) of names of modules, "
            f"not {given!r}"
        )
    for name in names:
        try:
            import_module(name)
        except (Exception, SystemExit) as error:
            reason = f"{type(error).__name__}: {error}"
            hint = "; is its folder in PYTHONPATH?" if isinstance(error, ImportError) else ""
            raise ConfigError(
                f"{path}: custom_imports: the module {name!r} fails on import: {reason}{hint}"
            ) from error
