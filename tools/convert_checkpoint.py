r"""Bring published weights under daseg's names.

    python tools/convert_checkpoint.py adaptsegnet PUBLISHED.pth OURS.pth --config CONFIG
    python tools/convert_checkpoint.py cyclegan latest_net_G_A.pth OURS.pth \
        --config configs/cyclegan/gta2cityscapes.py --network source_to_target

Prints what became of each key; anything missing, left over or of another shape is an error.
"""

import argparse

from daseg.utils.cli import door


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "source",
        choices=["segmentron", "adaptsegnet", "seg-uncertainty", "torchvision", "cyclegan"],
        help="the system that wrote the file",
    )
    parser.add_argument("input", help="the published file")
    parser.add_argument("output", help="the file to write")
    parser.add_argument("--config", required=True, help="config of the network it is for")
    parser.add_argument(
        "--network",
        choices=["source_to_target", "target_to_source", "disc_source", "disc_target"],
        default="source_to_target",
        help="of cyclegan: which network the file is (default source_to_target, which is G_A)",
    )
    parser.add_argument("--force", action="store_true", help="replace the output where it exists")
    return parser.parse_args()


@door
def main() -> None:
    """Convert one file and print what became of each of its keys."""
    args = parse_args()
    # Behind the arguments, so that --help needs no torch.
    from daseg.compat.convert import convert_file
    from daseg.compat.cyclegan import convert_network_file
    from daseg.config.load import load_config
    from daseg.registry import MODELS
    from daseg.segmentor import build_segmentor, without_initial_weights

    cfg = load_config(args.config)
    if args.source == "cyclegan":
        model = MODELS.build(cfg.model)
        print(convert_network_file(args.input, args.output, model, args.network, force=args.force))
        print(f"wrote {args.output}, with {args.network} alone")
        return
    without_initial_weights(cfg.model)  # they come from the file
    segmentor = build_segmentor(cfg)
    report = convert_file(args.source, args.input, args.output, segmentor, force=args.force)
    print(report)
    print(f"wrote {args.output}")
    if report.backbone_only:
        print(
            "it holds the backbone alone: start from it with\n"
            f"  --cfg-options model.segmentor.backbone.weights={args.output}"
        )


if __name__ == "__main__":
    main()
