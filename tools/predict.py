"""Segment images, a folder, a glob or a video with a trained checkpoint.

    python tools/predict.py CONFIG CHECKPOINT street.jpg --out predictions
    python tools/predict.py CONFIG CHECKPOINT photos/ --out predictions --label-ids
    python tools/predict.py CONFIG CHECKPOINT 'drive/*.png' --out predictions

Below --out: color/ (class colours), overlay/ (over the image), and train_ids/ or label_ids/ where
asked. A video gives one picture for each frame, in a folder of the video's name.
"""

import argparse
import sys

from daseg.utils.cli import door
from daseg.utils.options import add_cfg_options, add_world, parse_cfg_options


@door
def main() -> None:
    """Read the arguments, predict."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="config file")
    parser.add_argument(
        "checkpoint", nargs="+", help="checkpoint file; of several, the mean of their probabilities"
    )
    parser.add_argument("input", help="an image, a folder, a quoted glob, or a video")
    parser.add_argument("--out", required=True, metavar="DIR", help="where the pictures go")
    parser.add_argument("--train-ids", action="store_true", help="write class indices as PNG too")
    parser.add_argument(
        "--label-ids", action="store_true", help="write Cityscapes' label ids, for its server"
    )
    parser.add_argument("--tta", action="store_true", help="test-time augmentation")
    parser.add_argument("--device", help="cpu, cuda, cuda:1 (default: cuda where there is one)")
    add_cfg_options(parser)
    add_world(parser)
    args = parser.parse_args()

    import torch

    from daseg import init_segmentor
    from daseg.engine.predict import Writer, find_inputs, predict_files
    from daseg.utils.writable import check_folder

    check_folder(args.out, "--out")
    files = find_inputs(args.input, args.out)
    print(f"{len(files)} images and videos", file=sys.stderr)
    segmentor = init_segmentor(
        args.config,
        args.checkpoint,
        args.device or ("cuda" if torch.cuda.is_available() else "cpu"),
        tta=args.tta,
        cfg_options=parse_cfg_options(args.cfg_options),
        world=args.world,
    )
    writer = Writer(
        args.out,
        segmentor.classes,
        segmentor.palette,
        train_ids=args.train_ids,
        label_ids=args.label_ids,
    )
    count = predict_files(segmentor, files, writer)
    print(f"{count} predictions are in {args.out}")


if __name__ == "__main__":
    main()
