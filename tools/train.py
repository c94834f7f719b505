"""Train a config.

python tools/train.py configs/demo/source_only.py
python tools/train.py configs/adaptseg/multi_vanilla.py --world demo
python tools/train.py CONFIG --resume                        # go on where the last run ended
python tools/train.py CONFIG --cfg-options train_cfg.max_iters=100
tools/dist_train.sh CONFIG 4                                 # four GPUs
"""

import argparse

from daseg.utils.cli import door
from daseg.utils.options import add_cfg_options, add_world, parse_cfg_options


@door
def main() -> None:
    """Read the arguments, train."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="config file")
    parser.add_argument("--work-dir", help="where the results go (default work_dirs/CONFIG-NAME)")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on from the newest checkpoint of the work dir; without one, begin",
    )
    parser.add_argument(
        "--resume-from-whole",
        action="store_true",
        help="go on from the newest checkpoint that is whole; damaged ones behind it are renamed",
    )
    parser.add_argument("--amp", action="store_true", help="train in mixed precision (bfloat16)")
    parser.add_argument("--print-config", action="store_true", help="print the config and stop")
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm"], default="none")
    add_cfg_options(parser)
    add_world(parser)
    args = parser.parse_args()

    from daseg.engine.train import train

    train(
        args.config,
        work_dir=args.work_dir,
        resume=args.resume,
        resume_from_whole=args.resume_from_whole,
        amp=args.amp,
        launcher=args.launcher,
        cfg_options=parse_cfg_options(args.cfg_options),
        world=args.world,
        print_config=args.print_config,
    )


if __name__ == "__main__":
    main()
