"""A signal lets the iteration end, saves and says so; the resumed run is as if there was none."""

import os
import signal
import time
from pathlib import Path

import pytest
from mmengine.hooks import Hook

from daseg.engine.checkpoint import latest_checkpoint
from daseg.engine.train import train
from daseg.registry import HOOKS
from daseg.utils.errors import ConfigError
from daseg.utils.lock import locked
from daseg.utils.signals import STOPPING, Stopped
from daseg.visualization import read_curve
from runs import curve, logs, same_run

SELDOM = {
    "default_hooks.checkpoint.interval": 100,
    "train_cfg.val_interval": 4,
    "default_hooks.logger.interval": 3,  # what is not logged yet has to be in the checkpoint
}


@HOOKS.register_module(force=True)
class SignalAt(Hook):
    """Send this process a signal at a place of the training, as often as is told."""

    def __init__(self, place, iteration=0, number=int(signal.SIGTERM), times=1):
        self.place, self.iteration, self.number, self.times = place, iteration, number, times

    def _at(self, place, runner):
        if place == self.place and runner.iter == self.iteration:
            for _ in range(self.times):
                os.kill(os.getpid(), self.number)
                os.kill(os.getpid(), self.number)  # as `timeout` does; it is one
                time.sleep(0.3)

    def before_run(self, runner):
        self._at("before_run", runner)

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self._at("train", runner)

    def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self._at("val", runner)

    def before_save_checkpoint(self, runner, checkpoint):
        self._at("saving", runner)

    def after_train(self, runner):
        self._at("after_train", runner)


SMALL = """
custom_imports = dict(imports=['gan_parts'])
model['segmentor']['backbone'] = dict(type='SmallBackbone', norm='bn')
custom_hooks += [dict(type='ReportHook')]
"""


def at(place: str, iteration: int = 0, **more: int) -> str:
    hook = dict(type="SignalAt", place=place, iteration=iteration, **more)
    return f"{SMALL}custom_hooks += [{hook}]\n"


def stopped(config: Path, out: Path, **options) -> Stopped:
    with pytest.raises(Stopped) as error:
        train(config, work_dir=out, cfg_options=SELDOM, **options)
    return error.value


@pytest.fixture
def handlers():
    """Whatever happens, the handlers are those of before."""
    before = [signal.getsignal(number) for number in STOPPING]
    yield
    assert [signal.getsignal(number) for number in STOPPING] == before


@pytest.fixture
def configs(tiny_config):
    """Write the config with and without a signal."""

    def write(place: str, *args: int, extra: str = "", **more: int) -> tuple[Path, Path]:
        plain = tiny_config(SMALL + extra)
        return tiny_config(at(place, *args, **more) + extra, name="signal"), plain

    return write


@pytest.mark.parametrize(
    ("place", "iteration", "left", "validations"),
    [
        pytest.param("train", 1, 2, [], marks=pytest.mark.slow),
        ("train", 3, 4, []),  # a validation would be due: the resumed run makes it
        ("val", 4, 4, []),
        pytest.param("train", 5, 6, [4], marks=pytest.mark.slow),  # the last iteration
        pytest.param("val", 6, 6, [4], marks=pytest.mark.slow),
        pytest.param("saving", 5, 6, [4], marks=pytest.mark.slow),
        pytest.param("after_train", 6, 6, [4, 6], marks=pytest.mark.slow),
    ],
)
def test_it_loses_nothing(configs, tmp_path, handlers, place, iteration, left, validations):
    config, plain = configs(place, iteration)
    out, whole = tmp_path / "run", tmp_path / "whole"
    stop = stopped(config, out)
    assert stop.status == 143
    assert latest_checkpoint(out).name == f"iter_{left}.pth"
    has_logged = list(out.glob("*/vis_data/scalars.json"))  # not yet, in two iterations
    assert [step for step, _ in (read_curve(out).miou if has_logged else ())] == validations
    if place != "after_train":
        line = f"stopped by SIGTERM after iteration {left}: iter_{left}.pth is saved, --resume goes"
        assert logs(out).count(line) == 1
    train(plain, work_dir=out, resume=True, cfg_options=SELDOM)
    train(plain, work_dir=whole, cfg_options=SELDOM)
    same_run(whole / "iter_6.pth", out / "iter_6.pth")
    assert read_curve(out).miou == read_curve(whole).miou
    assert {row["iter"]: row for row in curve(out)} == {row["iter"]: row for row in curve(whole)}


def test_each_signal_has_its_status(configs, tmp_path, handlers):
    for number, status in ((2, 130), (signal.SIGHUP, 129), (signal.SIGUSR1, 138)):
        config, _ = configs("train", 0, number=int(number))
        out = tmp_path / str(status)
        assert stopped(config, out).status == status
        assert latest_checkpoint(out).name == "iter_1.pth"


def test_a_second_signal_stops_at_once(configs, tmp_path, handlers):
    config, _ = configs("train", 2, times=2)
    stop = stopped(config, tmp_path / "run")
    assert (stop.status, stop.told) == (143, False)
    assert latest_checkpoint(tmp_path / "run") is None


def test_before_the_first_iteration_there_is_nothing_to_save(configs, tmp_path, handlers, capsys):
    config, plain = configs("before_run")
    stopped(config, tmp_path / "run")
    assert "stopped; --resume goes on from the beginning\n" in capsys.readouterr().err
    train(plain, work_dir=tmp_path / "run", resume=True)
    assert latest_checkpoint(tmp_path / "run").name == "iter_6.pth"


def test_what_is_ignored_or_handled_by_another_stays_so(configs, tmp_path):
    seen = []
    before = {
        signal.SIGHUP: signal.signal(signal.SIGHUP, signal.SIG_IGN),  # as nohup does
        signal.SIGUSR1: signal.signal(signal.SIGUSR1, lambda number, _: seen.append(number)),
    }
    try:
        for number in before:
            config, _ = configs("train", 0, number=int(number))
            train(config, work_dir=tmp_path / str(number))
            assert latest_checkpoint(tmp_path / str(number)).name == "iter_6.pth"
        assert set(seen) == {signal.SIGUSR1}
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_without_a_checkpoint_hook_the_run_is_saved_too(configs, tmp_path, handlers):
    config, plain = configs("train", 2, extra="default_hooks['checkpoint'] = None\n")
    out = tmp_path / "run"
    with pytest.raises(Stopped):
        train(config, work_dir=out)
    assert [path.name for path in out.glob("*.pth")] == ["iter_3.pth"]
    assert train(plain, work_dir=out, resume=True).iter == 6


def test_old_checkpoints_go_also_when_stopped(configs, tmp_path, handlers):
    config, _ = configs("train", 3)
    options = {"default_hooks.checkpoint.interval": 1, "default_hooks.checkpoint.max_keep_ckpts": 2}
    with pytest.raises(Stopped):
        train(config, work_dir=tmp_path / "run", cfg_options=options)
    left = sorted(path.name for path in (tmp_path / "run").glob("*.pth"))
    assert left == ["iter_3.pth", "iter_4.pth"]


def test_a_second_training_in_the_folder_is_refused(tiny_config, tmp_path):
    with locked(tmp_path / "run"):
        message = rf"run is being written into by another process, {os.getpid()} on .*, since 20"
        with pytest.raises(ConfigError, match=message):
            train(tiny_config(), work_dir=tmp_path / "run")
    train(tiny_config(), work_dir=tmp_path / "run", cfg_options={"train_cfg.max_iters": 1})
    assert not (tmp_path / "run/.lock").exists()
