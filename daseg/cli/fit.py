"""Say which batch and crop of a training fit into which memory.

    daseg fit adaptseg/multi_vanilla
    daseg fit CONFIG --memory 8 16 --amp --size 1024x512

The peak of a train step is estimated from two steps on small images: weights, gradients, the
optimizers' state, and what the graph keeps of each pixel. One GiB is left for CUDA itself. Nothing
is read but the config.
"""

from argparse import ArgumentParser, Namespace

from daseg.cli.arguments import add_config, add_device, default_device
from daseg.utils.errors import ConfigError
from daseg.utils.options import parse_size

USUAL = (8.0, 11.0, 24.0, 80.0)


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_config(parser)
    add = parser.add_argument
    sizes = "which memories (default 8 11 24 80)"
    add("--memory", nargs="+", type=float, default=USUAL, metavar="GIB", help=sizes)
    add("--size", metavar="WxH", help="of the images (default: as the config's pipelines end)")
    add("--amp", action="store_true", help="train in mixed precision (bfloat16)")
    add_device(parser)


def run(args: Namespace) -> None:
    """Make two small steps, print a table."""
    size = parse_size(args.size, "--size") if args.size else None
    if min(args.memory) <= 0:
        raise ConfigError("--memory: numbers above 0, in GiB")

    from daseg.engine.fit import fit, table

    found = fit(
        args.config,
        size=size,
        amp=args.amp,
        device=default_device(args.device),
        world=args.world,
        cfg_options=args.cfg_options,
    )
    print(table(found, args.memory))
