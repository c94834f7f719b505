"""Segment images, a folder or a video with a trained checkpoint.

    daseg predict CONFIG CHECKPOINT street.jpg --out predictions
    daseg predict CONFIG CHECKPOINT photos/ --out predictions --label-ids
    daseg predict CONFIG CHECKPOINT 'drive/*.png' --out predictions

Below --out: color/ (class colours), overlay/ (over the image), and train_ids/ or label_ids/ where
asked. A video gives one picture for each frame, in a folder of the video's name.
"""

import sys
from argparse import ArgumentParser, Namespace

from daseg.cli.arguments import add_config, add_device, default_device


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_config(parser)
    add = parser.add_argument
    add("checkpoint", nargs="+", help="checkpoint; of several, the mean of their probabilities")
    add("input", help="an image, a folder, a quoted glob, or a video")
    add("--out", required=True, metavar="DIR", help="where the pictures go")
    add("--train-ids", action="store_true", help="write class indices as PNG too")
    add("--label-ids", action="store_true", help="write Cityscapes' label ids, for its server")
    add("--tta", action="store_true", help="test-time augmentation")
    add_device(parser)


def run(args: Namespace) -> None:
    """Predict."""
    from daseg import init_segmentor
    from daseg.engine.predict import Writer, find_inputs, predict_files
    from daseg.utils.writable import check_folder

    check_folder(args.out, "--out")
    files = find_inputs(args.input, args.out)
    print(f"{len(files)} images and videos", file=sys.stderr)
    segmentor = init_segmentor(
        args.config,
        args.checkpoint,
        default_device(args.device),
        tta=args.tta,
        cfg_options=args.cfg_options,
        world=args.world,
    )
    writer = Writer(
        args.out,
        segmentor.classes,
        segmentor.palette,
        train_ids=args.train_ids,
        label_ids=args.label_ids,
    )
    print(f"{predict_files(segmentor, files, writer)} predictions are in {args.out}")
