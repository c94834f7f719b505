"""The samples of a data set in a few arrays, which the workers of a loader share."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch

from daseg.datasets.files.scan import Layout, Sample


class SampleTable(Sequence[Sample]):
    """The samples of a data set: their names, one after the other, and ten bytes each.

    Paths follow from names and the layout; those few that do not are kept as they are. A list of
    paths takes a kilobyte a sample, and a copy of it in every worker, since looking at an object
    of Python's writes to it. Arrays stay shared; torch's also with workers that are started anew.

    Args:
        layout: Where the files lie.
        images: Folder of the images.
        labels: Folder of the labels; None: the samples have none.
        samples: The samples.
    """

    def __init__(
        self, layout: Layout, images: Path, labels: Path | None, samples: Iterable[Sample] = ()
    ) -> None:
        self.layout, self.images, self.labels = layout, images, labels
        self.odd: dict[int, Sample] = {}
        names, ends, codes = bytearray(), [0], list[int]()
        code_of: dict[str, int] = {}
        for row, sample in enumerate(samples):
            begin = str(images / sample.name)
            path = str(sample.image)
            suffix = path[len(begin) :] if path.startswith(begin) else ""
            codes.append(code_of.setdefault(suffix, len(code_of)))
            names += sample.name.encode("utf-8", "surrogateescape")
            ends.append(len(names))
            label = None if labels is None else labels / layout.label_file(sample.name)
            if begin + suffix != path or str(label) != str(sample.label):
                self.odd[row] = sample
        self.suffixes = list(code_of)
        self._set(np.frombuffer(names, np.uint8), np.array(ends), np.array(codes))

    def _set(self, names: np.ndarray, ends: np.ndarray, codes: np.ndarray) -> None:
        self._names, self._ends, self._codes = (
            torch.from_numpy(np.array(array, kind))
            for array, kind in ((names, np.uint8), (ends, np.int64), (codes, np.int16))
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """The names (UTF-8), where each begins and the last one ends, and the suffixes' numbers."""
        arrays = dict(names=self._names, ends=self._ends, codes=self._codes)
        return {key: tensor.numpy() for key, tensor in arrays.items()}

    @classmethod
    def of_arrays(
        cls,
        layout: Layout,
        images: Path,
        labels: Path | None,
        suffixes: Sequence[str],
        arrays: dict[str, np.ndarray],
    ) -> "SampleTable":
        """A table of what `arrays` has given of one without ``odd`` samples."""
        table = cls(layout, images, labels)
        table.suffixes = list(suffixes)
        table._set(*(arrays[key] for key in ("names", "ends", "codes")))
        return table

    def take(self, rows: np.ndarray) -> "SampleTable":
        """The table of some of its samples, (n,) integers, in that order."""
        own = self.arrays()
        starts, lengths = own["ends"][rows], np.diff(own["ends"])[rows]
        ends = np.concatenate([[0], np.cumsum(lengths)])
        places = np.arange(ends[-1]) + np.repeat(starts - ends[:-1], lengths)
        arrays = dict(names=own["names"][places], ends=ends, codes=own["codes"][rows])
        table = SampleTable.of_arrays(self.layout, self.images, self.labels, self.suffixes, arrays)
        if self.odd:
            odd = ((new, self.odd.get(int(old))) for new, old in enumerate(rows))
            table.odd = {new: sample for new, sample in odd if sample is not None}
        return table

    def name(self, row: int) -> str:
        """Name of a sample, by its number from 0."""
        begin, end = self._ends[row : row + 2].tolist()
        return self._names[begin:end].numpy().tobytes().decode("utf-8", "surrogateescape")

    def names(self) -> list[str]:
        """Names of all samples."""
        return [self.name(row) for row in range(len(self))]

    def __len__(self) -> int:
        return len(self._codes)

    @overload
    def __getitem__(self, row: int) -> Sample: ...

    @overload
    def __getitem__(self, row: slice) -> list[Sample]: ...

    def __getitem__(self, row: Any) -> Any:
        """A sample; of a slice, a list of them."""
        if isinstance(row, slice):
            return [self[i] for i in range(*row.indices(len(self)))]
        place = row + len(self) if row < 0 else row
        if not 0 <= place < len(self):
            raise IndexError(f"sample {row} of {len(self)}")
        odd = self.odd.get(int(place))
        if odd is not None:
            return odd
        name = self.name(place)
        label = None if self.labels is None else self.labels / self.layout.label_file(name)
        return Sample(self.images / (name + self.suffixes[int(self._codes[place])]), label, name)

    def __iter__(self) -> Iterator[Sample]:
        return (self[row] for row in range(len(self)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(array.nbytes for array in self.arrays().values())
