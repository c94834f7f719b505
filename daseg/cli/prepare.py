"""Write the data sets of a config once, to be read fast.

    daseg prepare CONFIG --out data/prepared
    daseg train CONFIG --cfg-options prepared=data/prepared

What the fixed first steps of each pipeline give (reading, mapping of ids, resizing) is written into
tar files, without loss; samples stay the same, bit for bit. The same command goes on where an
earlier run ended, and makes anew what has changed.
"""

from argparse import ArgumentParser, Namespace

from daseg.cli.arguments import add_config


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_config(parser)
    add = parser.add_argument
    add("--out", required=True, metavar="DIR", help="folder of all prepared data sets")
    splits = ["train", "val", "test", "all"]
    add("--split", choices=splits, default="all", help="which data sets (default all)")
    add("--workers", type=int, default=4, help="processes (default 4)")
    add("--shard-size", type=int, default=100, metavar="N", help="samples a tar (default 100)")
    add("--compress", action="store_true", help="images as PNG: fewer bytes, slower")
    add("--overwrite", action="store_true", help="write anew what was prepared otherwise")


def run(args: Namespace) -> None:
    """Prepare, and say what there is."""
    from daseg.offline.prepare import prepare

    for done in prepare(**vars(args)):
        print(
            f"{done.dataset}: {done.samples} samples in {done.shards} shards ({done.made} made "
            f"now), {done.bytes / 1e9:.2f} GB, in {done.folder}"
        )
