"""Adapt a network to a drawn city at dusk; show what it gains.

    daseg demo                                  # about seven minutes on two CPU cores
    daseg demo --iters 20 --num-source 12 --num-target 10 --num-val 4 --num-test 4

It draws the embedded world, a game in daylight and a city at dusk, and trains a network on the
game. From there it goes on three times, as long: on the game alone (source-only), adapted to the
city without its labels, and with the city's labels, the ceiling of adaptation. A table and a page,
report.html, say what came out. The same command goes on where it was stopped.
"""

import json
import os
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from daseg.cli import make_demo
from daseg.utils.errors import ConfigError


class Model(NamedTuple):
    """A network of the demo: its row in the report, its name in pictures, its data, its config."""

    row: str
    name: str
    data: str
    config: str


START = "configs/demo/source_only.py"  # what is trained first; from it all models go on
MODELS = (
    Model("source_only", "source-only", "game with labels", START),
    Model(
        "adapted",
        "adapted",
        "game with labels, city at dusk without",
        "configs/demo/adapted_dusk.py",
    ),
    Model(
        "supervised",
        "supervised",
        "game, then city at dusk with labels",
        "configs/demo/supervised.py",
    ),
)


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    make_demo.add_arguments(parser)
    parser.set_defaults(root="data/demo_dusk", light="dusk")
    add = parser.add_argument
    add("--work-dir", default="work_dirs/demo", help="folder of the runs (work_dirs/demo)")
    add("--iters", type=int, default=400, help="iterations of each training (default 400)")


def run(args: Namespace) -> None:
    """Make what is missing, from the world to the page."""
    from daseg.engine.evaluate import evaluate
    from daseg.engine.train import train
    from daseg.study import summary, write_report
    from daseg.study.report import Picture
    from daseg.utils.files import atomic_write_text
    from daseg.visualization.compare import show_models

    if args.game != "plain":
        raise ConfigError(
            f"--game {args.game}: some of its pictures are furnished as the city is, which is the "
            "demo's target; it is a source for photographs, drawn by daseg make-demo"
        )
    folder, iters = Path(vars(args).pop("work_dir")), vars(args).pop("iters")
    os.environ["DASEG_DEMO"] = args.root
    runs = {model.row: folder / "runs" / model.row / "seed_0" for model in MODELS}
    checkpoints = {row: run / f"iter_{iters}.pth" for row, run in runs.items()}
    _title(f"the embedded world, in {args.root}")
    make_demo.run(args)
    start = folder / "steps" / "start" / "seed_0" / f"iter_{iters}.pth"
    trainings = [("the start", START, start)]
    trainings += [(model.name, model.config, checkpoints[model.row]) for model in MODELS]
    for number, (name, config, checkpoint) in enumerate(trainings, 1):
        if not checkpoint.is_file():
            _title(f"training {number} of {len(trainings)}, {name}: {config}")
            options: dict[str, Any] = {"train_cfg.max_iters": iters}
            if checkpoint != start:  # all of one budget: what follows is compared
                options["load_from"] = str(start)
            run_dir = checkpoint.parent
            _check_begun(run_dir / Path(config).name, options)
            train(config, work_dir=run_dir, resume=run_dir.is_dir(), cfg_options=options)
    for model in MODELS:
        _title(f"testing {model.name}")
        evaluate(model.config, checkpoints[model.row], out=runs[model.row] / "test")
    _title("what came out")
    panel = folder / "panel.png"
    show_models([(m.name, m.config, checkpoints[m.row]) for m in MODELS], panel)
    folder.mkdir(parents=True, exist_ok=True)
    atomic_write_text(folder / "study.json", json.dumps(_study(), indent=1) + "\n")
    shown = Picture(panel, "Test images of the city, their labels, and what each network predicts")
    steps = _next_steps(folder, checkpoints["adapted"], args.root)
    page, _ = write_report(folder, opening=shown, next_steps=steps)
    print(summary(folder))
    print(f"\nThe page: {page.resolve()}\nThe two domains: {args.root}/contact_sheet.png\nNext:")
    print("\n".join(f"  {line}" for line in steps))


def _check_begun(file: Path, options: Mapping[str, Any]) -> None:
    """Refuse to go on with a training of another length or another start.

    Args:
        file: The config that the training wrote into its folder when it began; it may be missing.
        options: What it is to have now.
    """
    from mmengine.config import Config

    if not file.is_file():
        return
    begun = Config.fromfile(file)
    had = begun.train_cfg.max_iters, os.path.abspath(begun.get("load_from") or "")
    now = options["train_cfg.max_iters"], os.path.abspath(options.get("load_from", ""))
    if had != now:
        raise ConfigError(
            f"{file.parent} holds a training of {had[0]} iterations with "
            f"load_from={begun.get('load_from')}, not of {now[0]} with "
            f"load_from={options.get('load_from')}: delete the folder of the runs, or give "
            "another --work-dir, or the --iters of before"
        )


def _title(text: str) -> None:
    print(f"\n== {text} ==", flush=True)


def _study() -> dict[str, Any]:
    """The three trainings as a study, which the report is written of."""
    rows = [dict(name=model.row, config=model.config, data=model.data) for model in MODELS]
    rows[1] |= dict(baseline="source_only", oracle="supervised")
    checks = ["adapted > source_only", "supervised > adapted"]
    return dict(
        name="demo",
        title="daseg demo: from the game by day to the city at dusk",
        world="demo",
        seeds=[0],
        rows=rows,
        claims=[dict(title="Adaptation closes a part of the gap", checks=checks)],
    )


def _next_steps(folder: Path, checkpoint: Path, root: str) -> list[str]:
    return [
        f"daseg predict demo/adapted_dusk {checkpoint} YOUR_IMAGES --out predictions",
        f"DASEG_DEMO={root} daseg test demo/adapted_dusk {checkpoint} --out {folder}/test_again",
        f"DASEG_DUSK={root} daseg train adaptseg/multi_vanilla --world dusk",
        f"DASEG_DEMO={root} daseg study studies/demo  # the same over three seeds",
        "daseg configs list",
    ]
