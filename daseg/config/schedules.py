"""Where a config states its schedules."""

from collections.abc import Iterator
from typing import Any

from daseg.utils.walk import walk

# Decays that end with the training where the config states no end, and what is added to its length:
# mmengine's PolyLR arrives one step early.
ENDS_WITH_TRAINING = dict(PolyDecay=0, PolyLR=1)


def schedulers(node: Any, path: str = "param_scheduler") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every scheduler config in ``param_scheduler`` (a list, or one per network), with its key."""
    for place, value in walk(node, path):
        if isinstance(value, dict) and "type" in value:
            yield place, value
