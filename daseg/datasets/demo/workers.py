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

from daseg.datasets.demo.files import Sample


def draw_parallel(
    root: Path, samples: list[Sample], seed: int, size: tuple[int, int], workers: int
) -> Iterator[None]:
    """Draw the samples in ``workers`` processes; yields once for each that is written."""
    shards = [samples[number::workers] for number in range(min(workers, len(samples)))]
    processes = [_start(root, shard, seed, size) for shard in shards]
    try:
        yield from _finished(processes)
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
            process.wait()
    for process in processes:
        if process.returncode:
            raise RuntimeError(f"a drawing process ended with status {process.returncode}")


def _start(
    root: Path, shard: list[Sample], seed: int, size: tuple[int, int]
) -> "subprocess.Popen[bytes]":
    pictures = [[sample.domain, sample.split, sample.index] for sample in shard]
    order = json.dumps({"root": str(root), "pictures": pictures, "seed": seed, "size": size})
    process = subprocess.Popen(
        [sys.executable, "-c", "from daseg.datasets.demo.workers import main; main()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    assert process.stdin is not None
    process.stdin.write(order.encode())
    process.stdin.close()
    return process


def _finished(processes: "list[subprocess.Popen[bytes]]") -> Iterator[None]:
    """Yield for each byte that a process writes, until all have closed their output."""
    with selectors.DefaultSelector() as selector:
        for process in processes:
            assert process.stdout is not None
            selector.register(process.stdout.fileno(), selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select():
                data = os.read(key.fd, 4096)
                if not data:
                    selector.unregister(key.fd)
                yield from (None for _ in data)
    for process in processes:
        process.wait()


def main() -> None:
    """Draw what standard input orders, and write one byte for each picture that is done."""
    cv2.setNumThreads(1)
    order = json.loads(sys.stdin.buffer.read())
    for domain, split, index in order["pictures"]:
        sample = Sample(domain, split, index)
        sample.write(Path(order["root"]), order["seed"], tuple(order["size"]))
        sys.stdout.write(".")
        sys.stdout.flush()
