"""Draw the embedded world: street scenes of two domains.

The files lie as those of GTA5 and Cityscapes do.

    daseg make-demo
    daseg make-demo --root data/small --num-source 12 --num-target 10 --num-val 4 --num-test 4
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments: where the world is, and how large."""
    add = parser.add_argument
    add("--root", default="data/demo", help="folder of the world (default %(default)s)")
    small = "of a picture (default 512 256)"
    add("--size", type=int, nargs=2, default=(512, 256), metavar=("W", "H"), help=small)
    for name, count, what in (
        ("source", 400, "labelled game pictures"),
        ("target", 300, "city pictures, split train"),
        ("val", 60, "city pictures, split val"),
        ("test", 60, "city pictures, split test"),
    ):
        add(f"--num-{name}", type=int, default=count, metavar="N", help=f"{what} (default {count})")
    add("--light", choices=["day", "dusk"], default="day", help="of the city (default %(default)s)")
    what = "varied: in any light, of any material, as a source for photographs (default plain)"
    add("--game", choices=["plain", "varied"], default="plain", help=what)
    add("--seed", type=int, default=0, help="of what is drawn (default 0)")
    add("--workers", type=int, help="processes (default: one a core)")
    add("--force", action="store_true", help="replace a world of other settings")


def run(args: Namespace) -> None:
    """Draw the world and its contact sheet."""
    from daseg.worlds.drawing import make_world
    from daseg.worlds.sheet import write_contact_sheet

    args.size = tuple(args.size)
    make_world(**vars(args))
    sheet = Path(args.root) / "contact_sheet.png"
    write_contact_sheet(Path(args.root), sheet)
    print(
        f"{args.root}: {args.num_source} game pictures in gta5/, {args.num_target} train, "
        f"{args.num_val} val and {args.num_test} test city pictures in cityscapes/; see {sheet}"
    )
