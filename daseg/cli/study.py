"""Run a study: all its trainings and tests, and one report.

    daseg study studies/quick --world demo
    daseg study studies/paper --world demo --seeds 3
    daseg study studies/paper --given translated=data/gta5_as_cityscapes

What is done already is not made again: the same command continues.
"""

from argparse import ArgumentParser, Namespace
from typing import Any

from daseg.cli.arguments import add_world
from daseg.utils.options import parse_cfg_options, parse_pairs


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("study", help="the study's file, or the name of one of daseg's")
    add("--root", help="where all of it goes (default work_dirs/studies/NAME/WORLD)")
    add("--seeds", type=int, metavar="N", help="the first N seeds of the study (default: all)")
    several: dict[str, Any] = dict(nargs="+", action="extend")
    add("--rows", **several, metavar="ROW", help="only these rows, and what they need")
    add(
        "--given",
        **several,
        default=[],
        metavar="NAME=PATH",
        help="what is there already: the checkpoint of a row, which is then only tested, or the "
        "folder or checkpoint that a step would make",
    )
    add(
        "--devices",
        **several,
        metavar="DEVICE",
        help="cuda:0 cuda:1, or cpu (default: all GPUs; none: cpu)",
    )
    add("--jobs", type=int, metavar="N", help="jobs at a time (default: one a GPU, or a core)")
    add("--launcher", metavar="NAME", help="local, slurm, or one of yours (default: as the study)")
    add(
        "--slurm",
        **several,
        default=[],
        metavar="KEY=VALUE",
        help="run the jobs on a Slurm cluster: partition=gpu time=600 gpus_per_node=1",
    )
    add("--only-report", action="store_true", help="run nothing, report on what is there")
    add("--list", action="store_true", help="run nothing, check all, show the jobs")
    add_world(parser, real=True)


def run(args: Namespace) -> None:
    """Run the study."""
    from daseg.study import run_study

    options = dict(devices=args.devices, jobs=args.jobs) | parse_cfg_options(args.slurm, "--slurm")
    files = run_study(
        args.study,
        root=args.root,
        world=None if args.world == "real" else args.world,
        num_seeds=args.seeds,
        rows=args.rows,
        given=parse_pairs(args.given, "--given"),
        launcher=args.launcher or ("slurm" if args.slurm else None),
        launcher_options={key: value for key, value in options.items() if value is not None},
        only_report=args.only_report,
        only_list=args.list,
    )
    if files:
        print("the report:", *files)
