"""Benchmarks: daseg beside the public code of other systems, on the same work.

A benchmark is a module of this package with ``compare(settings) -> list[Comparison]``, a docstring
whose first line says what it measures, and ``OPTIONS``, the optional settings that it reads. The
public code of a peer is imported from the path that the user gives; daseg contains none of it.
"""

from importlib import import_module
from typing import Any

# The benchmark by its name on the command line: its module.
BENCHMARKS = {
    "metric": "metric",
    "data": "data",
    "augment": "augment",
    "eval": "evaluation",
    "infer": "inference",
    "translate": "translation",
    "startup": "startup",
    "scale": "scale",
    "processes": "processes",
    "train": "training",
}


def load_benchmark(name: str) -> Any:
    """The module of a benchmark."""
    return import_module(f"{__name__}.{BENCHMARKS[name]}")
