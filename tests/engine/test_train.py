"""A training: what it leaves behind, and how it stops."""

import hashlib
import itertools
import json
import os
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook

from daseg.backbones import ResNet
from daseg.engine.checkpoint import read_checkpoint
from daseg.engine.runner import Runner
from daseg.engine.train import train
from daseg.evaluation import IoUMetric
from daseg.hooks import CheckpointHook
from daseg.hooks.train_log import TrainingDivergedError
from daseg.registry import HOOKS
from daseg.utils.errors import CheckpointError, ConfigError
from daseg.visualization import read_curve


def scalars(work_dir: Path) -> list[dict]:
    (file,) = work_dir.glob("*/vis_data/scalars.json")
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_the_work_dir_holds_the_images_the_log_and_the_newest_checkpoints(trained):
    work_dir = trained["work_dir"]
    heading, *names = (work_dir / "train_images.txt").read_text().splitlines()
    assert "5 of 12 images, subset_seed 0" in heading
    assert len(set(names)) == 5
    assert sorted(p.name for p in work_dir.glob("iter_*.pth")) == ["iter_4.pth", "iter_6.pth"]
    assert len(list(work_dir.glob("best_mIoU_iter_*.pth"))) == 1
    assert (work_dir / "tiny.py").is_file()


def test_every_logged_iteration_has_its_loss_and_rate(trained):
    rows = [row for row in scalars(trained["work_dir"]) if "loss_seg" in row]
    assert [row["iter"] for row in rows] == [2, 4, 6]
    assert all(row["loss_seg"] > 0 for row in rows)
    for row in rows:  # the rate is the one used in the iteration, of the group at the base rate
        assert row["segmentor.lr"] == pytest.approx(0.01 * (1 - (row["iter"] - 1) / 6) ** 0.9)
    validations = [row for row in scalars(trained["work_dir"]) if "mIoU" in row]
    assert [row["step"] for row in validations] == [2, 4, 6]


def test_the_checkpoint_says_where_it_comes_from(trained):
    meta = read_checkpoint(trained["checkpoint"])["meta"]
    assert (meta["iter"], meta["seed"], meta["world_size"]) == (6, 3, 1)
    assert meta["dataset_meta"]["classes"] == ["left", "right", "square"]
    assert "torch" in meta["versions"]
    assert "DomainAdapter" in meta["cfg"]


def test_checkpoints_written_at_a_validation_count_iterations_right(trained):
    """The best one, and the newest that is written again to hold the best score."""
    files = list(trained["work_dir"].glob("*iter_*.pth"))
    assert len(files) == 3
    for path in files:
        assert read_checkpoint(path)["meta"]["iter"] == int(path.stem.rpartition("_")[2])


def test_the_best_checkpoint_is_the_best(trained):
    best = {r["step"]: r["mIoU"] for r in scalars(trained["work_dir"]) if "mIoU" in r}
    (file,) = trained["work_dir"].glob("best_*.pth")
    assert best[int(file.stem.rpartition("_")[2])] == max(best.values())
    assert "optimizer" not in read_checkpoint(file)


def test_a_run_with_the_best_kept_resumes_at_the_right_iteration(small_config, tmp_path):
    config = small_config()
    options = {
        "train_cfg.val_interval": 2,
        "default_hooks.checkpoint.save_best": "mIoU",
        "default_hooks.checkpoint.interval": 2,
        "default_hooks.checkpoint.max_keep_ckpts": 1,
        "param_scheduler.0.end": 4,
    }
    out = tmp_path / "run"
    train(config, work_dir=out, cfg_options=options | {"train_cfg.max_iters": 2})
    half = out / f".iter_3.{os.getpid()}.00c0ffee.pth"  # as of a run that was killed
    half.touch()
    runner = train(
        config, work_dir=out, resume=True, cfg_options=options | {"train_cfg.max_iters": 4}
    )
    assert runner.iter == 4
    assert not half.exists()
    assert [p.name for p in out.glob("iter_*.pth")] == ["iter_4.pth"]  # the first run's is gone
    state = read_checkpoint(out / "iter_4.pth")
    assert state["param_schedulers"]["segmentor"][0]["last_step"] == 4


def test_a_loss_that_is_not_finite_stops_and_is_named(tiny_config, tmp_path):
    config = tiny_config()
    options = {"optim_wrapper.segmentor.optimizer.lr": 1e25, "train_cfg.val_interval": 1}
    options |= {"default_hooks.checkpoint.save_best": "mIoU"}
    with pytest.raises(
        TrainingDivergedError, match=r"iteration [23]: .*\(loss_seg=.*learning rate"
    ):
        train(config, work_dir=tmp_path / "run", cfg_options=options)
    for path in (tmp_path / "run").glob("*.pth"):
        state = read_checkpoint(path)["state_dict"]
        assert int(path.stem.rpartition("_")[2]) < 3, "written after the loss was not finite"
        assert state


SELDOM = {
    "optim_wrapper.segmentor.optimizer.lr": 1e25,
    "default_hooks.logger.interval": 100,
    "default_hooks.checkpoint.interval": 100,
}


def test_the_last_losses_are_checked_before_the_last_checkpoint(tiny_config, tmp_path):
    with pytest.raises(TrainingDivergedError, match=r"iteration [23]: "):
        train(
            tiny_config(),
            work_dir=tmp_path / "run",
            cfg_options=SELDOM | {"train_cfg.max_iters": 3},
        )
    assert not list((tmp_path / "run").glob("*.pth"))


def test_losses_are_checked_before_a_validation(tiny_config, tmp_path):
    options = SELDOM | {"train_cfg.val_interval": 3}
    with pytest.raises(TrainingDivergedError, match=r"iteration [23]: "):
        train(tiny_config(), work_dir=tmp_path / "run", cfg_options=options)
    assert not any("mIoU" in file.read_text() for file in (tmp_path / "run").rglob("scalars.json"))


def test_mixed_precision_trains_and_says_so(small_config, tmp_path):
    runner = train(
        small_config(), work_dir=tmp_path / "run", amp=True, cfg_options={"train_cfg.max_iters": 2}
    )
    wrapper = runner.optim_wrapper["segmentor"]
    assert type(wrapper).__module__ == "daseg.engine.optim"
    assert wrapper.dtype is torch.bfloat16
    assert all(p.dtype is torch.float32 for p in runner.bare_segmentor.parameters())
    assert (tmp_path / "run/iter_2.pth").is_file()


def test_printing_the_config_trains_nothing(tiny_config, tmp_path, capsys):
    assert train(tiny_config(), work_dir=tmp_path / "run", print_config=True) is None
    assert "end=6" in capsys.readouterr().out
    assert not (tmp_path / "run").exists()


def test_load_from_starts_with_the_segmentors_weights_and_resume_ignores_it(
    trained, tiny_config, tmp_path
):
    config, out = tiny_config(norm="gn"), tmp_path / "run"
    options = {"load_from": str(trained["checkpoint"]), "train_cfg.max_iters": 1}
    options |= {"optim_wrapper.segmentor.optimizer.lr": 0.0}
    train(config, work_dir=out, cfg_options=options)
    first = read_checkpoint(out / "iter_1.pth")
    old = read_checkpoint(trained["checkpoint"])["state_dict"]
    key = next(k for k in old if k.startswith("segmentor.head") and k.endswith("weight"))
    assert torch.equal(first["state_dict"][key], old[key])
    digest = hashlib.sha256(trained["checkpoint"].read_bytes()).hexdigest()
    assert first["meta"]["initial_weights"] == f"{trained['checkpoint'].name} sha256:{digest}"
    runner = train(
        config, work_dir=out, resume=True, cfg_options=options | {"train_cfg.max_iters": 2}
    )
    assert runner.iter == 2
    assert read_checkpoint(out / "iter_2.pth")["meta"]["iter"] == 2


def test_load_from_is_strict(tiny_config, tmp_path):
    torch.save({"state_dict": {"conv1.weight": torch.ones(1)}}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="not one of its 1 keys is one of the model's"):
        train(
            tiny_config(),
            work_dir=tmp_path / "run",
            cfg_options={"load_from": str(tmp_path / "other.pth")},
        )


def test_a_resumed_run_still_knows_its_initial_weights(tiny_config, tmp_path):
    config, out = tiny_config(), tmp_path / "run"
    backbone = tmp_path / "backbone.pth"
    torch.save(ResNet(depth=18).state_dict(), backbone)
    options = {"model.segmentor.backbone.weights": str(backbone), "train_cfg.max_iters": 1}
    train(config, work_dir=out, cfg_options=options)
    backbone.unlink()  # a resumed run does not need it
    train(config, work_dir=out, resume=True, cfg_options=options | {"train_cfg.max_iters": 2})
    first, second = (read_checkpoint(out / f"iter_{i}.pth")["meta"] for i in (1, 2))
    assert backbone.name in first["initial_weights"]
    assert second["initial_weights"] == first["initial_weights"]
    assert str(backbone) in second["cfg"], "the record must say what the training started from"


def test_a_resumed_run_makes_up_for_the_validation_it_missed(small_config, tmp_path):
    config, out = small_config(), tmp_path / "run"
    missed = {"train_cfg.max_iters": 3, "val_dataloader": None, "val_cfg": None}
    train(config, work_dir=out, cfg_options=missed | {"val_evaluator": None})
    train(config, work_dir=out, resume=True, cfg_options={"train_cfg.val_interval": 3})
    assert [step for step, _ in read_curve(out).miou] == [3, 6]


def test_an_early_stop_leaves_a_checkpoint(small_config, tmp_path):
    def stop(runner, batch_idx, data_batch=None, outputs=None):
        runner.train_loop.stop_training = batch_idx == 3

    hook = type("Stop", (Hook,), {"after_train_iter": staticmethod(stop)})
    HOOKS.register_module(module=hook, force=True)
    config = small_config("custom_hooks = [dict(type='Stop')]")
    options = {"default_hooks.checkpoint.interval": 100, "val_dataloader": None}
    options |= {"val_cfg": None, "val_evaluator": None}
    train(config, work_dir=tmp_path / "run", cfg_options=options)
    assert read_checkpoint(tmp_path / "run/iter_4.pth")["meta"]["iter"] == 4


def test_the_old_best_goes_when_the_new_one_is_written(small_config, tmp_path, monkeypatch):
    seen = []
    save = Runner.save_checkpoint

    def spy(self, out_dir, filename, *args, **kwargs):
        if filename.startswith("best"):
            seen.append(sorted(p.name for p in Path(out_dir).glob("best*")))
        return save(self, out_dir, filename, *args, **kwargs)

    monkeypatch.setattr(Runner, "save_checkpoint", spy)
    better = itertools.count()  # each validation finds a better one
    monkeypatch.setattr(IoUMetric, "compute_metrics", lambda *_: {"mIoU": float(next(better))})
    options = {"default_hooks.checkpoint.save_best": "mIoU", "train_cfg.val_interval": 1}
    train(small_config(), work_dir=tmp_path / "run", cfg_options=options)
    assert seen == [[], *([f"best_mIoU_iter_{i}.pth"] for i in range(1, 6))]
    assert len(list((tmp_path / "run").glob("best*"))) == 1


def test_persistent_workers_are_no_obstacle_to_none(small_config, tmp_path):
    options = {"train_dataloader.persistent_workers": True, "train_cfg.max_iters": 1}
    train(small_config(), work_dir=tmp_path / "run", cfg_options=options)
    assert (tmp_path / "run/iter_1.pth").is_file()


def test_a_sampler_that_cannot_resume_is_refused(tiny_config, tmp_path):
    config = tiny_config()
    text = config.read_text().replace(
        "type='EndlessSampler'", "type='DefaultSampler', shuffle=True"
    )
    config.write_text(text)
    with pytest.raises(
        ConfigError, match=r"DefaultSampler cannot be .* start at a position.*EndlessSampl"
    ):
        train(config, work_dir=tmp_path / "run")


def test_checkpoints_count_iterations():
    with pytest.raises(ConfigError, match="interval counts iterations"):
        CheckpointHook(interval=1, by_epoch=True)
