"""Draw the training loss and the validation mIoU of one or several runs.

python tools/plot_curves.py work_dirs/source_only work_dirs/supervised --out curves.png
python tools/plot_curves.py RUN --out curves.png --observatory observatory.png
"""

import argparse

from daseg.utils.cli import door


@door
def main() -> None:
    """Read the arguments, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", help="work dirs, or their scalars.json")
    parser.add_argument("--out", required=True, help="the picture file")
    parser.add_argument("--names", nargs="+", help="names for the legend (default: the folders')")
    parser.add_argument("--loss", default="loss_seg", help="which loss (default loss_seg)")
    parser.add_argument(
        "--observatory",
        metavar="FILE",
        help="draw also every loss, the discriminators, entropy and predicted classes of the run",
    )
    args = parser.parse_args()
    if args.names and len(args.names) != len(args.runs):
        parser.error(f"{len(args.runs)} runs, but {len(args.names)} names")
    if args.observatory and len(args.runs) != 1:
        parser.error(f"--observatory shows one run, not {len(args.runs)}")

    from daseg.visualization import plot_curves, plot_observatory

    plot_curves(args.runs, args.out, names=args.names, loss_key=args.loss)
    print(f"the curves are {args.out}")
    if args.observatory:
        plot_observatory(args.runs[0], args.observatory)
        print(f"the observatory is {args.observatory}")


if __name__ == "__main__":
    main()
