"""Draw the training loss and the validation mIoU of runs.

daseg plot-curves work_dirs/source_only work_dirs/supervised --out curves.png
daseg plot-curves RUN --out curves.png --observatory observatory.png
"""

from argparse import ArgumentParser, Namespace

from daseg.utils.errors import ConfigError


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("runs", nargs="+", help="work dirs, or their scalars.json")
    add("--out", required=True, help="the picture file")
    add("--names", nargs="+", help="names for the legend (default: the folders')")
    add("--loss", default="loss_seg", help="which loss (default loss_seg)")
    add(
        "--observatory",
        metavar="FILE",
        help="draw also every loss, the discriminators, entropy and predicted classes of the run",
    )


def run(args: Namespace) -> None:
    """Draw."""
    if args.names and len(args.names) != len(args.runs):
        raise ConfigError(f"{len(args.runs)} runs, but {len(args.names)} names")
    if args.observatory and len(args.runs) != 1:
        raise ConfigError(f"--observatory shows one run, not {len(args.runs)}")

    from daseg.visualization import plot_curves, plot_observatory

    plot_curves(args.runs, args.out, names=args.names, loss_key=args.loss)
    print(f"the curves are {args.out}")
    if args.observatory:
        plot_observatory(args.runs[0], args.observatory)
        print(f"the observatory is {args.observatory}")
