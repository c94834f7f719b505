"""From the command to the first work: imports, help, the first iteration."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from daseg.benchmarks.compare import Comparison, Settings, Side
from daseg.benchmarks.worker import Run
from daseg.utils.errors import ConfigError
from daseg.worlds.drawing import make_world

OPTIONS: frozenset[str] = frozenset()
TIMED = "import time; t = time.perf_counter(); {}; print(time.perf_counter() - t)"


def compare(settings: Settings) -> list[Comparison]:
    """Processes of their own, as a user starts them; there is no peer."""
    return [
        Comparison(
            "import daseg, where torch and mmengine are imported",
            Side("daseg", imports, dict(before="import torch, mmengine", code="import daseg")),
            target=0.3,
        ),
        Comparison(
            "import daseg.engine.train, where torch and mmengine.runner are imported",
            Side(
                "daseg",
                imports,
                dict(before="import torch, mmengine.runner", code="import daseg.engine.train"),
            ),
        ),
        Comparison("daseg --help", Side("daseg", help_text), target=0.3),
        Comparison(
            "daseg train demo/source_only, to the end of its first iteration",
            Side("daseg", first_iteration),
            target=8.0,
            repeats=min(3, settings.repeats),
        ),
    ]


def imports(before: str, code: str) -> Run:
    """An import in a new process that has done ``before``."""
    words = [sys.executable, "-c", f"{before}\n{TIMED.format(code)}"]
    return lambda: dict(seconds=float(subprocess.check_output(words)))


def help_text() -> Run:
    """The list of commands."""

    def run() -> None:
        subprocess.run([sys.executable, "-m", "daseg", "--help"], check=True, capture_output=True)

    return run


def first_iteration() -> Run:
    """A training of the embedded world, drawn before; it is ended after its first iteration."""
    folder = tempfile.TemporaryDirectory()
    world = Path(folder.name, "world")
    make_world(root=world, num_source=8, num_target=8, num_val=2, num_test=2)
    environment = os.environ | dict(DASEG_DEMO=str(world))

    def run() -> dict[str, float]:
        with tempfile.TemporaryDirectory(dir=folder.name) as out:
            words = [sys.executable, "-m", "daseg", "train", "demo/source_only", "--work-dir", out]
            begin = time.perf_counter()
            with subprocess.Popen(
                words, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            ) as process:
                assert process.stdout is not None
                lines = []
                for line in process.stdout:
                    lines.append(line)
                    if line.startswith("iter "):
                        seconds = time.perf_counter() - begin
                        process.kill()
                        process.stdout.read()
                        return dict(seconds=seconds)
        raise ConfigError(f"{' '.join(words[1:])} did not train: {''.join(lines[-5:])}")

    return run
