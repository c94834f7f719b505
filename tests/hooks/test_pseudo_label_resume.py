"""Pseudo-labels made while training, over a stop and a resume, and by several processes."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from daseg.engine.checkpoint import read_checkpoint
from daseg.engine.train import train
from daseg.offline import job
from daseg.offline.pseudo_labels.labelling import Labelling
from daseg.offline.pseudo_labels.pseudo_label import pseudo_label
from daseg.utils.errors import CheckpointError, ConfigError
from processes import environment, free_port, largest_difference, launch
from runs import digest, label_files, logs, manifest, report_of, rounds, same_run

ROOT = Path(__file__).parents[2]
BALANCED = "threshold=dict(kind='class-balanced', quantile=0.25)"
STOP = "custom_hooks.append(dict(type='StopAt', at={at}))\n"
# In another process: die as of ``kill -9`` when so many pseudo-labels have been written.
KILLING = """
import os, signal
from daseg.offline.pseudo_labels.labelling import Labelling
write, written = Labelling.write, []

def write_and_die(job, *args):
    written.append(write(job, *args))
    if len(written) == int(os.environ.get('KILL_AT', 0)):
        os.kill(os.getpid(), signal.SIGKILL)
    return written[-1]

Labelling.write = write_and_die
"""


def test_resumed_equals_uninterrupted(online, monkeypatch, tmp_path):
    hook, every = f"iterations=[2, 4], keep=-1, {BALANCED}", {}
    every["default_hooks.checkpoint.interval"] = 1
    train(online(hook), work_dir=tmp_path / "whole", cfg_options=every)

    def check(work_dir):
        same_run(tmp_path / "whole/iter_6.pth", work_dir / "iter_6.pth")
        for name in ("iter_2", "iter_4"):
            made = [tmp_path / run / "pseudo_labels" / name for run in ("whole", work_dir.name)]
            assert label_files(made[0]) == label_files(made[1])
        assert report_of(work_dir)["target_pseudo_labels_opened"] == 8
        assert "resuming with another" not in logs(work_dir)

    # Before the first round, where a round is due, between two, and after the last one.
    for at in (1, 2, 3, 4, 5):
        run = tmp_path / f"stopped_{at}"
        with pytest.raises(KeyboardInterrupt):
            train(online(hook, STOP.format(at=at), name="stop"), work_dir=run, cfg_options=every)
        assert max(int(path.stem[5:]) for path in run.glob("iter_*.pth")) == at
        assert len(list(run.glob("pseudo_labels/*/manifest.json"))) == (at - 1) // 2
        train(online(hook), work_dir=run, resume=True, cfg_options=every)
        check(run)

    # In the midst of the second round's labelling; what it has left is not made again.
    written: list[str] = []
    write = Labelling.write

    def fail_late(job, item, *arrays):
        made = write(job, item, *arrays)
        written.append(made.name)
        if len(written) == 12 + 5:
            raise RuntimeError("killed")
        return made

    run = tmp_path / "labelling"
    monkeypatch.setattr(Labelling, "write", fail_late)
    with pytest.raises(RuntimeError, match="killed"):
        train(online(hook), work_dir=run, cfg_options=every)
    assert not (run / "pseudo_labels/iter_4/manifest.json").exists()
    begun = len(written)
    train(online(hook), work_dir=run, resume=True, cfg_options=every)
    assert len(written) == 12 + 12 + 1  # the image whose writing failed is made twice
    assert begun > 12
    check(run)


def test_what_other_weights_left_is_made_again(online, tmp_path):
    """A folder of a run that ended before its first checkpoint is not taken for this run's."""
    stop = STOP.format(at=1) + "randomness.update(seed=8)\n"
    with pytest.raises(KeyboardInterrupt):
        train(online("at_start=True", stop, name="stop"), work_dir=tmp_path / "run")
    before = label_files(tmp_path / "run/pseudo_labels/iter_0")
    train(online("at_start=True"), work_dir=tmp_path / "run")
    train(online("at_start=True"), work_dir=tmp_path / "fresh")
    after, fresh = (
        label_files(tmp_path / f"{run}/pseudo_labels/iter_0") for run in ("run", "fresh")
    )
    assert before != after == fresh


def test_pseudo_labels_of_the_resumed_checkpoint_have_to_be_there(online, tmp_path):
    config, run = online("interval=2"), tmp_path / "run"
    train(config, work_dir=run, cfg_options={"train_cfg.max_iters": 4, "param_scheduler.0.end": 6})
    folder = run / "pseudo_labels/iter_2"
    folder.rename(run / "away")
    message = r"pseudo-labels of round 1 in .*iter_2, which {}\. The network has learnt since and "
    message += "cannot make them again: put the folder back, or resume from .* of iteration 2 or"
    with pytest.raises(CheckpointError, match=message.format("are not there")):
        train(config, work_dir=run, resume=True)
    shutil.copytree(run / "away", folder)
    (folder / "manifest.json").write_text((folder / "manifest.json").read_text() + " ")
    with pytest.raises(CheckpointError, match=message.format("are others by now")):
        train(config, work_dir=run, resume=True)
    # As the message says: from the checkpoint before the round it is made again.
    shutil.rmtree(folder)
    (run / "iter_4.pth").unlink()
    train(config, work_dir=run, resume=True)
    train(config, work_dir=tmp_path / "whole")
    same_run(tmp_path / "whole/iter_6.pth", run / "iter_6.pth")


def test_labels_of_another_run_to_begin_with_are_no_round_of_this_one(online, tmp_path):
    train(online("iterations=[1]"), work_dir=tmp_path / "first")
    labels = tmp_path / "first/pseudo_labels/iter_1"
    config = online("iterations=[3]", f"pair['pseudo_labels'] = {str(labels)!r}\n")
    train(config, work_dir=tmp_path / "whole")
    half = {"train_cfg.max_iters": 2, "param_scheduler.0.end": 6}
    train(config, work_dir=tmp_path / "halves", cfg_options=half)
    train(config, work_dir=tmp_path / "halves", resume=True)
    same_run(tmp_path / "whole/iter_6.pth", tmp_path / "halves/iter_6.pth")
    assert rounds(tmp_path / "halves") == ["iter_3"]


def test_a_round_that_lies_behind_is_not_waited_for(online, tmp_path):
    run, stop = tmp_path / "run", STOP.format(at=3)
    with pytest.raises(KeyboardInterrupt):
        train(online("iterations=[5]", stop), work_dir=run)
    with pytest.raises(ConfigError, match=r"no round is between iteration 2, where this run beg"):
        train(online("iterations=[1]"), work_dir=run, resume=True)
    train(online("iterations=[1, 4]"), work_dir=run, resume=True)
    assert rounds(run) == ["iter_4"]


def test_another_schedule_of_rounds_is_another_run(online, tmp_path):
    run, half = tmp_path / "run", {"train_cfg.max_iters": 4, "param_scheduler.0.end": 6}
    train(online("interval=2"), work_dir=run, cfg_options=half)
    train(online("interval=3"), work_dir=run, resume=True)
    assert "resuming with another pseudo_label_hook than" in logs(run)


def test_old_rounds_are_removed_but_for_those_that_a_checkpoint_needs(online, tmp_path):
    options = {"train_cfg.max_iters": 7, "default_hooks.checkpoint.interval": 1}
    options["default_hooks.checkpoint.max_keep_ckpts"] = 3
    for keep, left in {1: ["iter_4", "iter_6"], 3: ["iter_2", "iter_4", "iter_6"]}.items():
        run = tmp_path / f"keep_{keep}"
        hook = f"interval=2, at_start=True, keep={keep}"
        train(online(hook), work_dir=run, cfg_options=options)
        # The checkpoint of iteration 5 was trained with the labels of 4, as is that of 6.
        assert sorted(p.name for p in run.glob("iter_*.pth")) == [
            f"iter_{n}.pth" for n in (5, 6, 7)
        ]
        assert rounds(run) == left


@pytest.mark.slow
def test_killed_in_the_midst_of_labelling(online, monkeypatch, tmp_path):
    (tmp_path / "killing.py").write_text(KILLING)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path) + os.pathsep + os.environ["PYTHONPATH"])
    config = online("iterations=[2, 4]", "custom_imports['imports'].append('killing')\n")

    def status_of(name, *more, **env):
        command = [
            sys.executable,
            "tools/train.py",
            str(config),
            "--work-dir",
            str(tmp_path / name),
        ]
        done = subprocess.run([*command, *more], cwd=ROOT, env=os.environ | env, check=False)
        return done.returncode

    assert status_of("whole") == 0
    assert status_of("killed", KILL_AT="17") == -signal.SIGKILL
    folder = tmp_path / "killed/pseudo_labels/iter_4"
    assert (folder / "manifest.jsonl").is_file()
    assert 0 < len(list((folder / "labels").glob("*.png"))) < 12
    assert status_of("killed", "--resume") == 0
    same_run(tmp_path / "whole/iter_6.pth", tmp_path / "killed/iter_6.pth")
    made = [tmp_path / run / "pseudo_labels/iter_4" for run in ("whole", "killed")]
    assert label_files(made[0]) == label_files(made[1])


def test_each_process_labels_its_own_images(trained, quickly, monkeypatch, tmp_path):
    for rank in (0, 1):
        monkeypatch.setattr(job, "get_world_size", lambda: 2)
        monkeypatch.setattr(job, "get_rank", lambda rank=rank: rank)
        pseudo_label(trained["config"], trained["checkpoint"], out=tmp_path / str(rank), workers=0)
        made = sorted(path.stem for path in (tmp_path / str(rank) / "labels").iterdir())
        assert made == [f"{number:02d}" for number in range(rank, 12, 2)]


@pytest.mark.slow
def test_two_processes_equal_one(online, tmp_path):
    extra = "model['segmentor']['head'].update(dropout=0.0)\n"
    extra += "optim_wrapper['segmentor']['optimizer'].update(lr=0.001)\n"
    config = online(f"interval=3, at_start=True, keep=-1, {BALANCED}", extra, norm="gn")
    env = environment(tmp_path, MASTER_PORT=str(free_port()))
    one, two = tmp_path / "one", tmp_path / "two"
    launch("tools/dist_train.sh", config, 2, "--work-dir", two, env=env)
    train(config, work_dir=one, cfg_options={"train_dataloader.batch_size": 4})
    states = [read_checkpoint(two / f"rank{rank}.pth")["state_dict"] for rank in (0, 1)]
    states.append(read_checkpoint(one / "rank0.pth")["state_dict"])
    assert largest_difference(*states[:2]) == 0
    assert largest_difference(*states[1:]) < 1e-5
    assert rounds(one) == rounds(two) == ["iter_0", "iter_3"]
    first = [run / "pseudo_labels/iter_0" for run in (one, two)]  # of the same weights
    assert label_files(first[0]) == label_files(first[1])
    for key in ("images", "coverage", "checkpoints", "settings", "round"):
        assert manifest(first[0])[key] == manifest(first[1])[key], key
    for run in (one, two):
        facts = read_checkpoint(run / "iter_6.pth")["meta"]["pseudo_labels"]
        assert facts["manifest_sha256"] == digest(run / "pseudo_labels/iter_3/manifest.json")
        assert report_of(run)["target_pseudo_labels_opened"] == 24
        assert report_of(run)["target_train_labels_opened"] == 0
