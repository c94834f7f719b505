"""Draw the training loss and the validation mIoU of one or several runs.

python tools/plot_curves.py work_dirs/source_only work_dirs/supervised --out curves.png
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
    args = parser.parse_args()
    if args.names and len(args.names) != len(args.runs):
        parser.error(f"{len(args.runs)} runs, but {len(args.names)} names")

    from daseg.evaluation import plot_curves

    plot_curves(args.runs, args.out, names=args.names, loss_key=args.loss)
    print(f"the curves are {args.out}")


if __name__ == "__main__":
    main()
