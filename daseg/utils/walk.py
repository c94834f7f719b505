"""Walk nested dicts and lists, such as a config."""

from collections.abc import Iterator
from typing import Any


def walk(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield a node and every value below it with its place, ``"hooks.0.interval"``; parents first.

    Args:
        node: Nested dicts, lists and tuples of values.
        path: The place of the node itself.
    """
    yield path, node
    if isinstance(node, (dict, list, tuple)):
        for key, child in list(node.items()) if isinstance(node, dict) else enumerate(node):
            yield from walk(child, f"{path}.{key}".lstrip("."))
