"""Every reader, on files of every kind: what it gives is right, or it refuses the file by name."""

import os
import subprocess
import sys
from pathlib import Path

FIXTURES = Path(__file__).parents[2] / "fixtures"


def test_every_file_is_read_right_or_refused_by_name(tmp_path: Path) -> None:
    """In a process of its own, so that a decoder that hangs or dies ends the test and not all."""
    paths = [str(FIXTURES), str(FIXTURES.parents[1]), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, FIXTURES / "try_readers.py", tmp_path],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    number, *wrong = done.stdout.splitlines()
    assert wrong == []
    assert int(number) >= 2000
