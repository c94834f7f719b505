"""The command ``daseg``: each of its commands is a module of this package.

A module's docstring is the command's help, whose first line the list of commands shows. Its
``add_arguments(parser)`` declares the arguments, and ``run(args)`` does the work. Modules import
torch and the rest of daseg only in ``run``, so that ``--help`` is quick.
"""

import os
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType

from daseg import __version__
from daseg.cli.exits import reports_errors
from daseg.utils.errors import ConfigError
from daseg.utils.options import parse_cfg_options
from daseg.utils.verbosity import VERBOSE

COMMANDS = (
    *("train", "test", "predict", "translate", "pseudo-label", "study"),
    *("score", "check-data", "prepare", "browse-data", "class-weights", "panel", "plot-curves"),
    *("convert", "benchmark", "fit", "demo", "make-demo", "configs", "parts", "doctor"),
)


@reports_errors
def main(command: str | None = None) -> None:
    """Run a command with the arguments of the command line.

    Args:
        command: The command, where the program is a script for it alone, such as
            ``tools/train.py``. None: the first argument names it.
    """
    words = sys.argv[1:]
    if command is not None:
        _run(command, Path(sys.argv[0]).name, words)
    elif words and not words[0].startswith("-"):
        _run(words[0], f"daseg {words[0]}", words[1:])
    else:
        parser = _overview()
        parser.parse_args(words)
        parser.print_help()


def _overview() -> ArgumentParser:
    lines = ["commands:"]
    for command in COMMANDS:
        first = (_module(command).__doc__ or "").splitlines()[0]
        lines.append(f"  {command:<14}{first}")
    lines += ["", "`daseg COMMAND --help` shows the arguments of a command, with examples."]
    parser = ArgumentParser(
        "daseg",
        usage="daseg COMMAND [ARGUMENTS]",
        description="Domain-adaptive semantic segmentation.",
        epilog="\n".join(lines),
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"daseg {__version__}")
    return parser


def _run(command: str, program: str, words: Sequence[str]) -> None:
    if command not in COMMANDS:
        from daseg.registry import did_you_mean

        known = did_you_mean(command, COMMANDS) or "; `daseg --help` lists them"
        raise ConfigError(f"daseg has no command {command!r}{known}")
    module = _module(command)
    parser = ArgumentParser(
        program, description=module.__doc__, formatter_class=RawDescriptionHelpFormatter
    )
    module.add_arguments(parser)
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="show the whole log, and tracebacks of errors"
    )
    # Positional arguments that may be left out may stand behind options.
    args = parser.parse_intermixed_args(words)
    if vars(args).pop("verbose"):
        os.environ[VERBOSE] = "1"  # the processes that this one starts show all, too
    if "cfg_options" in args:
        args.cfg_options = parse_cfg_options(args.cfg_options)
    if vars(args).pop("gpus", None) is not None:
        from daseg.cli.processes import start_processes

        start_processes(command, words)
    else:
        module.run(args)


def _module(command: str) -> ModuleType:
    return import_module(f"daseg.cli.{command.replace('-', '_')}")
