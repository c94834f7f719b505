"""Arguments that several commands share."""

import os
from argparse import ArgumentParser

CONFIG = "config file, or the name of one of daseg's, as `daseg configs list` shows them"


def add_config(parser: ArgumentParser, help: str = CONFIG) -> None:
    """Add the config, ``--cfg-options KEY=VALUE ...`` and ``--world``."""
    parser.add_argument("config", help=help)
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="override config keys: train_cfg.max_iters=100 param_scheduler.0.power=1.0 "
        "model.segmentor.backbone.weights=None",
    )
    add_world(parser)


def add_world(parser: ArgumentParser, *, real: bool = False) -> None:
    """Add ``--world``; with ``real`` the name of the default, "real", is shown, too."""
    parser.add_argument(
        "--world",
        metavar="WORLD",
        help="run the config in a small world: its images, sizes, network, number of iterations; "
        f"demo, pyramid, dusk, camvid, {'real (none), ' if real else ''}or another's file, "
        "WORLD.py; camvid:size=480x360,max_iters=2000 changes its size and length",
    )


def add_device(parser: ArgumentParser) -> None:
    """Add ``--device``; None where it is not given, see `default_device`."""
    parser.add_argument("--device", help="cpu, cuda, cuda:1 (default: cuda where there is one)")


def add_workers(parser: ArgumentParser) -> None:
    """Add ``--workers``, of what reads images, runs them and writes; not more than cores."""
    parser.add_argument(
        "--workers",
        type=int,
        default=min(4, os.cpu_count() or 1),
        help="reading processes, writing threads (default 4, or one a core)",
    )


def add_amp(parser: ArgumentParser) -> None:
    """Add ``--amp``, of a network that is run and not trained."""
    parser.add_argument(
        "--amp",
        action="store_true",
        help="mixed precision (float16 on a GPU, bfloat16 on a CPU): faster where the device has "
        "such units, and a little different",
    )


def add_processes(parser: ArgumentParser) -> None:
    """Add ``--gpus`` and ``--launcher``."""
    parser.add_argument(
        "--gpus",
        type=int,
        metavar="N",
        help="use N GPUs of this machine (without a GPU: N processes)",
    )
    parser.add_argument(
        "--launcher",
        choices=["none", "pytorch", "slurm"],
        default="none",
        help="what has started the processes: torchrun or srun",
    )


def default_device(device: str | None) -> str:
    """The device that was given, else the GPU where there is one, else the CPU."""
    import torch

    return device or ("cuda" if torch.cuda.is_available() else "cpu")
