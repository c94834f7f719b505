"""Writing the files of a made data set in threads, and going on where an earlier run ended."""

from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from daseg.utils.manifest import Entry, Manifest, is_complete
from daseg.utils.progress import track


class Record(Protocol):
    """What remembers an image whose file is on the disk: a `Manifest`, or a part of one."""

    def add(self, name: str, entry: Entry) -> None:
        """Record it."""


class Recorder:
    """Writes files in threads; records each one that is on the disk.

    Use it as a context: what was given to it is written at its end, also after an error.

    Args:
        record: Where the files are recorded.
        workers: Number of threads.
    """

    def __init__(self, record: Record, workers: int) -> None:
        self.record = record
        self._pool = ThreadPoolExecutor(max(workers, 1))
        self._waiting: deque[Future[tuple[str, Entry]]] = deque()
        self._most = 4 * max(workers, 1)  # so that images do not pile up in memory

    def __enter__(self) -> Any:
        return self

    def submit(self, write: Callable[..., tuple[str, Entry]], *args: Any) -> None:
        """Call ``write(*args)`` soon; it returns the name and the entry of what it has written."""
        self._waiting.append(self._pool.submit(write, *args))
        while len(self._waiting) > self._most:
            self._record()

    def _record(self) -> None:
        self.record.add(*self._waiting.popleft().result())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        problem: Exception | None = None
        while self._waiting:
            try:
                self._record()
            except Exception as failed:  # the others are written all the same
                problem = problem or failed
        self._pool.shutdown()
        if problem is not None and error is None:
            raise problem


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
        return is_complete(manifest.entries[name], *files[name])

    with ThreadPoolExecutor(max(workers, 1)) as pool:
        whole = list(track(pool.map(check, known), len(known), "checking what is there"))
    return {n: manifest.entries[n] for n, is_whole in zip(known, whole, strict=True) if is_whole}
