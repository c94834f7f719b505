"""Writing the files of a made data set in threads, and going on where an earlier run ended."""

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
    """Add to what stops a making of files that what was written stays.

    Raises:
        WriteError, WorkerError, KeyboardInterrupt: As the body.
    """
    try:
        yield
    except KeyboardInterrupt:  # a signal, too
        print(
            "\nstopped; what was written is whole, the same command goes on from there",
            file=sys.stderr,
        )
        raise
    except (WriteError, WorkerError) as error:
        raise type(error)(
            f"{error}. What was written before is whole: the same command goes on from there"
        ) from error


class Record(Protocol):
    """What remembers an image whose file is on the disk: a `Manifest`, or a part of one."""

    def add(self, name: str, entry: Entry) -> None:
        """Record it."""


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
    """Writes files in threads; places and records each image in the order in which they are done.

    One image at a time gets its files placed and is recorded: of what is in its place a run that is
    killed has not recorded one image at most.

    Use it as a context: what was given to it is written at its end, also after an error.

    Args:
        record: Where the files are recorded.
        workers: Number of threads.
    """

    def __init__(self, record: Record, workers: int) -> None:
        self.record = record
        self._pool = ThreadPoolExecutor(max(workers, 1))
        self._waiting: set[Future[None]] = set()
        self._most = 4 * max(workers, 1)  # so that images do not pile up in memory
        self._placing = Lock()

    def __enter__(self) -> Any:
        return self

    def submit(self, write: Callable[..., Made], *args: Any) -> None:
        """Call ``write(*args)`` soon; place and record what it has written.

        Raises:
            Exception: What an earlier writing has raised.
        """
        self._waiting.add(self._pool.submit(self._make, write, *args))
        while len(self._waiting) > self._most:
            wait(self._waiting, return_when=FIRST_COMPLETED)
            self._forget_done()

    def _forget_done(self) -> None:
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
            for file in made.files:
                file.settle()
        finally:
            for file in made.files:
                file.discard()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._pool.shutdown()  # all are written, whatever became of one
        if error is None:
            self._forget_done()


def complete_entries(
    manifest: Manifest, files: Mapping[str, tuple[Path, Path]], workers: int
) -> dict[str, Entry]:
    """The entries of earlier runs whose files are whole, and whose sources have not changed.

    Args:
        manifest: What earlier runs have recorded.
        files: By name, the file that was made and the one that it was made from.
        workers: Number of threads that read.
    """
    known = [name for name in manifest.entries if name in files]

    def check(name: str) -> bool:
        return is_complete(manifest.entries[name], *files[name], manifest.out)

    with ThreadPoolExecutor(max(workers, 1)) as pool:
        whole = list(track(pool.map(check, known), len(known), "checking what is there"))
    return {n: manifest.entries[n] for n, is_whole in zip(known, whole, strict=True) if is_whole}
