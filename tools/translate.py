"""Translate a data set into the look of another one: a parallel data set with the same labels.

    python tools/translate.py CONFIG CHECKPOINT --out data/gta5_as_cityscapes
    python tools/translate.py CONFIG CHECKPOINT --out OUT --tile 512     # images larger than memory
    python tools/translate.py CONFIG --translator FourierTranslator beta=0.05 --out OUT
    python tools/translate.py CONFIG CHECKPOINT --out OUT --segmentor CONFIG CHECKPOINT

The same command goes on where an earlier run ended. The source is never written to.
"""

import argparse

from daseg.utils.cli import door
from daseg.utils.options import add_cfg_options, add_world, parse_cfg_options
from daseg.utils.places import PLACES


@door
def main() -> None:
    """Read the arguments, translate."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("config", help="config whose training data is translated")
    add("checkpoint", nargs="?", help="checkpoint of its training (none: see --translator)")
    add("--source", metavar="ROOT", help="root of the source (default: the config's)")
    add("--out", required=True, metavar="ROOT", help="root of the translated data set")
    add(
        "--translator",
        nargs="+",
        metavar=("NAME", "KEY=VALUE"),
        help="a translator that needs no checkpoint (default: the config's)",
    )
    add("--workers", type=int, default=4, help="reading processes, writing threads (default 4)")
    add("--tile", type=int, nargs="?", const=512, metavar="SIZE", help="run in tiles (of 512)")
    add("--device", help="cpu, cuda, cuda:1 (default: cuda where there is one)")
    add("--size", choices=["file", "trained"], default="file", help="of the images written")
    add("--limit", type=int, metavar="N", help="only the first N images")
    add("--segmentor", nargs=2, metavar=("CONFIG", "CHECKPOINT"), help="judge the translation")
    add("--segmentor-world", choices=list(PLACES), help="small world of the segmentor's config")
    add("--copy-labels", action="store_true", help="copy labels (default: link them)")
    add("--on-error", choices=["error", "skip"], default="error", help="of unreadable images")
    add("--overwrite", action="store_true", help="replace images that other settings made")
    add_cfg_options(parser)
    add_world(parser)
    # The checkpoint, which may be left out, may stand behind options.
    options = vars(parser.parse_intermixed_args())

    import torch

    from daseg.offline.translation.translate import translate

    options["device"] = options["device"] or ("cuda" if torch.cuda.is_available() else "cpu")
    options["cfg_options"] = parse_cfg_options(options["cfg_options"])
    done = translate(options.pop("config"), options.pop("checkpoint"), **options)
    for file, problem in done.skipped.items():
        print(f"skipped {file}: {problem}")
    print(f"{done.images} images ({done.made} made now) and {done.labels} labels are in {done.out}")


if __name__ == "__main__":
    main()
