"""What a command imports before it works: as little as it can."""

import json
import subprocess
import sys

import pytest

HELP = """
import contextlib, io, json, sys
import daseg
from daseg.cli import COMMANDS, main

for words in ([], ["--version"], *([command, "--help"] for command in COMMANDS)):
    sys.argv = ["daseg", *words]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        main()
print(json.dumps(list(sys.modules)))
"""
TRAIN = "import json, sys, daseg.engine.train; print(json.dumps(list(sys.modules)))"


def imported(code: str) -> set[str]:
    """The modules that a new process has imported when it has run the code."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_help_of_every_command_imports_no_large_package() -> None:
    large = {"torch", "mmengine", "mmcv", "numpy", "cv2", "PIL", "matplotlib", "torchvision"}
    assert not large & imported(HELP)


@pytest.mark.slow
def test_a_training_imports_matplotlib_when_it_draws() -> None:
    assert not {"matplotlib", "tensorboard", "timm", "jinja2"} & imported(TRAIN)
