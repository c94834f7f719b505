"""Measure speed and memory beside other systems' public code.

daseg benchmark metric --peer cityscapesScripts          # the path of its repository
daseg benchmark eval --peer AdaptSegNet --threads 2 --out eval.json
daseg benchmark translate cyclegan/gta2cityscapes --size 1024x512 --tile 512
daseg benchmark report *.json --out docs/performance.md  # tables of what was measured

Without --peer the peers are "not measured". Runs of daseg and of the peer take turns, each in a
process of its own with the same number of threads.
"""

import shlex
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path

from daseg.cli.arguments import add_device, add_world, default_device
from daseg.utils.options import parse_size

REPORT = "report"
INPUTS = (
    "translate: CONFIG [CHECKPOINT]; infer, scale, processes: CONFIG; train: names of methods; "
    "data: the root of GTA5; report: JSON files"
)


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    from daseg.benchmarks import BENCHMARKS

    add = parser.add_argument
    add("what", choices=[*BENCHMARKS, REPORT], help="what is measured; or report: write tables")
    add("inputs", nargs="*", help=INPUTS)
    add(
        "--peer",
        action="append",
        default=[],
        metavar="PATH",
        help="folder of a peer's public code, or a site-packages folder; may be given repeatedly",
    )
    add("--threads", type=int, default=1, metavar="N", help="of each side (default 1)")
    add("--repeats", type=int, default=5, metavar="N", help="timed runs of each side (default 5)")
    add("--out", metavar="FILE", help="also write a JSON file; of a report, the page")
    add("--size", metavar="WxH", help="of the images")
    add("--batch", type=int, metavar="N", help="images a step")
    add("--amp", action="store_true", help="ours under autocast")
    add("--tile", type=int, metavar="SIZE", help="translate: also in tiles of SIZE pixels")
    add("--cfg-options", nargs="+", default=[], metavar="KEY=VALUE", help="override config keys")
    add_world(parser)
    add_device(parser)


def run(args: Namespace) -> None:
    """Measure, print a table, write the record."""
    from daseg.utils.writable import check_file

    if args.out is not None:
        check_file(args.out, "--out")
    if args.what == REPORT:
        from daseg.benchmarks.page import write_page

        return write_page(args.inputs, args.out)
    _measure(args)


def _measure(args: Namespace) -> None:
    import json

    from daseg.api import usable_device
    from daseg.benchmarks import load_benchmark
    from daseg.benchmarks.compare import Settings, run_comparisons
    from daseg.benchmarks.peers import find_peers
    from daseg.benchmarks.result import text
    from daseg.utils.files import atomic_write_text

    settings = Settings(
        peers=find_peers(args.peer),
        threads=args.threads,
        repeats=args.repeats,
        device=str(usable_device(default_device(args.device))),
        size=parse_size(args.size, "--size") if args.size else None,
        batch=args.batch,
        amp=args.amp,
        tile=args.tile,
        inputs=tuple(args.inputs),
        world=args.world,
        cfg_options=args.cfg_options,
    )
    benchmark = load_benchmark(args.what)
    settings.refuse_unused(args.what, benchmark.OPTIONS)
    title = benchmark.__doc__.splitlines()[0].rstrip(".")
    comparisons = benchmark.compare(settings)
    command = _command(args, settings.peers)
    record = run_comparisons(args.what, title, comparisons, settings, command)
    print(text(record))
    if args.out is not None:
        atomic_write_text(args.out, json.dumps(record) + "\n")


def _command(args: Namespace, peers: Mapping[str, Path]) -> str:
    """The command line for the record: peers and the file by name, a reader has them elsewhere."""
    words = sys.argv[sys.argv.index(args.what) :]
    named = {str(Path(args.out or "").resolve()): Path(args.out or "").name}
    for name, path in peers.items():  # several may be installed in one folder
        named[str(path)] = "site-packages" if str(path) in named else name
    words = [named.get(str(Path(word).resolve()), word) for word in words]
    return shlex.join(["daseg", "benchmark", *words])
