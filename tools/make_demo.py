"""Draw the embedded world: street scenes of two domains, on disk as GTA5 and Cityscapes are."""

import argparse
from pathlib import Path

from daseg.utils.cli import door


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default="data/demo", help="folder to write to")
    parser.add_argument("--size", type=int, nargs=2, default=(512, 256), metavar=("W", "H"))
    parser.add_argument("--num-source", type=int, default=400, help="labelled game pictures")
    parser.add_argument("--num-target", type=int, default=300, help="city pictures, split train")
    parser.add_argument("--num-val", type=int, default=60, help="city pictures, split val")
    parser.add_argument("--num-test", type=int, default=60, help="city pictures, split test")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, help="processes (default: one a core)")
    parser.add_argument("--force", action="store_true", help="replace a world of other settings")
    return parser.parse_args()


@door
def main() -> None:
    """Draw the world and its contact sheet."""
    args = parse_args()
    from daseg.worlds.drawing import make_world, write_contact_sheet

    make_world(
        args.root,
        size=tuple(args.size),
        num_source=args.num_source,
        num_target=args.num_target,
        num_val=args.num_val,
        num_test=args.num_test,
        seed=args.seed,
        workers=args.workers,
        force=args.force,
    )
    sheet = Path(args.root) / "contact_sheet.png"
    write_contact_sheet(Path(args.root), sheet)
    print(
        f"{args.root}: {args.num_source} game pictures in gta5/, {args.num_target} train, "
        f"{args.num_val} val and {args.num_test} test city pictures in cityscapes/; see {sheet}"
    )


if __name__ == "__main__":
    main()
