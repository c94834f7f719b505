"""Small studies, written as the tools write them."""

import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from daseg.evaluation import ProtocolCard
from daseg.study import read_results
from daseg.study.rendering import to_markdown
from daseg.study.report import contents

CARD = ProtocolCard(
    config="configs/a.py --world demo",
    config_sha256="c" * 64,
    weights="iter_120.pth",
    weights_sha256="w",
    iteration=120,
    initial_weights="imagenet.pth sha256:" + "1" * 64,
    checkpoint_choice="last",
    input_sizes=[(128, 256)],
    label_sizes=[(256, 512)],
    classes=["road", "sky"],
    inference=dict(type="WholeInference"),
    num_images=60,
    command="python tools/test.py configs/a.py iter_120.pth",
)


class Folder:
    """The folder of a study that is being made."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.spec: dict[str, Any] = dict(
            name="s", title="A study", world="demo", seeds=[1, 2, 3], rows=[], claims=[]
        )
        self.save()

    def save(self) -> None:
        (self.root / "study.json").write_text(json.dumps(self.spec))

    def row(self, name: str, mious: dict[int, float] | None = None, **said: Any) -> None:
        """Add a row, with finished runs of these seeds."""
        self.spec["rows"].append(dict(name=name, config="configs/a.py", group="g") | said)
        self.save()
        for seed, miou in (mious or {}).items():
            self.run(name, seed, miou)

    def run(self, row: str, seed: int, miou: float, *, out: str = "test", **card: Any) -> Path:
        """Write an evaluation; the IoUs are those of two classes around the mean."""
        path = self.root / "runs" / row / f"seed_{seed}"
        own = hashlib.sha256(f"{row} {seed} {out}".encode()).hexdigest()
        card.setdefault("weights_sha256", own)
        results = dict(mIoU=miou, IoU=dict(road=miou + 10, sky=miou - 10))
        (path / out).mkdir(parents=True)
        (path / out / "results.json").write_text(json.dumps(results))
        content = asdict(replace(CARD, seed=seed, **card))
        (path / out / "protocol_card.json").write_text(json.dumps(content))
        (path / out / "protocol_card.txt").write_text("card\n")
        (path / "job.json").write_text(json.dumps(dict(state="done", commands=["train", "test"])))
        return path

    def log(self, path: Path, records: list[dict[str, Any]]) -> None:
        """Write a training's log."""
        log = path / "20250101_000000" / "vis_data" / "scalars.json"
        log.parent.mkdir(parents=True)
        log.write_text("".join(json.dumps(record) + "\n" for record in records))

    def table(self, column: str) -> tuple[list[str], list[list[str]]]:
        """The columns and rows of the report's first table that has this column; no pictures."""
        content = contents(read_results(self.root)) | dict(pictures={}, curves=[], panels=[])
        blocks = to_markdown(content, self.root).split("\n\n")
        for lines in (block.splitlines() for block in blocks if block.startswith("|")):
            columns, _, *rows = [line[2:-2].split(" | ") for line in lines]
            if column in columns:
                return columns, rows
        raise AssertionError(f"no table has a column {column!r}")


@pytest.fixture
def folder(tmp_path) -> Folder:
    return Folder(tmp_path)


STUDY = """
title = 'A small study'
seeds = [1, 2]
steps = [
    dict(name='labels', tool='pseudo_label', config={config!r}, checkpoint='{{teacher}}'),
    dict(name='first', config={config!r}, once=True)]
rows = [
    dict(name='student', config={config!r}, group='all', logged={{20: 40.5}}, baseline='plain',
         cfg_options={{'load_from': '{{first}}',
                      'train_dataloader.dataset.label_root': '{{labels}}'}}),
    dict(name='plain', config={config!r}, group='all'),
    dict(name='teacher', config={config!r}, group='all')]
claims = [dict(title='Students learn', checks=['student > plain'])]
"""
RUN_FAKE = """
import pathlib, runpy, sys
runpy.run_path(str(pathlib.Path(__file__).with_name(f"{sys.argv.pop(1)}.py")))
"""
FAKE = {
    "train": """
import pathlib, sys
folder = pathlib.Path(sys.argv[sys.argv.index('--work-dir') + 1])
if 'optim_wrapper.segmentor.optimizer.lr=13' in sys.argv:
    sys.exit('no such rate')
for iteration in (2, 3, 6):
    (folder / f'iter_{iteration}.pth').touch()
""",
    "test": "import pathlib, sys; assert pathlib.Path(sys.argv[2]).is_file()",
}


@pytest.fixture
def study_file(tiny_config: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """Write a study of the tiny config; what is given is executed behind it."""

    def write(extra: str = "") -> Path:
        path = tmp_path / "small.py"
        path.write_text(STUDY.format(config=str(tiny_config())) + extra)
        return path

    return write


@pytest.fixture
def fake_tools(tmp_path, monkeypatch):
    """Tools that write checkpoints without training."""
    program = tmp_path / "fake_daseg.py"
    program.write_text(RUN_FAKE)
    monkeypatch.setattr("daseg.study.making.PROGRAM", (sys.executable, str(program)))
    for tool, code in FAKE.items():
        (tmp_path / f"{tool}.py").write_text(code)
