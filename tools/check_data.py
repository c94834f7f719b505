"""Read every image and label of a config's data sets; report sizes, classes and broken files.

    python tools/check_data.py configs/demo/source_only.py
    python tools/check_data.py CONFIG --split train --workers 8

Prints the classes' shares of the pixels, and a line for each thing to mend: missing files, images
without label and labels without image, files that cannot be read, sizes that differ, unknown ids,
pictures that are to be turned or use a part of their 16 bits, links that count an image twice,
classes without a pixel, classes that differ between splits, pipelines that fail or move too much.
Ends with status 1 if there is one.
"""

import argparse
import sys

from daseg.utils.cli import door
from daseg.utils.options import add_cfg_options, add_world, parse_cfg_options


@door
def main() -> None:
    """Check, print a report for each data set."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="config file")
    parser.add_argument("--split", choices=["train", "val", "test", "all"], default="all")
    parser.add_argument("--workers", type=int, default=4, help="threads that read (default 4)")
    parser.add_argument(
        "--may-lack", nargs="+", default=[], metavar="CLASS", help="classes that need no pixel"
    )
    add_cfg_options(parser)
    add_world(parser)
    args = parser.parse_args()
    # Behind the arguments, so that --help needs no torch.
    from daseg.config.load import load_config
    from daseg.datasets.check import check_config

    cfg = load_config(args.config, parse_cfg_options(args.cfg_options), world=args.world)
    reports = check_config(cfg, args.split, args.workers, args.may_lack)
    print("\n\n".join(map(str, reports)))
    problems = sum(len(report.problems) for report in reports)
    print(f"\n{problems} problems" if problems else "\nall files are in order")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
