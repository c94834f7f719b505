"""Write hard pseudo-labels of the target's training images, for self-training.

    python tools/pseudo_label.py CONFIG CHECKPOINT --out data/pseudo_labels
    python tools/pseudo_label.py CONFIG CHECKPOINT --out OUT --tta --threshold class-balanced
    python tools/pseudo_label.py CONFIG CHECKPOINT CHECKPOINT --out OUT     # the mean of networks

The same command goes on where an earlier run ended. Labels of the target are not looked at.
"""

import argparse

from daseg.utils.cli import door
from daseg.utils.options import add_cfg_options, add_world, parse_cfg_options


@door
def main() -> None:
    """Read the arguments, write pseudo-labels."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("config", help="config of the network; its target, or training data, gets the labels")
    add("checkpoint", nargs="+", help="checkpoint file; of several, the mean of their networks")
    add("--out", required=True, metavar="ROOT", help="folder of the pseudo-labels")
    add("--data", metavar="ROOT", help="root of the target (default: the config's)")
    add("--tta", action="store_true", help="test-time augmentation, as the config's key tta says")
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
    add("--workers", type=int, default=4, help="reading processes, writing threads (default 4)")
    add("--device", help="cpu, cuda, cuda:1 (default: cuda where there is one)")
    add("--limit", type=int, metavar="N", help="only the first N images")
    add("--overwrite", action="store_true", help="replace what other settings made")
    add_cfg_options(parser)
    add_world(parser)
    options = vars(parser.parse_args())

    import torch

    from daseg.offline.pseudo_labels.pseudo_label import pseudo_label
    from daseg.offline.pseudo_labels.threshold import Threshold

    kind = options.pop("threshold")
    rule = Threshold(kind, **{name: options.pop(name) for name in ("value", "quantile", "keep")})
    options["device"] = options["device"] or ("cuda" if torch.cuda.is_available() else "cpu")
    options["cfg_options"] = parse_cfg_options(options["cfg_options"])
    made = pseudo_label(options.pop("config"), options.pop("checkpoint"), threshold=rule, **options)
    print(made.coverage.table())
    if made.audit is not None:
        print(made.audit.table())
    seen = "not known" if made.teacher_saw_target_labels is None else made.teacher_saw_target_labels
    print(f"target labels that the teacher was trained with: {seen}")
    print(f"pseudo-labels of {made.images} images ({made.made} made now) are in {made.out}")


if __name__ == "__main__":
    main()
