"""Whether a pipeline gives RGB where BGR is expected, measured on an image of one colour."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from daseg.datasets.one_transform import name_of

_FLAT = np.array([20, 90, 220])


def flat_like(image: np.ndarray) -> np.ndarray:
    """An image of one colour with the shape and type of another; grey where that is grey."""
    colour = _FLAT if image.shape[2:] == (3,) else _FLAT[:1]
    return np.broadcast_to(colour, image.shape).astype(image.dtype)


def exchange(
    steps: Sequence[Callable[[dict[str, Any]], dict[str, Any] | None]], results: dict[str, Any]
) -> str | None:
    """Find the transform that exchanges red and blue, as pipelines of other libraries do.

    Args:
        steps: Transforms.
        results: What the first one is given, with the image of `flat_like`.

    Returns:
        Its name, and what to do; None where there is none.
    """
    for step in steps:
        try:
            results = step(results) or {}
        except Exception:
            return None  # it cannot work on every image, and has worked on this one
        image = results.get("img")
        if isinstance(image, np.ndarray) and image.shape[2:] == (3,):
            colour = np.median(image.reshape(-1, 3), axis=0)
            if abs(colour - _FLAT[::-1]).max() <= 1:
                return (
                    f"{name_of(step)} turns BGR into RGB. Images are BGR up to PackSample, which "
                    "turns them itself: the network would see blue as red. Leave it out (mmcv's "
                    "Normalize has to_rgb=False)"
                )
    return None
