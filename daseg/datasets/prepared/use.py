"""Which data sets of a config read what was prepared."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from daseg.datasets.base import SegDataset
from daseg.registry import DATASETS


def use_prepared(dataset: Any, folder: str | Path) -> None:
    """Give each data set of files in a data set's config, in place, a folder of prepared ones.

    One whose config says ``prepared`` itself stays as it is.
    """
    if isinstance(dataset, (list, tuple)):
        for part in dataset:
            use_prepared(part, folder)
    elif isinstance(dataset, dict) and "type" in dataset:
        kind = DATASETS.get(dataset["type"])
        if isinstance(kind, type) and issubclass(kind, SegDataset):
            dataset.setdefault("prepared", str(folder))
        for key in ("source", "target", "datasets"):
            use_prepared(dataset.get(key), folder)


def without_prepared(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """The config of a data set that reads its own files."""
    return {key: value for key, value in dataset.items() if key != "prepared"}
