"""Translate a data set into the look of another one.

    daseg translate CONFIG CHECKPOINT --out data/gta5_as_cityscapes
    daseg translate CONFIG CHECKPOINT --out OUT --tile 512     # images larger than memory
    daseg translate CONFIG --translator FourierTranslator beta=0.05 --out OUT
    daseg translate CONFIG CHECKPOINT --out OUT --segmentor CONFIG CHECKPOINT

The result has the same labels, linked or copied. The same command continues an earlier
run. The source is never written to.
"""

from argparse import ArgumentParser, Namespace

from daseg.cli.arguments import add_amp, add_config, add_device, add_workers, default_device


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_config(parser, "config whose training data is translated: a file or a name")
    add = parser.add_argument
    add("checkpoint", nargs="?", help="checkpoint of its training (none: see --translator)")
    add("--source", metavar="ROOT", help="root of the source (default: the config's)")
    add("--out", required=True, metavar="ROOT", help="root of the translated data set")
    add(
        "--translator",
        nargs="+",
        metavar=("NAME", "KEY=VALUE"),
        help="a translator that needs no checkpoint (default: the config's)",
    )
    add_workers(parser)
    add("--tile", type=int, nargs="?", const=512, metavar="SIZE", help="run in tiles (of 512)")
    add_device(parser)
    add_amp(parser)
    size = "of the images written: as the source's files (default), or as the network was trained"
    add("--size", choices=["file", "trained"], default="file", help=size)
    add("--limit", type=int, metavar="N", help="only the first N images")
    add("--segmentor", nargs=2, metavar=("CONFIG", "CHECKPOINT"), help="judge the translation")
    add("--segmentor-world", metavar="WORLD", help="small world of the segmentor's config")
    add("--copy-labels", action="store_true", help="copy labels (default: link them)")
    add("--on-error", choices=["error", "skip"], default="error", help="of unreadable images")
    add("--overwrite", action="store_true", help="replace images that other settings made")


def run(args: Namespace) -> None:
    """Translate."""
    from daseg.offline.translation.translate import translate

    args.device = default_device(args.device)
    done = translate(**vars(args))
    for file, problem in done.skipped.items():
        print(f"skipped {file}: {problem}")
    print(f"{done.images} images ({done.made} made now) and {done.labels} labels are in {done.out}")
