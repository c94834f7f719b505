"""Going through nested dicts and lists, such as a config."""

from collections.abc import Iterator
from typing import Any


def walk(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value at and below a node with its place, ``"hooks.0.interval"``; parents first.

    Args:
        node: Dicts, lists and tuples, in each other, and values.
        path: The place of the node itself.
    """
    yield path, node
    if isinstance(node, (dict, list, tuple)):
        for key, child in list(node.items()) if isinstance(node, dict) else enumerate(node):
            yield from walk(child, f"{path}.{key}".lstrip("."))
