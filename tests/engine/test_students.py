"""A student of the study on two processes: what it is called follows from its teacher."""

import json
from pathlib import Path

import cv2
import pytest

from daseg.engine.train import train
from daseg.offline.pseudo_labels.pseudo_label import pseudo_label
from daseg.worlds.drawing import make_world
from processes import environment, free_port, launch

ROOT = Path(__file__).parents[2]
AAGC, SUPERVISED = "style_transfer/aagc_b2", "supervised/cityscapes_seg"
STUDENT = ROOT / "configs/student/aagc_b2_student.py"
QUICK = {"train_cfg.max_iters": 2, "train_dataloader.num_workers": 0}
QUICK |= {"val_dataloader": None, "val_cfg": None, "val_evaluator": None}
QUICK |= {"default_hooks.logger.interval": 1}
NO_WEIGHTS = {"model.segmentor.backbone.weights": None}


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Four pictures of each domain, and a translation of the game."""
    root = tmp_path / "demo"
    sizes = dict(num_source=4, num_target=4, num_val=1, num_test=1)
    make_world(root, size=(128, 64), workers=1, progress=False, **sizes)
    (root / "gta5_translated/images").mkdir(parents=True)
    for image in (root / "gta5/images").iterdir():
        translated = 255 - cv2.imread(str(image))
        assert cv2.imwrite(str(root / "gta5_translated/images" / image.name), translated)
    monkeypatch.setenv("DASEG_DEMO", str(root))
    return root


def trained(name, out):
    config = ROOT / f"configs/{name}.py"
    train(config, work_dir=out, world="demo", cfg_options=QUICK | NO_WEIGHTS)
    return config, out / "iter_2.pth"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("teacher", "words"),
    [
        (SUPERVISED, "distillation from a teacher with 4 target labels"),
        (AAGC, "self-training, unsupervised"),
    ],
)
def test_a_student_on_two_processes(world, tmp_path, teacher, words):
    start = trained(AAGC, tmp_path / "aagc")
    made_by = start if teacher == AAGC else trained(teacher, tmp_path / "teacher")
    pseudo_label(*made_by, out=world / "pseudo_labels", workers=0, world="demo")
    options = QUICK | {"load_from": start[1], "train_dataloader.batch_size": 2}
    command = ["tools/dist_train.sh", STUDENT, 2, "--world", "demo", "--work-dir", tmp_path / "run"]
    pairs = [f"{key}={value}" for key, value in options.items()]
    env = environment(tmp_path, MASTER_PORT=str(free_port()))
    launch(*command, "--cfg-options", *pairs, env=env)
    report = json.loads((tmp_path / "run/report.json").read_text())
    assert report["target_train_labels_opened"] == 0
    assert report["target_pseudo_labels_opened"] == 8  # 2 iterations of 2 images in 2 processes
    assert f"training: {words} (by iter_2.pth" in (tmp_path / "run/report.txt").read_text()
    (log,) = (tmp_path / "run").glob("*/vis_data/scalars.json")
    assert log.read_text().count('"loss_pseudo_aux"') == 2
