"""Evaluate a checkpoint: IoU, confusion matrix, protocol card.

daseg test demo/source_only work_dirs/source_only/iter_400.pth
daseg test CONFIG CHECKPOINT --tta --out results
daseg test CONFIG CHECKPOINT --adabn            # batch norm adapted to the target
daseg test CONFIG CHECKPOINT --adabn --keep adapted.pth
daseg test CONFIG CHECKPOINT --network student  # of a training with a teacher
daseg test CONFIG CHECKPOINT CHECKPOINT         # the mean of several networks
daseg test CONFIG CHECKPOINT --gpus 4
"""

from argparse import ArgumentParser, Namespace

from daseg.cli.arguments import add_amp, add_config, add_processes


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_config(parser)
    add = parser.add_argument
    add("checkpoint", nargs="+", help="checkpoint; of several, the mean of their probabilities")
    add("--out", metavar="DIR", help="where the results go (default: beside the checkpoint)")
    add("--tta", action="store_true", help="test-time augmentation, as the config's key tta says")
    add(
        "--seed-log",
        metavar="FILE",
        help="write the IoUs also in the form in which AdaptSegNet's evaluation prints them",
    )
    add(
        "--adabn",
        nargs="?",
        const=True,
        default=False,
        metavar="DIR",
        help="take batch norm's statistics from the images in DIR (default: the target's images "
        "that the config trains on)",
    )
    add("--keep", metavar="FILE", help="with --adabn: write the adapted network, a checkpoint")
    add(
        "--network",
        choices=["teacher", "student"],
        help="which network of a training with a teacher (default: the one that was validated)",
    )
    add_amp(parser)
    add_processes(parser)


def run(args: Namespace) -> None:
    """Evaluate."""
    from daseg.engine.evaluate import evaluate

    options = vars(args)
    if options.pop("amp"):
        options["cfg_options"]["test_cfg.fp16"] = True
    evaluate(**options)
