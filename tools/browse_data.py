"""Draw what a config's pipeline yields: images, labels laid over them, names, class colours.

python tools/browse_data.py configs/demo/source_only.py
python tools/browse_data.py CONFIG --split val --num 8 --out val.png
"""

import argparse

from daseg.utils.cli import door
from daseg.utils.options import add_cfg_options, add_world, parse_cfg_options


@door
def main() -> None:
    """Write one contact sheet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="config file")
    parser.add_argument("--split", choices=["train", "val", "test"], default="train")
    parser.add_argument("--num", type=int, default=16, help="number of samples (default 16)")
    parser.add_argument("--out", default="browse.png", help="picture to write (browse.png)")
    parser.add_argument("--seed", type=int, default=0, help="seed of choice and augmentation")
    add_cfg_options(parser)
    add_world(parser)
    args = parser.parse_args()
    # Behind the arguments, so that --help needs no torch.
    from daseg.config.load import load_config
    from daseg.datasets.browse import browse_config

    cfg = load_config(args.config, parse_cfg_options(args.cfg_options), world=args.world)
    browse_config(cfg, args.split, args.num, args.seed, args.out)
    print(f"wrote {args.out}")


if __name__ == "__main__":
    main()
