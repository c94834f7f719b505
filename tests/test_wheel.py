"""A wheel works without the tree that it was built from: its command, configs and templates."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from mmengine.config import Config

ROOT = Path(__file__).parents[1]
SOURCES = ("daseg", "configs", "setup.py", "pyproject.toml", "README.md", "MANIFEST.in", "LICENSE")
SIZES = ("--num-source", "6", "--num-target", "4", "--num-val", "2", "--num-test", "2")
STUDY = """
title = 'Two rows'
seeds = [1]
short = {'train_cfg.max_iters': 2, 'train_dataloader.num_workers': 0}
both = dict(group='a', baseline='game', oracle='city', cfg_options=short)
rows = [
    dict(name='game', data='GTA5', config='demo/source_only', **both),
    dict(name='city', data='Cityscapes', config='configs/demo/supervised.py', **both),
]
"""
pytestmark = pytest.mark.slow


def run(*command, cwd: Path) -> str:
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "DASEG_DEMO")}
    words = list(map(str, command))
    done = subprocess.run(words, cwd=cwd, env=kept, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The command ``daseg`` of a wheel, in an environment with the packages of this one."""
    tree, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("installed")
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tree / name)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-q")
    run(*pip, "wheel", ".", "--no-deps", "--no-build-isolation", "-w", out, cwd=tree)
    shutil.rmtree(tree)
    run(sys.executable, "-m", "venv", "--without-pip", out / "venv", cwd=out)
    python = out / "venv/bin/python"
    (wheel,) = out.glob("*.whl")
    run(*pip, "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=out)
    (packages,) = out.glob("venv/lib/*/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return out / "venv/bin/daseg"


def test_the_demo_runs_and_goes_on(installed, tmp_path):
    first = run(installed, "demo", *SIZES, "--iters", 2, cwd=tmp_path)
    assert "config      " + str(installed.parents[1]) in first  # the wheel's own config
    assert "training 1 of 4, the start" in first
    assert first.count("iter 1/2") == 4
    folder = tmp_path / "work_dirs/demo"
    runs = folder / "runs"
    names = ("source_only", "adapted", "supervised")
    made = [f"{name}/seed_0/iter_2.pth" for name in names]
    made += [f"{name}/seed_0/test/protocol_card.json" for name in names]
    assert all((runs / file).is_file() for file in made)
    assert "target train labels opened: 0" in (runs / "adapted/seed_0/report.txt").read_text()
    for file in ("panel.png", "report.html", "report.md"):
        assert (folder / file).is_file()
    assert (tmp_path / "data/demo_dusk/contact_sheet.png").is_file()
    start = "work_dirs/demo/steps/start/seed_0/iter_2.pth"
    for name in names:  # all from one start, for as long
        file = "adapted_dusk.py" if name == "adapted" else f"{name}.py"
        config = Config.fromfile(runs / name / "seed_0" / file)
        assert (config.load_from, config.train_cfg.max_iters) == (start, 2)
    (runs / "supervised/seed_0/iter_2.pth").unlink()
    times = {file: (runs / file).stat().st_mtime_ns for file in made[:1]}
    again = run(installed, "demo", *SIZES, "--iters", 2, cwd=tmp_path)
    assert again.count("== training") == 1
    assert "training 4 of 4, supervised" in again
    assert {file: (runs / file).stat().st_mtime_ns for file in made[:1]} == times
    longer = [installed, "demo", *SIZES, "--iters", "3"]
    refused = subprocess.run(longer, cwd=tmp_path, capture_output=True, text=True)
    assert refused.returncode == 2
    assert "start/seed_0 holds a training of 2 iterations" in refused.stderr
    assert "not of 3 with load_from=None" in refused.stderr
    shown = run(installed, "configs", "list", "demo", cwd=tmp_path)
    assert [line.split()[0] for line in shown.splitlines()] == [
        "demo/adapted",
        "demo/adapted_dusk",
        "demo/source_only",
        "demo/supervised",
    ]


def test_a_study_runs_from_any_folder(installed, tmp_path):
    run(installed, "make-demo", *SIZES, cwd=tmp_path)
    (tmp_path / "mine.py").write_text(STUDY)
    options = ("--jobs", 1, "--devices", "cpu", "--root", "out")
    text = run(installed, "study", "mine.py", *options, cwd=tmp_path)
    assert "the report: " in text
    assert "game" in (tmp_path / "out/report.md").read_text()
    assert (tmp_path / "out/report.html").is_file()
