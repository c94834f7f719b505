"""Where runs go, and the checkpoint that a training starts from."""

from pathlib import Path

import pytest

from daseg.config.work_dirs import default_work_dir, start_in_world
from daseg.engine.train import train
from daseg.utils.errors import CheckpointError


def test_the_default_work_dir_tells_configs_of_one_name_apart():
    assert default_work_dir("configs/adaptseg/lsgan_b2.py") == "work_dirs/lsgan_b2"
    assert default_work_dir("configs/a/b.py", "demo") == "work_dirs/demo/a_b"
    assert default_work_dir("configs/c/b.py", "demo") == "work_dirs/demo/c_b"


@pytest.fixture
def student(tmp_path: Path) -> Path:
    """A config whose base's base is rows/first.py; rows/other.py is no base of it."""
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows/first.py").write_text("a = 1\n")
    (tmp_path / "rows/other.py").write_text("a = 1\n")
    (tmp_path / "second.py").write_text("_base_ = ['rows/first.py']\n")
    (tmp_path / "student.py").write_text("_base_ = './second.py'\n")
    return tmp_path / "student.py"


@pytest.mark.parametrize(
    ("load_from", "start"),
    [
        ("work_dirs/first/iter_900.pth", "work_dirs/demo/rows_first/iter_120.pth"),
        ("work_dirs/other/iter_900.pth", "work_dirs/other/iter_900.pth"),
        ("work_dirs/first/best.pth", "work_dirs/first/best.pth"),
        ("/mine/work_dirs/first/iter_900.pth", "/mine/work_dirs/first/iter_900.pth"),
    ],
)
def test_a_world_has_the_checkpoint_of_a_base_and_leaves_other_files(student, load_from, start):
    assert start_in_world(load_from, student, "demo", 120) == start


def test_a_missing_checkpoint_is_said_before_images_are_looked_for(tiny_config, tmp_path):
    missing = str(tmp_path / "gone.pth")
    options = {"load_from": missing, "train_dataloader.dataset.root": str(tmp_path / "no_images")}
    message = rf"no checkpoint {missing}, which .*tiny.py starts from: run the .*load_from=None"
    with pytest.raises(CheckpointError, match=message):
        train(tiny_config(), work_dir=tmp_path / "run", cfg_options=options)
    assert not (tmp_path / "run").exists()


def test_no_checkpoint_and_a_resumed_run_need_none(tiny_config, trained, tmp_path):
    """What a run has started from may be gone when it is resumed."""
    config, start = tiny_config(norm="gn"), tmp_path / "start.pth"
    start.write_bytes(trained["checkpoint"].read_bytes())
    options = {"load_from": str(start), "train_cfg.max_iters": 1}
    train(config, work_dir=tmp_path / "run", cfg_options=options)
    start.unlink()
    options["train_cfg.max_iters"] = 2
    assert train(config, work_dir=tmp_path / "run", resume=True, cfg_options=options).iter == 2
    options = {"load_from": None, "train_cfg.max_iters": 1}
    assert train(config, work_dir=tmp_path / "alone", cfg_options=options).iter == 1


def test_initial_weights_that_would_be_replaced_need_not_be_there(tiny_config, trained, tmp_path):
    options = {"load_from": str(trained["checkpoint"]), "train_cfg.max_iters": 1}
    options |= {"model.segmentor.backbone.weights": str(tmp_path / "gone.pth")}
    runner = train(tiny_config(norm="gn"), work_dir=tmp_path / "run", cfg_options=options)
    assert runner.cfg.model.segmentor.backbone.weights.endswith("gone.pth")
