"""From the ids of a label file to train ids."""

import os
from collections.abc import Iterable, Mapping

import cv2
import numpy as np

from daseg.datasets.files.io import read_ids
from daseg.ops.labels import IGNORE
from daseg.utils.errors import ConfigError, DataError

_UNKNOWN = 254
_MAX_ID = 65535


class LabelReader:
    """Reads label files and maps their ids to train ids.

    Args:
        train_ids: Train id (0..253) of each label id that is learnt.
        ignored: Label ids that are legal but not learnt; they become 255.
        channel: The channel that holds the ids in files of several (0 red); see
            `daseg.datasets.files.io.read_ids`.
    """

    def __init__(
        self,
        train_ids: Mapping[int, int],
        ignored: Iterable[int] = (IGNORE,),
        channel: int | None = None,
    ) -> None:
        self.train_ids = {int(label_id): int(train) for label_id, train in train_ids.items()}
        self.ignored = tuple(int(label_id) for label_id in ignored)
        self.channel = channel
        self._check()
        # A table of all 16-bit ids: one look-up a pixel, whatever the ids.
        self.table = np.full(_MAX_ID + 1, _UNKNOWN, np.uint8)
        self.table[list(self.ignored)] = IGNORE
        self.table[list(self.train_ids)] = list(self.train_ids.values())

    def _check(self) -> None:
        for label_id in (*self.train_ids, *self.ignored):
            if not 0 <= label_id <= _MAX_ID:
                raise ConfigError(f"label id {label_id} is not in 0..{_MAX_ID}")
        for label_id, train_id in self.train_ids.items():
            if train_id != IGNORE and not 0 <= train_id < _UNKNOWN:
                raise ConfigError(
                    f"id_map sends {label_id} to {train_id}, but train ids are 0..253, or 255"
                )
        both = sorted(set(self.train_ids) & set(self.ignored))
        if both:
            rest = [i for i in self.ignored if i not in both]
            raise ConfigError(
                f"label ids {both} are both mapped to a class, by id_map, and ignored, by "
                f"ignored_ids: leave them out of one of the two, as with ignored_ids={rest}"
            )

    def read(self, path: str | os.PathLike[str]) -> np.ndarray:
        """Read a label file as (H, W) uint8 train ids, 255 where nothing is learnt.

        Raises:
            DataError: The file cannot be read or holds an id that is not known.
        """
        ids = read_ids(path, self.channel)
        if ids.dtype not in (np.uint8, np.uint16):
            legal = (ids >= 0) & (ids <= _MAX_ID)
            if not legal.all():
                raise DataError(self._complaint(path, ids[~legal]))
        # OpenCV's look-up, for ids of 8 bits, is ten times as fast as numpy's.
        is_narrow = ids.dtype == np.uint8
        label = cv2.LUT(ids, self.table[:256]) if is_narrow else self.table[ids]
        unknown = label == _UNKNOWN
        if unknown.any():
            raise DataError(self._complaint(path, ids[unknown]))
        return label

    def _complaint(self, path: str | os.PathLike[str], wrong: np.ndarray) -> str:
        ids, counts = np.unique(wrong, return_counts=True)
        shown = ", ".join(f"{i} ({n} pixels)" for i, n in list(zip(ids, counts, strict=True))[:8])
        more = f" and {len(ids) - 8} more" if len(ids) > 8 else ""
        known = _ranges((*self.train_ids, *self.ignored))
        return (
            f"label {path} holds ids that this data set does not know: {shown}{more}; "
            f"known are {known} (id_map and ignored_ids tell a FolderDataset of more)"
        )


def _ranges(numbers: Iterable[int]) -> str:
    """Numbers in short: ``0..33, 255``."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}..{b}" for a, b in runs)
