"""Start a command in several processes, as torchrun does."""

import os
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import NoReturn

from daseg.utils.errors import ConfigError


def start_processes(command: str, words: Sequence[str]) -> NoReturn:
    """Run a command in as many processes as its ``--gpus`` says; exit with their status.

    Args:
        command: The command of ``daseg``.
        words: Its arguments.

    Raises:
        ConfigError: The number is less than 1, or a launcher has started this process already.
    """
    parser = ArgumentParser(add_help=False)
    parser.add_argument("--gpus", type=int)
    parser.add_argument("--launcher", default="none")
    given, others = parser.parse_known_args(words)
    if given.gpus < 1:
        raise ConfigError(f"--gpus {given.gpus}: at least one process is needed")
    if given.launcher != "none":
        raise ConfigError("--gpus starts the processes itself: leave out --launcher")

    from daseg.utils.launch import launch

    os.environ.setdefault("OMP_NUM_THREADS", "1")  # more threads would compete for the cores
    program = ["--module", "daseg", command, *others, "--launcher", "pytorch"]
    sys.exit(launch(["--standalone", f"--nproc-per-node={given.gpus}", *program]))
