"""Measure speed, computation and memory.

daseg benchmark translate cyclegan/gta2cityscapes --size 1024x512
daseg benchmark translate CONFIG CHECKPOINT --tile 512    # tiles beside the whole
"""

import re
from argparse import ArgumentParser, Namespace

from daseg.cli.arguments import add_config, add_device, default_device
from daseg.utils.errors import ConfigError


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("what", choices=["translate"], help="translate: a translation by a network")
    add_config(parser, "config of a CycleGAN: a file or a name")
    add("checkpoint", nargs="?", help="its weights (default: random ones, which are as fast)")
    add("--size", default="1024x512", metavar="WxH", help="of the image (default 1024x512)")
    add("--tile", type=int, metavar="SIZE", help="also in tiles of SIZE pixels, in turn")
    add("--repeats", type=int, default=5, help="timed runs (default 5)")
    add_device(parser)


def run(args: Namespace) -> None:
    """Measure, print a table."""
    match = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", args.size)
    if match is None:
        raise ConfigError(f"--size {args.size}: expected WIDTHxHEIGHT, as 1024x512")

    from daseg.engine.benchmark import Case, benchmark, report

    whole = Case(
        args.config,
        args.checkpoint,
        (int(match[1]), int(match[2])),
        None,
        default_device(args.device),
        args.world,
        args.cfg_options,
    )
    tiled = [] if args.tile is None else [whole._replace(tile=args.tile)]
    print(report(benchmark([whole, *tiled], args.repeats)))
