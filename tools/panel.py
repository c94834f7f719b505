r"""Draw a panel: test images, their labels, and what one or several checkpoints see.

    python tools/panel.py --model source-only configs/demo/source_only.py CHECKPOINT \
        --model supervised configs/demo/supervised.py CHECKPOINT --out panel.png
"""

import argparse

from daseg.utils.cli import door
from daseg.utils.options import add_world


@door
def main() -> None:
    """Read the arguments, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--model",
        nargs=3,
        action="append",
        required=True,
        metavar=("NAME", "CONFIG", "CHECKPOINT"),
        help="a model to show; may be given several times",
    )
    parser.add_argument("--out", required=True, help="the picture file")
    parser.add_argument("--num", type=int, default=6, help="number of images (default 6)")
    parser.add_argument("--device", default="cpu")
    add_world(parser)
    args = parser.parse_args()

    from daseg.engine.compare import show_models

    models = [tuple(model) for model in args.model]
    show_models(models, args.out, num=args.num, device=args.device, world=args.world)
    print(f"the panel is {args.out}")


if __name__ == "__main__":
    main()
