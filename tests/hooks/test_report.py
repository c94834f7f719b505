"""The report of a training: what it took, and whether it saw the target's labels."""

import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daseg.datasets.files.io import read_ids
from daseg.datasets.firewall import take_opened
from daseg.engine.checkpoint import read_checkpoint
from daseg.engine.train import train
from daseg.hooks import report as report_module
from daseg.hooks.report import MIB, peak_memory
from processes import environment
from runs import report_of

ROOT = Path(__file__).parents[2]
# What a config of two domains has beyond the tiny one. The validation is on the target.
PAIR = """
target = dict(data, root={target!r})
load = [dict(type='LoadImageFromFile'), dict(type='LoadLabel')]
pack = [dict(type='RandomCrop', crop_size=(32, 32)), dict(type='PackSample')]
train_dataloader['sampler'] = dict(type='PairSampler')
train_dataloader['dataset'] = dict(
    type='DomainPair', source=dict(data, pipeline=load + pack),
    target=dict(target, pipeline=load + {cheat} + pack, num_samples=9))
val_dataloader['dataset']['root'] = {validated!r}
custom_hooks = [dict(type='RecordDataHook'), dict(type='ReportHook')]
custom_imports = dict(imports=['cheats'])
model['segmentor']['backbone'] = dict(type='Pixels')
"""
# What the config imports: a small network, and parts that open what they must not.
CHEATS = """
from mmengine.hooks import Hook
from torch import nn
from daseg.datasets.files.io import read_ids
from daseg.registry import BACKBONES, HOOKS, TRANSFORMS

@BACKBONES.register_module(force=True)
class Pixels(nn.Module):
    '''A network so small that nothing is waited for.'''
    out_channels = (8,)
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 8, 8)
    def forward(self, image):
        return (self.conv(image),)

@TRANSFORMS.register_module(force=True)
class Cheat:
    def __call__(self, results):
        results['label_reader'].read(results['img_path'].replace('images', 'labels'))
        return results

@HOOKS.register_module(force=True)
class CheatHook(Hook):
    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        (path, *_) = sorted(runner.train_dataloader.dataset.target_label_files())
        read_ids(path)
"""


@pytest.fixture(autouse=True)
def _nothing_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take_opened()
    (tmp_path / "cheats.py").write_text(CHEATS)
    monkeypatch.syspath_prepend(tmp_path)


Writer = Callable[..., Path]


@pytest.fixture
def pair_config(tiny_config: Writer, tiny_data: Path, tmp_path: Path) -> Writer:
    """Write a config that trains on ``tiny_data`` as source and 9 images of its copy as target."""
    shutil.copytree(tiny_data, tmp_path / "target")

    def write(extra: str = "", *, cheat: bool = False, validate_on_target: bool = False) -> Path:
        target = str(tmp_path / "target")
        validated = target if validate_on_target else str(tiny_data)
        cheats = "[dict(type='Cheat')]" if cheat else "[]"
        return tiny_config(PAIR.format(target=target, cheat=cheats, validated=validated) + extra)

    return write


def opened(config: Path, work_dir: Path, resume: bool = False, **options: Any) -> int | None:
    """Train; return how many target labels were opened, by both reports."""
    options = {key.replace("__", "."): value for key, value in options.items()}
    train(config, work_dir=work_dir, resume=resume, cfg_options=options)
    number = report_of(work_dir)["target_train_labels_opened"]
    assert f"target train labels opened: {number}\n" in (work_dir / "report.txt").read_text()
    return number


def test_an_honest_run_opens_none(pair_config, tmp_path):
    config = pair_config()
    shutil.rmtree(tmp_path / "target/labels")
    assert opened(config, tmp_path / "run", train_dataloader__num_workers=2) == 0
    report = report_of(tmp_path / "run")
    assert report["target_domain"] is True
    source = (tmp_path / "run/train_images_source.txt").read_text().splitlines()
    target = (tmp_path / "run/train_images_target.txt").read_text().splitlines()
    assert (len(source), len(target)) == (13, 10)
    assert f"at {tmp_path / 'target'}: 9 of 12 images" in target[0]
    logs = "".join(path.read_text() for path in (tmp_path / "run").glob("*/*.log"))
    assert "target train labels opened: 0\n" in logs
    assert "WARNING: this training" not in logs


@pytest.mark.parametrize("workers", [0, 2])
def test_a_transform_that_cheats_is_counted(pair_config, tmp_path, workers):
    """6 iterations of 2 images; what a worker has read ahead is not counted."""
    config = pair_config(cheat=True)
    assert opened(config, tmp_path / "run", train_dataloader__num_workers=workers) == 12
    last = (tmp_path / "run/report.txt").read_text().splitlines()[-1]
    assert last.startswith("WARNING: this training, or its validation, has opened labels of the")


def test_a_hook_that_cheats_is_counted(pair_config, tmp_path):
    config = pair_config("custom_hooks.append(dict(type='CheatHook'))")
    assert opened(config, tmp_path / "run", train_dataloader__num_workers=2) == 6


def test_validating_on_the_target_training_images_is_counted(pair_config, tmp_path):
    """Of 12 validated images 9 are trained on; validated after 3 and after 6 iterations."""
    config = pair_config(validate_on_target=True)
    options = {"val_dataloader__num_workers": 2, "train_cfg__val_interval": 3}
    assert opened(config, tmp_path / "run", **options) == 18


def test_the_count_survives_a_resume(pair_config, tmp_path):
    config = pair_config("custom_hooks.append(dict(type='CheatHook'))", cheat=True)
    options = {"train_dataloader__num_workers": 2, "train_cfg__val_interval": 3}
    assert opened(config, tmp_path / "run", train_cfg__max_iters=3, **options) == 3 * (2 + 1)
    half = read_checkpoint(tmp_path / "run/iter_3.pth")["message_hub"]["runtime_info"]
    assert opened(config, tmp_path / "run", resume=True, **options) == 6 * (2 + 1)
    whole = report_of(tmp_path / "run")
    assert whole["iterations"] == 6
    assert whole["seconds"] > half["report_seconds"] > 0
    assert whole["validation_seconds"] > 0


def test_opened_before_the_training_is_counted(pair_config, tmp_path):
    """By a model's constructor, say, that looks at the classes' frequencies."""
    config = pair_config(f"""
from cheats import read_ids
custom_hooks.append(dict(type='CheatBefore', path={str(tmp_path / "target/labels/00.png")!r}))
""")
    cheats = CHEATS + (
        "@HOOKS.register_module(force=True)\n"
        "class CheatBefore(Hook):\n"
        "    def __init__(self, path):\n"
        "        read_ids(path)\n"
    )
    (tmp_path / "cheats.py").write_text(cheats)
    sys.modules.pop("cheats", None)
    subset = {"train_dataloader__dataset__target__num_samples": 12}
    assert opened(config, tmp_path / "run", **subset) == 1


@pytest.mark.slow
def test_processes_are_added_up(pair_config, tmp_path):
    """Two processes, each 6 iterations of 2 images and of one opening by the hook."""
    config = pair_config("custom_hooks.append(dict(type='CheatHook'))", cheat=True)
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    env = environment(tmp_path, MASTER_PORT=str(port))
    command = ["tools/dist_train.sh", config, "2", "--work-dir", tmp_path / "run"]

    def run(*options: str) -> int:
        done = subprocess.run(
            [*map(str, command), *options],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return report_of(tmp_path / "run")["target_train_labels_opened"]

    assert run("--cfg-options", "train_cfg.max_iters=3") == 2 * 3 * (2 + 1)
    assert run("--resume") == 2 * 6 * (2 + 1)


def test_training_without_a_target(small_config, tmp_path):
    config = small_config("custom_hooks.append(dict(type='ReportHook'))")
    train(config, work_dir=tmp_path / "run")
    report = report_of(tmp_path / "run")
    assert report["target_train_labels_opened"] is None
    assert report["target_domain"] is False
    text = (tmp_path / "run/report.txt").read_text()
    assert text.endswith("target train labels opened: no target domain in training\n")
    assert (tmp_path / "run/train_images.txt").is_file()


def test_the_numbers_are_sane(pair_config, tmp_path, monkeypatch):
    """A clock that goes on by a second whenever it is read, and a memory that shrinks."""
    ticks = iter(range(1000))
    peaks = iter([50 * MIB, 70 * MIB] + [60 * MIB] * 100)
    monkeypatch.setattr(report_module.time, "perf_counter", lambda: float(next(ticks)))
    monkeypatch.setattr(report_module, "peak_memory", lambda: next(peaks))
    runner = train(
        pair_config(), work_dir=tmp_path / "run", cfg_options={"train_cfg.val_interval": 3}
    )
    report = report_of(tmp_path / "run")
    # Read before training, at two checkpoints, twice before each of two validations and once after
    # it, after training.
    assert (report["seconds"], report["validation_seconds"]) == (7, 2)
    assert (report["iterations"], report["seconds_per_iteration"]) == (6, 1.166667)
    assert (report["peak_memory_mib"], report["peak_memory_of"]) == (70, "process")
    miou = runner.message_hub.get_scalar("val/mIoU").current()
    assert report["last_validation_mIoU"] == pytest.approx(miou)
    assert (tmp_path / "run/report.txt").read_text().splitlines() == [
        "iterations: 6",
        "seconds: 7.0 (1.1667 each)",
        "seconds of validation: 2.0",
        "peak memory: 70.0 MiB of the process",
        f"last validation mIoU: {miou:.2f}",
        "target train labels opened: 0",
    ]


def test_peak_memory_is_that_of_this_process():
    before = peak_memory()
    assert 50 * MIB < before < 64 * 1024 * MIB
    block = bytearray(before + 64 * MIB)  # more than all the process has had
    block[::4096] = b"x" * len(block[::4096])
    assert peak_memory() >= before + 64 * MIB


def test_counting_starts_with_nothing(tmp_path):
    """The fixture above empties the count, which other tests of this process may have filled."""
    assert take_opened() == {}
    with pytest.raises(Exception, match="cannot be read"):
        read_ids(tmp_path / "a.png")
    assert len(take_opened()) == 1
