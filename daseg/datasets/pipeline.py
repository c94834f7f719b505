"""A list of transforms, run one after the other."""

from collections.abc import Sequence
from typing import Any

from mmcv.transforms import LoadImageFromFile
from mmengine.registry import DefaultScope

from daseg.registry import TRANSFORMS
from daseg.utils.errors import DataError, UserError


class Pipeline:
    """Runs transforms; an error says which one failed on which file.

    Args:
        transforms: Callables ``dict -> dict``, or configs that `TRANSFORMS` builds: daseg's and
            mmcv's, by their plain names, also inside ``RandomApply`` and the like.
    """

    def __init__(self, transforms: Sequence[Any]) -> None:
        # The scope lets mmcv's own containers find daseg's transforms.
        with DefaultScope.overwrite_default_scope("daseg"):
            self.transforms = [TRANSFORMS.build(t) for t in transforms]

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Run all transforms on a sample's description.

        Raises:
            DataError: The image cannot be read.
            RuntimeError: A transform failed; the cause is chained.
        """
        path = results.get("img_path")
        for transform in self.transforms:
            results = self._apply(transform, results, path)
        return results

    def _apply(self, transform: Any, results: dict[str, Any], path: str | None) -> dict[str, Any]:
        name = type(transform).__name__
        try:
            changed = transform(results)
        except UserError:
            raise
        except Exception as error:
            if isinstance(transform, LoadImageFromFile):
                reason = str(error) or "not a picture, or a part of one is missing"
                raise DataError(f"image {path} cannot be read: {reason}") from error
            raise RuntimeError(f"transform {name} failed on {path}: {error}") from error
        if changed is None:
            raise DataError(f"transform {name} gave nothing for {path}")
        return changed

    def __repr__(self) -> str:
        return f"Pipeline({self.transforms})"
