"""Draw in several processes."""

from collections.abc import Iterator
from pathlib import Path

import cv2
from torch.utils.data import DataLoader, Dataset

from daseg.utils.errors import DataError, UserError
from daseg.utils.signals import leave_to_parent
from daseg.utils.workers import workers_of
from daseg.worlds.drawing.files import Sample


class _Drawn(Dataset[str]):
    """Writes a sample's files when its item is read; an item is what went wrong, or ""."""

    def __init__(self, root: Path, samples: list[Sample], seed: int, size: tuple[int, int]) -> None:
        self.root, self.samples, self.seed, self.size = root, samples, seed, size

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> str:
        try:
            self.samples[index].write(self.root, self.seed, self.size)
        except UserError as error:
            return str(error)
        return ""


def draw_parallel(
    root: Path, samples: list[Sample], seed: int, size: tuple[int, int], workers: int
) -> Iterator[None]:
    """Draw the samples in ``workers`` processes; yields once for each that is written."""
    drawn = _Drawn(root, samples, seed, size)
    loader = DataLoader(
        drawn, batch_size=None, num_workers=workers, worker_init_fn=leave_to_parent()
    )
    with workers_of("the demo world", "--workers"):
        # Each worker has one thread of OpenCV's. It is set before they are forked: in a forked
        # process OpenCV would wait for ever for threads that only its parent has.
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)
        problems = iter(loader)
        cv2.setNumThreads(threads)
        for problem in problems:
            if problem:
                raise DataError(f"{problem}. What is drawn stays: the same command continues")
            yield
