"""Evaluate a checkpoint: the class IoU table, the confusion matrix and the protocol card.

python tools/test.py configs/demo/source_only.py work_dirs/source_only/iter_400.pth
python tools/test.py CONFIG CHECKPOINT --tta --out results
python tools/test.py CONFIG CHECKPOINT --adabn               # batch norm adapted to the target
python tools/test.py CONFIG CHECKPOINT CHECKPOINT            # the mean of several networks
tools/dist_test.sh CONFIG CHECKPOINT 4                       # four GPUs
"""

import argparse

from daseg.utils.cli import door
from daseg.utils.options import add_cfg_options, add_world, parse_cfg_options


@door
def main() -> None:
    """Read the arguments, evaluate."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="config file")
    parser.add_argument(
        "checkpoint", nargs="+", help="checkpoint file; of several, the mean of their probabilities"
    )
    parser.add_argument("--out", metavar="DIR", help="where the results go (default: beside it)")
    parser.add_argument(
        "--tta", action="store_true", help="test-time augmentation, as the config's key tta says"
    )
    parser.add_argument(
        "--seed-log", metavar="FILE", help="write the IoUs also as AdaptSegNet's evaluation prints"
    )
    parser.add_argument(
        "--adabn",
        nargs="?",
        const=True,
        default=False,
        metavar="DIR",
        help="take batch norm's statistics from the images in DIR (default: the target's images "
        "that the config trains on)",
    )
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm"], default="none")
    add_cfg_options(parser)
    add_world(parser)
    args = parser.parse_args()

    from daseg.engine.evaluate import evaluate

    evaluate(
        args.config,
        args.checkpoint,
        out=args.out,
        tta=args.tta,
        seed_log=args.seed_log,
        launcher=args.launcher,
        cfg_options=parse_cfg_options(args.cfg_options),
        world=args.world,
        adabn=args.adabn,
    )


if __name__ == "__main__":
    main()
