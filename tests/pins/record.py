"""Record what daseg computes: losses, weights, confusion matrices, bytes of pictures.

    python tests/pins/record.py OUT.json                      # all entries: minutes
    python tests/pins/record.py OUT.json --only dacs test     # these, and what they need
    python tests/pins/record.py OUT.json --only dacs --given /tmp/pins   # what they need is there

Runs the commands of the tree in which this file lies, on one thread of the CPU; ``compare.py``
compares two records. ``--keep DIR`` keeps the files; ``--given DIR`` takes the checkpoints and data
sets that an entry needs from such a folder, of any version. ``--numbers`` writes what
``test_pins.py`` compares on any machine:

    python tests/pins/record.py OUT.json --numbers tests/pins/numbers.json
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from entries import ENTRIES, ITERATIONS, OPTIONS, STUDY, Entry
from reading import Group, checkpoint, pictures, portable, scalars, tested

ROOT = Path(__file__).resolve().parents[2]
WORLD = "--size 256 128 --num-source 12 --num-target 10 --num-val 4 --num-test 4 --workers 1"
ONE_THREAD = dict(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")


class Failed(Exception):
    """A command did not succeed."""


class Recorder:
    """Runs entries in a folder, each below its own name.

    Args:
        folder: Where they run.
        given: Folder of an earlier recording from which entries take what they need.
    """

    def __init__(self, folder: Path, given: Path | None) -> None:
        self.folder = folder
        self.inputs = given or folder
        paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
        self.environment = (
            os.environ
            | ONE_THREAD
            | {
                "PYTHONPATH": os.pathsep.join(filter(None, paths)),
                "CUDA_VISIBLE_DEVICES": "",
                "DASEG_DEMO": str(self.inputs / "world"),
                "DASEG_DEMO_TRANSLATED": str(self.inputs / "translate_fourier"),
                "DASEG_DEMO_PSEUDO_LABELS": str(self.inputs / "pseudo"),
            }
        )

    def fill(self, text: str) -> str:
        """Replace ``{NAME}`` by folders."""
        for name in ENTRIES:
            text = text.replace(f"{{{name}}}", str(self.inputs / name))
        return text.replace("{configs}", str(ROOT / "configs"))

    def run(self, name: str) -> dict[str, Group]:
        """Run an entry and read what it has written."""
        entry, out = ENTRIES[name], self.folder / name
        command = [*self.command(entry, name), *map(self.fill, entry.arguments)]
        if entry.world and entry.config:
            command += ["--world", "demo"]
        if entry.options:
            command += ["--cfg-options", *map(self.fill, entry.options)]
        with open(self.folder / f"{name}.log", "w") as log:
            print(*command, file=log, flush=True)
            done = subprocess.run(
                command, cwd=self.folder, env=self.environment, stdout=log, stderr=log, check=False
            )
        if done.returncode:
            log_text = (self.folder / f"{name}.log").read_text()
            raise Failed(f"{name}: exit status {done.returncode}\n{log_text[-3000:]}")
        return read(entry, out)

    def command(self, entry: Entry, name: str) -> list[str]:
        """The command of an entry, but for the arguments that it states itself."""
        out, tool = self.folder / name, str(ROOT / "tools" / f"{entry.tool}.py")
        config = ROOT / "configs" / entry.config
        if entry.leaf:
            leaf = self.folder / f"{name}.py"
            leaf.write_text(f"_base_ = [{str(config)!r}]\n" + self.fill(entry.leaf))
            config = leaf
        start = [sys.executable, tool]
        if entry.tool == "train":
            if entry.processes > 1:
                torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
                start = [sys.executable, *torchrun, str(entry.processes), tool]
            launcher = ["--launcher", "pytorch"] if entry.processes > 1 else []
            if "--resume" in entry.arguments:
                stop_earlier(self.inputs / entry.needs[0], out)
            return [*start, str(config), "--work-dir", str(out), *launcher]
        if entry.tool == "make_demo":
            return [*start, "--root", str(out), *WORLD.split()]
        if entry.tool == "study":
            study = self.folder / "two_rows.py"
            options = dict(option.split("=") for option in OPTIONS)
            options = {
                k: v == "True" if v in ("True", "False") else int(v) for k, v in options.items()
            }
            study.write_text(self.fill(STUDY.replace("{options!r}", repr(options))))
            arguments = ["--root", str(out), "--devices", "cpu", "--jobs", "1", "--world", "demo"]
            return [*start, str(study), *arguments]
        return [*start, str(config), "--out", str(out)]


def stop_earlier(finished: Path, out: Path) -> None:
    """Copy a run as if it had ended with its first checkpoint."""
    shutil.copytree(finished, out)
    (out / f"iter_{ITERATIONS}.pth").unlink()
    for log in out.glob("**/scalars.json"):
        log.unlink()


def read(entry: Entry, out: Path) -> dict[str, Group]:
    """What an entry has written."""
    if entry.tool == "train":
        return scalars(out) | checkpoint(out / f"iter_{ITERATIONS}.pth")
    if entry.tool == "test":
        return tested(out)
    if entry.tool == "study":
        folders = sorted(path.parent for path in out.glob("runs/*/*/test/results.json"))
        return {
            f"{folder.relative_to(out)}: {group}": values
            for folder in folders
            for group, values in (tested(folder) | scalars(folder.parent)).items()
        }
    return pictures(out)


def needed(names: list[str], given: bool) -> list[str]:
    """The entries to run, each behind those that it needs."""
    ordered: list[str] = []

    def add(name: str) -> None:
        for other in inputs_of(name) if not given else ():
            add(other)
        if name not in ordered:
            ordered.append(name)

    for name in names:
        add(name)
    return ordered


def inputs_of(name: str) -> list[str]:
    """The entries that an entry needs."""
    entry = ENTRIES[name]
    text = " ".join((*entry.arguments, *entry.options, entry.leaf))
    named = [other for other in ENTRIES if f"{{{other}}}" in text]
    world = [] if name == "world" else ["world"]
    return [*world, *entry.needs, *named]


def record(names: list[str], recorder: Recorder, jobs: int, given: bool) -> dict[str, Any]:
    """Run the entries; return what each has written, or the error of what failed."""
    futures: dict[str, Future[dict[str, Group]]] = {}
    entries: dict[str, Any] = {}

    def run(name: str) -> dict[str, Group]:
        for other in () if given else inputs_of(name):
            futures[other].result()
        begin = time.monotonic()
        try:
            found = recorder.run(name)
        finally:
            print(f"{name}: {time.monotonic() - begin:.1f} s", file=sys.stderr, flush=True)
        return found

    with ThreadPoolExecutor(jobs) as pool:  # what is needed is first in the queue
        for name in needed(names, given):
            futures[name] = pool.submit(run, name)
    for name, future in futures.items():
        error = future.exception()
        if error is not None and not isinstance(error, Failed):
            raise error
        entries[name] = {"failed": str(error)} if error else future.result()
    return entries


def write(path: Path, entries: dict[str, Any]) -> None:
    """Write a record."""
    path.write_text(json.dumps(dict(machine=machine(), entries=entries), indent=0) + "\n")


def machine() -> dict[str, str]:
    """What the numbers may depend on."""
    import torch

    words = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA")
    capability = torch.backends.cpu.get_cpu_capability()
    chosen = {word: os.environ.get(word, "") for word in words}
    return dict(torch=torch.__version__, python=platform.python_version(), cpu=capability, **chosen)


def main() -> None:
    """Read the arguments, record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="the record")
    parser.add_argument("--only", nargs="+", choices=list(ENTRIES), metavar="NAME")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep all files, in this folder")
    parser.add_argument("--given", type=Path, metavar="DIR", help="folder of an earlier recording")
    parser.add_argument(
        "--numbers", type=Path, metavar="FILE", help="also the losses and mIoU alone"
    )
    parser.add_argument("--jobs", type=int, default=1, help="entries at a time (default 1)")
    args = parser.parse_args()
    if args.keep:
        args.keep.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = (args.keep or Path(temporary)).resolve()
        given = args.given.resolve() if args.given else None
        recorder = Recorder(folder, given)
        entries = record(args.only or list(ENTRIES), recorder, args.jobs, given is not None)
    write(args.out, entries)
    if args.numbers:
        write(args.numbers, portable(entries))
    failed = {name: entry["failed"] for name, entry in entries.items() if "failed" in entry}
    for message in failed.values():
        print(message, file=sys.stderr)
    print(f"{len(entries) - len(failed)} entries are in {args.out}, {len(failed)} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
