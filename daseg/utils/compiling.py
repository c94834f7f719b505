"""Networks that torch.compile translates when they are first called."""

import os
import shutil
from collections.abc import Iterable
from importlib.util import find_spec

import torch
from torch import nn

from daseg.utils.errors import ConfigError

COMPILERS = ("g++", "clang++", "cl")


def compile_networks(networks: Iterable[nn.Module]) -> None:
    """Compile networks at their first call, in place: names of weights and classes stay.

    Raises:
        ConfigError: What PyTorch compiles with is not on this machine.
    """
    compilers = (os.environ.get("CXX"), *COMPILERS)
    if not any(shutil.which(name) for name in compilers if name):
        raise ConfigError(
            "compiled networks need a C++ compiler, and none is on this machine "
            f"({', '.join(COMPILERS)}, or what the variable CXX names): install one, or leave "
            "--compile (model.compiled) out"
        )
    if torch.cuda.is_available() and find_spec("triton") is None:
        raise ConfigError(
            "compiled networks on a GPU need the package triton: pip install triton, or leave "
            "--compile (model.compiled) out"
        )
    for network in networks:
        network.compile()
