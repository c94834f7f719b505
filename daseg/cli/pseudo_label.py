"""Write hard pseudo-labels of the target's training images.

    daseg pseudo-label CONFIG CHECKPOINT --out data/pseudo_labels
    daseg pseudo-label CONFIG CHECKPOINT --out OUT --tta --threshold class-balanced
    daseg pseudo-label CONFIG CHECKPOINT CHECKPOINT --out OUT     # the mean of networks

The same command continues an earlier run. Labels of the target are not looked at.
"""

from argparse import ArgumentParser, Namespace

from daseg.cli.arguments import add_amp, add_config, add_device, add_workers, default_device


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_config(parser, "config of the network, a file or a name; its target gets the labels")
    add = parser.add_argument
    add("checkpoint", nargs="+", help="checkpoint; of several, the mean of their networks")
    add("--out", required=True, metavar="ROOT", help="folder of the pseudo-labels")
    add("--data", metavar="ROOT", help="root of the target (default: the config's)")
    add("--tta", action="store_true", help="test-time augmentation, as the config's key tta says")
    add(
        "--adabn",
        action="store_true",
        help="take batch norm's statistics from the target's images first",
    )
    add(
        "--threshold",
        choices=["none", "fixed", "class-balanced", "entropy"],
        default="none",
        help="which pixels get a label, the others 255 (default none: all)",
    )
    add("--value", type=float, help="fixed: least probability; class-balanced: bound (0.9)")
    add("--quantile", type=float, help="class-balanced: this quantile, not the bounded median")
    add("--keep", type=float, help="entropy: share of the pixels that get a label (0.5)")
    add("--confidence-map", action="store_true", help="also write probabilities as pictures")
    add("--audit", action="store_true", help="compare with the labels of validation images")
    add_workers(parser)
    add_device(parser)
    add_amp(parser)
    add("--limit", type=int, metavar="N", help="only the first N images")
    add("--overwrite", action="store_true", help="replace what other settings made")


def run(args: Namespace) -> None:
    """Write pseudo-labels."""
    from daseg.offline.pseudo_labels.pseudo_label import pseudo_label
    from daseg.offline.pseudo_labels.threshold import Threshold

    options = vars(args)
    rule = {name: options.pop(name) for name in ("value", "quantile", "keep")}
    args.threshold = Threshold(args.threshold, **rule)
    args.device = default_device(args.device)
    made = pseudo_label(options.pop("config"), options.pop("checkpoint"), **options)
    print(made.coverage.table())
    if made.audit is not None:
        print(made.audit.table())
    seen = "not known" if made.teacher_saw_target_labels is None else made.teacher_saw_target_labels
    print(f"target labels that the teacher was trained with: {seen}")
    print(f"pseudo-labels of {made.images} images ({made.made} made now) are in {made.out}")
