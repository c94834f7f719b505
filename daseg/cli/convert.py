r"""Bring published weights under daseg's names.

    daseg convert adaptsegnet PUBLISHED.pth OURS.pth --config CONFIG
    daseg convert cyclegan latest_net_G_A.pth OURS.pth \
        --config cyclegan/gta2cityscapes --network source_to_target

Prints what became of each key; anything missing, left over or of another shape is an error.
"""

from argparse import ArgumentParser, Namespace

SYSTEMS = (
    *("segmentron", "adaptsegnet", "seg-uncertainty", "torchvision", "cyclegan"),
    *("daformer", "hrda", "mic", "segformer", "mit"),
)
NETWORKS = ("source_to_target", "target_to_source", "disc_source", "disc_target")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("source", choices=SYSTEMS, help="the system that wrote the file")
    add("input", help="the published file")
    add("output", help="the file to write")
    add("--config", required=True, help="config of the network that the weights are for")
    add(
        "--network",
        choices=NETWORKS,
        default="source_to_target",
        help="of cyclegan: which network the file is (default source_to_target, which is G_A)",
    )
    add("--force", action="store_true", help="replace the output where it exists")


def run(args: Namespace) -> None:
    """Convert one file and print what became of each of its keys."""
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
