"""Write the files of a data set in threads, and record each image whose files are on the disk."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, NamedTuple, Protocol

from daseg.utils.errors import WorkerError, WriteError
from daseg.utils.files import Staged
from daseg.utils.manifest import Entry, Manifest, is_complete
from daseg.utils.progress import track


@contextmanager
def going_on() -> Iterator[None]:
    """If the body stops, tell the user that the same command continues.

    Raises:
        WriteError, WorkerError, KeyboardInterrupt: As the body.
    """
    try:
        yield
    except KeyboardInterrupt:  # a signal, too
        print(
            "\nstopped; the same command continues, all that was written is complete",
            file=sys.stderr,
        )
        raise
    except (WriteError, WorkerError) as error:
        raise type(error)(
            f"{error}. All that was written before is complete: the same command continues"
        ) from error


class Record(Protocol):
    """Something that records images: a `Manifest` or a `Journal`."""

    def add(self, name: str, entry: Entry) -> None:
        """Record an image whose files are on the disk."""


class Made(NamedTuple):
    """Files of an image that are written, and are still to be placed.

    Attributes:
        name: The image's name.
        entry: What is recorded of it.
        files: The files.
    """

    name: str
    entry: Entry
    files: Sequence[Staged]


class Recorder:
    """Writes files in threads; places and records each image as soon as its files are written.

    One image at a time gets its files placed and is recorded, so that a killed run has at most one
    image in its place that is not recorded. Use it as a context: all that was submitted is written
    at its end, also after an error.

    Args:
        record: Where the images are recorded.
        workers: Number of threads.

    Attributes:
        made: The entry of each recorded image by its name.
    """

    def __init__(self, record: Record, workers: int) -> None:
        self.record = record
        self.made: dict[str, Entry] = {}
        self._pool = ThreadPoolExecutor(max(workers, 1))
        self._waiting: set[Future[None]] = set()
        self._most = 4 * max(workers, 1)  # so that images do not pile up in memory
        self._placing = Lock()

    def __enter__(self) -> "Recorder":
        return self

    def submit(self, write: Callable[..., Made], *args: Any) -> None:
        """Call ``write(*args)`` soon; place and record what it has written.

        Raises:
            Exception: Of an earlier call.
        """
        self._waiting.add(self._pool.submit(self._make, write, *args))
        while len(self._waiting) > self._most:
            wait(self._waiting, return_when=FIRST_COMPLETED)
            self._raise_errors()

    def _raise_errors(self) -> None:
        for future in [each for each in self._waiting if each.done()]:
            self._waiting.remove(future)
            future.result()

    def _make(self, write: Callable[..., Made], *args: Any) -> None:
        made = write(*args)
        try:
            with self._placing:
                for file in made.files:
                    file.place()
                self.record.add(made.name, made.entry)
                self.made[made.name] = made.entry
            for file in made.files:
                file.settle()
        finally:
            for file in made.files:
                file.discard()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._pool.shutdown()
        if error is None:
            self._raise_errors()


def complete_entries(
    manifest: Manifest, files: Mapping[str, tuple[Path, Path]], workers: int
) -> dict[str, Entry]:
    """The entries of earlier runs whose files are complete and whose sources have not changed.

    Args:
        manifest: What earlier runs have recorded.
        files: By name, the file that was made and the one that it was made from.
        workers: Number of threads that read.
    """
    known = {name: entry for name, entry in manifest.entries.items() if name in files}
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        checks = pool.map(lambda n: is_complete(known[n], *files[n], manifest.out), known)
        whole = list(track(checks, len(known), "checking what is there"))
    return {name: known[name] for name, is_whole in zip(known, whole, strict=True) if is_whole}
