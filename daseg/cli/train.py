"""Train a config.

daseg train demo/source_only
daseg train adaptseg/multi_vanilla --world demo
daseg train CONFIG --gpus 4
daseg train CONFIG --resume                          # go on where the last run ended
daseg train CONFIG --cfg-options train_cfg.max_iters=100
"""

from argparse import ArgumentParser, Namespace

from daseg.cli.arguments import add_config, add_processes


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_config(parser)
    add = parser.add_argument
    add("--work-dir", help="where the results go (default work_dirs/CONFIG-NAME)")
    add(
        "--resume",
        action="store_true",
        help="go on from the newest checkpoint of the work dir; without one, begin",
    )
    add(
        "--resume-from-whole",
        action="store_true",
        help="go on from the newest checkpoint that is whole; damaged ones behind it are renamed",
    )
    add("--amp", action="store_true", help="train in mixed precision (bfloat16)")
    add("--compile", action="store_true", help="train networks that torch.compile has translated")
    add("--print-config", action="store_true", help="print the config and stop")
    add_processes(parser)


def run(args: Namespace) -> None:
    """Train."""
    from daseg.engine.train import train

    train(**vars(args))
