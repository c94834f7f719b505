"""Draw what a config's pipeline yields, labels laid over images.

daseg browse-data demo/source_only
daseg browse-data CONFIG --split val --num 8 --out val.png
"""

from argparse import ArgumentParser, Namespace

from daseg.cli.arguments import add_config


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_config(parser)
    add = parser.add_argument
    splits = ["train", "val", "test"]
    add("--split", choices=splits, default="train", help="which data sets (default train)")
    add("--num", type=int, default=16, help="number of samples (default 16)")
    add("--out", default="browse.png", help="picture to write (browse.png)")
    add("--seed", type=int, default=0, help="seed of choice and augmentation (default 0)")


def run(args: Namespace) -> None:
    """Write one contact sheet."""
    from daseg.config.load import load_config
    from daseg.visualization.browse import browse_config

    cfg = load_config(args.config, args.cfg_options, world=args.world)
    browse_config(cfg, args.split, args.num, args.seed, args.out)
    print(f"wrote {args.out}")
