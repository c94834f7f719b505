r"""Draw test images, labels, and the predictions of checkpoints.

    daseg panel --model source-only demo/source_only CHECKPOINT \
        --model supervised demo/supervised CHECKPOINT --out panel.png
"""

from argparse import ArgumentParser, Namespace

from daseg.cli.arguments import add_device, add_world, default_device


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add(
        "--model",
        nargs=3,
        action="append",
        required=True,
        metavar=("NAME", "CONFIG", "CHECKPOINT"),
        help="a model to show; may be given several times",
    )
    add("--out", required=True, help="the picture file")
    add("--num", type=int, default=6, help="number of images (default 6)")
    add_device(parser)
    add_world(parser)


def run(args: Namespace) -> None:
    """Draw."""
    from daseg.visualization.compare import show_models

    models = [tuple(model) for model in args.model]
    device = default_device(args.device)
    show_models(models, args.out, num=args.num, device=device, world=args.world)
    print(f"the panel is {args.out}")
