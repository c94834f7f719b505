"""Measure speed, computation and memory.

python tools/benchmark.py translate configs/cyclegan/gta2cityscapes.py --size 1024x512
python tools/benchmark.py translate CONFIG CHECKPOINT --tile 512    # tiles beside the whole

Options of translate: --size --tile --repeats --device --world --cfg-options
"""

import argparse
import re

from daseg.utils.cli import door
from daseg.utils.errors import ConfigError
from daseg.utils.options import add_cfg_options, add_world, parse_cfg_options


@door
def main() -> None:
    """Read the arguments, measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("translate", help="a translation by a network").add_argument
    add("config", help="config of a CycleGAN")
    add("checkpoint", nargs="?", help="its weights (default: random ones, which are as fast)")
    add("--size", default="1024x512", metavar="WxH", help="of the image (default 1024x512)")
    add("--tile", type=int, metavar="SIZE", help="also in tiles of SIZE pixels, in turn")
    add("--repeats", type=int, default=5, help="timed runs (default 5)")
    add("--device", help="cpu, cuda, cuda:1 (default: cuda where there is one)")
    for extra in (add_cfg_options, add_world):
        extra(commands.choices["translate"])
    options = parser.parse_args()
    match = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", options.size)
    if match is None:
        raise ConfigError(f"--size {options.size}: expected WIDTHxHEIGHT, as 1024x512")

    import torch

    from daseg.engine.benchmark import Case, benchmark, report

    whole = Case(
        options.config,
        options.checkpoint,
        (int(match[1]), int(match[2])),
        None,
        options.device or ("cuda" if torch.cuda.is_available() else "cpu"),
        options.world,
        parse_cfg_options(options.cfg_options),
    )
    tiled = [] if options.tile is None else [whole._replace(tile=options.tile)]
    print(report(benchmark([whole, *tiled], options.repeats)))


if __name__ == "__main__":
    main()
