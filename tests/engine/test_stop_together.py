"""Several processes stop after the same iteration, whichever of them gets the signal, and when."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from daseg.engine.checkpoint import latest_checkpoint
from daseg.engine.train import train
from processes import environment, free_port, launch
from runs import same_run

ROOT = Path(__file__).parents[2]
# Says where each process is; the second one is slower. Goes on when the test says so.
PACE = """
import os, time
from pathlib import Path
from mmengine.hooks import Hook
from daseg.registry import HOOKS

@HOOKS.register_module()
class Pace(Hook):
    priority = 'HIGHEST'

    def before_train(self, runner):
        self.folder = Path(runner.work_dir)
        (self.folder / f'pid_{runner.rank}_{os.getpid()}').touch()

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        (self.folder / f'at_{runner.rank}_{batch_idx + 1}').touch()
        time.sleep(0.05 + 0.2 * runner.rank)

    def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        (self.folder / f'validating_{runner.rank}').touch()
        time.sleep(0.1 + 0.2 * runner.rank)
"""
PACED = "custom_imports = dict(imports=['pace'])\ncustom_hooks.append(dict(type='Pace'))\n"
LONG = "train_cfg.update(max_iters=1000)\nparam_scheduler[0].update(end=40)\n"
SHORT = "train_cfg.update(max_iters={})\nparam_scheduler[0].update(end=40)\n"
SELDOM = "default_hooks['checkpoint'].update(interval=500)\n"


class Run:
    """A training of two processes that goes on in the background."""

    def __init__(self, config: Path, out: Path, folder: Path) -> None:
        self.out, self.log = out, folder / "log"
        env = environment(folder, MASTER_PORT=str(free_port()))
        with self.log.open("w") as file:
            self.launcher = subprocess.Popen(
                ["tools/dist_train.sh", str(config), "2", "--work-dir", str(out)],
                cwd=ROOT,
                env=env,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    def wait_for(self, pattern: str) -> None:
        while not list(self.out.glob(pattern)):
            assert self.launcher.poll() is None, self.text()
            time.sleep(0.02)

    def pid(self, rank: int) -> int:
        (path,) = self.out.glob(f"pid_{rank}_*")
        return int(path.name.rpartition("_")[2])

    def text(self) -> str:
        return self.log.read_text()[-4000:]

    def end(self) -> None:
        pids = [self.launcher.pid]
        pids += [int(path.name.rpartition("_")[2]) for path in self.out.glob("pid_*")]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.launcher.wait()


@pytest.fixture
def start(tmp_path) -> Iterator[Callable[[Path], Run]]:
    """Start a training; whatever of it still lives at the end of the test is ended."""
    (tmp_path / "pace.py").write_text(PACE)
    runs = []

    def begin(config: Path) -> Run:
        runs.append(Run(config, tmp_path / "run", tmp_path))
        return runs[-1]

    yield begin
    for run in runs:
        run.end()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")  # one that nobody has waited for is dead
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize(
    ("who", "number"),
    [
        pytest.param("first", signal.SIGUSR1, marks=pytest.mark.slow),
        ("second", signal.SIGTERM),
        pytest.param("both", signal.SIGINT, marks=pytest.mark.slow),
        pytest.param("launcher", signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param("launcher", signal.SIGUSR1, marks=pytest.mark.slow),
    ],
)
def test_the_signal_reaches_one_or_all(two_domain_config, start, tmp_path, who, number):
    run = start(two_domain_config(LONG + SELDOM + PACED, dropout=0.1))
    run.wait_for("at_1_3")
    whom = dict(first=[0], second=[1], both=[0, 1], launcher=[])[who]
    for pid in [run.pid(rank) for rank in whom] or [run.launcher.pid]:
        os.kill(pid, number)
    assert run.launcher.wait() == 128 + number, run.text()
    name = latest_checkpoint(run.out).name
    done = int(name.removeprefix("iter_").removesuffix(".pth"))
    line = f"stopped by {number.name} after iteration {done}: {name} is saved, --resume goes on"
    assert run.log.read_text().count(line) == 1
    assert "Traceback" not in run.log.read_text()
    for rank in (0, 1):
        last = max(int(path.name.split("_")[2]) for path in run.out.glob(f"at_{rank}_*"))
        assert last == done, "all stop after the same iteration"
    if who != "both":
        return
    env = environment(tmp_path, MASTER_PORT=str(free_port()))
    short = two_domain_config(SHORT.format(done + 2) + SELDOM, dropout=0.1, name="short")
    for folder in (run.out, tmp_path / "whole"):
        launch("tools/dist_train.sh", short, 2, "--work-dir", folder, "--resume", env=env)
    same_run(run.out / f"iter_{done + 2}.pth", tmp_path / f"whole/iter_{done + 2}.pth")


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_validation_ends_early_in_all(tiny_config, start, rank):
    validate = "train_cfg.update(val_interval=2)\nval_dataloader.update(batch_size=1)\n"
    run = start(tiny_config(LONG + SELDOM + validate + PACED, norm="gn"))
    run.wait_for(f"validating_{rank}")
    os.kill(run.pid(rank), signal.SIGTERM)
    assert run.launcher.wait() == 143, run.text()
    assert latest_checkpoint(run.out).name == "iter_2.pth"
    assert "mIoU" not in run.log.read_text()


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="a process learns of its parent's death")
def test_processes_end_with_their_launcher(tiny_config, start, tmp_path):
    run = start(tiny_config(LONG + PACED + "train_dataloader.update(num_workers=1)\n"))
    run.wait_for("at_1_4")
    pids = [run.pid(rank) for rank in (0, 1)]
    run.launcher.kill()
    run.launcher.wait()
    deadline = time.monotonic() + 15
    while any(is_alive(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    newest = latest_checkpoint(run.out)
    assert newest is not None
    config = tiny_config("train_cfg.update(max_iters=4)\n", name="alone")
    with pytest.raises(Exception, match="world_size=2"):  # whole, and of two processes
        train(config, work_dir=run.out, resume=True)
