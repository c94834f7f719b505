"""Score checkpoints without labels, and say which to choose.

    daseg score CONFIG CHECKPOINT CHECKPOINT
    daseg score CONFIG CHECKPOINT --adabn           # does AdaBN help?
    daseg score CONFIG CHECKPOINT --data FOLDER     # on images of another folder

A star marks what each score would choose: the lowest entropy, the highest information, the highest
agreement. None of them is an accuracy: a network that is sure of the wrong class has a low entropy,
too. Where they disagree, look at predictions. Below the table are the classes that a network never
predicts.
"""

import json
from argparse import ArgumentParser, Namespace

from daseg.cli.arguments import add_config, add_device, default_device


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_config(parser)
    add = parser.add_argument
    add("checkpoint", nargs="+", help="one checkpoint or several")
    add("--data", metavar="DIR", help="images (default: the target's that the config trains on)")
    add("--images", type=int, default=64, help="how many, spread evenly (default 64)")
    add("--adabn", action="store_true", help="also score each with the target's batch norm")
    add("--out", metavar="FILE", help="also write the scores as JSON")
    add_device(parser)


def run(args: Namespace) -> None:
    """Score; print the table."""
    from daseg.engine.score import choices, score, table
    from daseg.utils.files import atomic_write_text
    from daseg.utils.writable import check_file

    options = vars(args)
    out = options.pop("out")
    if out is not None:
        check_file(out, "--out")
    options["device"] = default_device(args.device)
    scored = score(options.pop("config"), options.pop("checkpoint"), **options)
    print(table(scored))
    if out is not None:
        content = dict(
            scores={each.name: each.scores for each in scored},
            shares={each.name: each.shares for each in scored},
            choices=choices(scored),
        )
        atomic_write_text(out, json.dumps(content, indent=2) + "\n")
