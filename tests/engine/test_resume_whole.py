"""A damaged newest checkpoint is said, with what is whole; on demand it is passed over."""

import os
from pathlib import Path

import pytest

from daseg.engine.checkpoint import latest_checkpoint, numbered_checkpoints
from daseg.engine.train import train
from daseg.utils.errors import CheckpointError
from runs import same_run

EVERY = {"default_hooks.checkpoint.interval": 1}
SHORT = EVERY | {"train_cfg.max_iters": 3, "param_scheduler.0.end": 6}


def cut(path: Path, share: float = 0.5) -> None:
    with path.open("r+b") as file:
        file.truncate(int(share * path.stat().st_size))


@pytest.fixture
def broken(small_config, tmp_path) -> tuple[Path, Path]:
    """A config, and the work dir of a training of three iterations whose last two are cut off."""
    config, out = small_config(), tmp_path / "run"
    train(config, work_dir=out, cfg_options=SHORT)
    cut(out / "iter_3.pth")
    cut(out / "iter_2.pth", share=0)
    return config, out


def test_the_message_says_what_is_whole_and_what_to_do(broken):
    config, out = broken
    message = (
        rf"(?s){out / 'iter_3.pth'} .*\niter_1\.pth is whole: delete iter_3\.pth, and --resume "
        r"goes on from iter_1\.pth; --resume-from-whole does so, and sets iter_3\.pth aside$"
    )
    with pytest.raises(CheckpointError, match=message):
        train(config, work_dir=out, resume=True, cfg_options=EVERY)
    assert [path.name for path in numbered_checkpoints(out)] == [f"iter_{n}.pth" for n in (1, 2, 3)]


def test_on_demand_it_goes_on_from_what_is_whole(broken, tmp_path, capsys):
    config, out = broken
    train(config, work_dir=out, resume_from_whole=True, cfg_options=EVERY)
    said = capsys.readouterr().err
    for number in (3, 2):
        name = f"iter_{number}.pth"
        assert f"skipped {name}, now {name}.damaged: {out / name}" in said
        assert (out / f"{name}.damaged").is_file()
    train(config, work_dir=tmp_path / "whole", cfg_options=EVERY)
    same_run(tmp_path / "whole/iter_6.pth", out / "iter_6.pth")


def test_what_is_damaged_is_not_counted_among_the_newest(broken):
    """Else the few that are kept would be those that cannot be read."""
    config, out = broken
    options = EVERY | {
        "default_hooks.checkpoint.max_keep_ckpts": 1,
        "train_cfg.max_iters": 2,
        "param_scheduler.0.end": 6,
    }
    train(config, work_dir=out, resume_from_whole=True, cfg_options=options)
    assert [path.name for path in numbered_checkpoints(out)] == ["iter_2.pth"]


def test_where_none_is_whole_nothing_is_begun_in_silence(broken):
    config, out = broken
    cut(out / "iter_1.pth")
    with pytest.raises(CheckpointError, match="no earlier one is whole: delete it, and the train"):
        train(config, work_dir=out, resume=True, cfg_options=EVERY)
    with pytest.raises(CheckpointError, match=r"(?s)no checkpoint in .*delete them to begin.*er_2"):
        train(config, work_dir=out, resume_from_whole=True, cfg_options=EVERY)
    assert len(numbered_checkpoints(out)) == 3


def test_what_is_no_checkpoint_of_a_run_is_not_taken_for_one(tmp_path):
    (tmp_path / "iter_90.pth").mkdir()
    names = ".iter_92.1234.00c0ffee.pth iter_93.pth.damaged iter_0094.pth iter_-95.pth iter_9٦.pth"
    for name in (*names.split(), "best_iter_97.pth", "iter_98 .pth", f"iter_{'9' * 99}.pth"):
        (tmp_path / name).touch()
    assert latest_checkpoint(tmp_path) is None
    for number in (2, 10):
        (tmp_path / f"iter_{number}.pth").touch()
    assert latest_checkpoint(tmp_path) == tmp_path / "iter_10.pth"
    os.symlink("gone.pth", tmp_path / "iter_91.pth")  # whoever reads it is told
    assert latest_checkpoint(tmp_path) == tmp_path / "iter_91.pth"
