"""Compute class weights for a loss from the training labels.

    daseg class-weights CONFIG
    daseg class-weights CONFIG --rule enet

Prints a table, and the line for the config. Labels are counted once, see `daseg check-data`.

    median   the median of the classes' shares divided by the class's own (Eigen and Fergus, ICCV
             2015); a share is that of the pixels in the images that have the class
    enet     1 / ln(1.02 + share) (Paszke et al., "ENet", 2016), of the pixels of all images
    sqrt     1 / square root of the share of the pixels of all images
"""

from argparse import ArgumentParser, Namespace

from daseg.cli.arguments import add_config

RULES = ("median", "enet", "sqrt")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_config(parser)
    add = parser.add_argument
    add("--rule", choices=RULES, default="median", help="how they are computed (default median)")
    add("--largest", type=float, default=10.0, help="no weight is larger (default 10)")


def run(args: Namespace) -> None:
    """Count, compute, print."""
    from prettytable import PrettyTable

    from daseg.config.load import load_config
    from daseg.datasets.class_weights import class_weights, training_counts

    cfg = load_config(args.config, args.cfg_options, world=args.world)
    counts, classes = training_counts(cfg)
    weights = class_weights(counts, args.rule, args.largest)
    table = PrettyTable(["class", "share of pixels (%)", "weight"], align="r")
    table.align["class"] = "l"
    total = counts.sum()
    for name, pixels, weight in zip(classes, counts.sum(0), weights, strict=True):
        table.add_row([name, f"{100 * pixels / total:.4f}", f"{weight:.3f}"])
    print(table)
    print(f"class_weights={[round(float(weight), 3) for weight in weights]}")
