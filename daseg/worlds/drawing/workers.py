"""Draw in several processes.

Each is a fresh interpreter that runs `main`: unlike `multiprocessing`, that needs no
``if __name__ == "__main__"`` in the caller's script and forks no process that has threads.
"""

import json
import os
import selectors
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2

from daseg.utils.errors import DataError, UserError, WorkerError
from daseg.worlds.drawing.files import Sample

ERROR = b"!"  # between the dots of a process and its message


def draw_parallel(
    root: Path, samples: list[Sample], seed: int, size: tuple[int, int], workers: int
) -> Iterator[None]:
    """Draw the samples in ``workers`` processes; yields once for each that is written."""
    shards = [samples[number::workers] for number in range(min(workers, len(samples)))]
    processes = [_start(root, shard, seed, size) for shard in shards]
    said: dict[int, bytes] = {}
    try:
        yield from _finished(processes, said)
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
            process.wait()
    goes_on = "What is drawn stays: the same command goes on from there"
    for message in filter(None, said.values()):
        raise DataError(f"{message.decode()}. {goes_on}")
    for process in processes:
        if process.returncode:
            raise WorkerError(
                f"a drawing process ended with status {process.returncode}; where it is negative "
                "it was killed, mostly since the memory was used up: draw with fewer --workers. "
                + goes_on
            )


def _start(
    root: Path, shard: list[Sample], seed: int, size: tuple[int, int]
) -> "subprocess.Popen[bytes]":
    pictures = [[sample.domain, sample.split, sample.index] for sample in shard]
    order = json.dumps({"root": str(root), "pictures": pictures, "seed": seed, "size": size})
    process = subprocess.Popen(
        [sys.executable, "-c", "from daseg.worlds.drawing.workers import main; main()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    assert process.stdin is not None
    process.stdin.write(order.encode())
    process.stdin.close()
    return process


def _finished(processes: "list[subprocess.Popen[bytes]]", said: dict[int, bytes]) -> Iterator[None]:
    """Yield for each picture of a process, until all have closed their output.

    What one has said of an error behind them goes into ``said``.
    """
    with selectors.DefaultSelector() as selector:
        for process in processes:
            assert process.stdout is not None
            selector.register(process.stdout.fileno(), selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select():
                data = os.read(key.fd, 4096)
                if not data:
                    selector.unregister(key.fd)
                drawn, error, message = (
                    (b"", ERROR, data) if key.fd in said else data.partition(ERROR)
                )
                if error:
                    said[key.fd] = said.get(key.fd, b"") + message
                yield from (None for _ in drawn)
    for process in processes:
        process.wait()


def main() -> None:
    """Draw what standard input orders; write a dot for each picture, and what goes wrong."""
    cv2.setNumThreads(1)
    order = json.loads(sys.stdin.buffer.read())
    try:
        for domain, split, index in order["pictures"]:
            sample = Sample(domain, split, index)
            sample.write(Path(order["root"]), order["seed"], tuple(order["size"]))
            sys.stdout.write(".")
            sys.stdout.flush()
    except UserError as error:
        sys.stdout.buffer.write(ERROR + str(error).encode("utf-8", "backslashreplace"))
