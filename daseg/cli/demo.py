"""Draw the embedded world, train two networks in it, test them.

    daseg demo                                  # about a quarter of an hour on two CPU cores
    daseg demo --iters 20 --num-source 12 --num-target 10 --num-val 4 --num-test 4

One network is trained on the game alone (demo/source_only), the other on the labelled city
(demo/supervised): domain adaptation is to close the gap between them. The same command goes on
where it was stopped.
"""

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

from daseg.cli import make_demo

# Of each model: its name in the panel, and its config.
MODELS = {
    "source-only": "configs/demo/source_only.py",
    "supervised": "configs/demo/supervised.py",
}


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    make_demo.add_arguments(parser)
    add = parser.add_argument
    add("--work-dir", default="work_dirs/demo", help="folder of the runs (work_dirs/demo)")
    add("--iters", type=int, default=400, help="iterations of each training (default 400)")


def run(args: Namespace) -> None:
    """Make what is missing, from the world to the pictures."""
    from daseg.engine.evaluate import evaluate
    from daseg.engine.train import train
    from daseg.visualization import plot_curves
    from daseg.visualization.compare import show_models

    folder, iters = Path(vars(args).pop("work_dir")), vars(args).pop("iters")
    os.environ["DASEG_DEMO"] = args.root
    options = {"train_cfg.max_iters": iters}
    runs = {name: folder / Path(config).stem for name, config in MODELS.items()}
    checkpoints = {name: out / f"iter_{iters}.pth" for name, out in runs.items()}
    _title(f"the embedded world, in {args.root}")
    make_demo.run(args)
    for name, config in MODELS.items():
        if not checkpoints[name].is_file():
            _title(f"training {name}: {config}")
            train(config, work_dir=runs[name], resume=runs[name].is_dir(), cfg_options=options)
    for name, config in MODELS.items():
        _title(f"testing {name}")
        evaluate(config, checkpoints[name])
    _title("pictures")
    plot_curves(list(runs.values()), folder / "curves.png")
    show_models([(n, c, checkpoints[n]) for n, c in MODELS.items()], folder / "panel.png")
    print(_next_steps(args.root, folder, checkpoints["supervised"]))


def _title(text: str) -> None:
    print(f"\n== {text} ==", flush=True)


def _next_steps(root: str, folder: Path, checkpoint: Path) -> str:
    config = MODELS["supervised"]
    return f"""\
The class IoU tables are above and in {folder}/*/test_{checkpoint.stem}/. The pictures:
  {root}/contact_sheet.png   the two domains
  {folder}/panel.png   image, label, and what each model predicts
  {folder}/curves.png   loss and validation mIoU
Next:
  daseg predict {config} {checkpoint} YOUR_IMAGES --out predictions
  daseg train {config} --work-dir work_dirs/mine --cfg-options train_cfg.max_iters=1000
  daseg configs list"""
