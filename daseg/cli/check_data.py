"""Read every image and label of a config; list what is wrong.

    daseg check-data demo/source_only
    daseg check-data CONFIG --split train --workers 8
    daseg check-data CONFIG --split train --plot classes.png

Prints sizes, the classes' shares of the pixels, and a line for each problem: missing files, images
without label and labels without image, files that cannot be read, sizes that differ, unknown ids,
pictures that are to be turned or use a part of their 16 bits, links that count an image twice,
classes without a pixel, classes that differ between splits, pipelines that fail or move too much.
Ends with status 1 if there is a problem.

The counts are kept for rare class sampling and for class weights; where the config draws for rare
classes, a table says how often. --plot draws the classes of the training labels.
"""

import sys
from argparse import ArgumentParser, Namespace

from daseg.cli.arguments import add_config


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_config(parser)
    add = parser.add_argument
    splits = ["train", "val", "test", "all"]
    add("--split", choices=splits, default="all", help="which data sets (default all)")
    add("--workers", type=int, default=4, help="threads that read (default 4)")
    add("--plot", metavar="FILE", help="draw each class's pixels, and how often it is drawn for")
    add("--may-lack", nargs="+", default=[], metavar="CLASS", help="classes that need no pixel")


def run(args: Namespace) -> None:
    """Check, print a report for each data set."""
    from daseg.config.load import load_config
    from daseg.datasets.check import check_config
    from daseg.datasets.rare_classes import class_sampler, sampled_classes

    if args.plot:
        from daseg.visualization.figures import check_picture

        check_picture(args.plot, "--plot")
    cfg = load_config(args.config, args.cfg_options, world=args.world)
    reports = check_config(cfg, args.split, args.workers, args.may_lack)
    print("\n\n".join(map(str, reports)))
    problems = sum(len(report.problems) for report in reports)
    wanted = args.split in ("train", "all") and (args.plot or class_sampler(cfg))
    if wanted and not problems:
        from daseg.visualization.class_shares import plot_classes

        rare = sampled_classes(cfg)
        if class_sampler(cfg):
            print("\n".join(["\nsamples drawn for rare classes:", rare.table(), *rare.notes()]))
        if args.plot:
            plot_classes(rare, args.plot)
    said = f"{problems} problem{'s' * (problems != 1)}" if problems else "all files are in order"
    print(f"\n{said}")
    sys.exit(1 if problems else 0)
