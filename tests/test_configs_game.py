"""From the drawn game to photographs: two data sets of different classes in one training."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from daseg.config.load import load_config
from daseg.datasets import GTA5, CamVid, Cityscapes
from daseg.engine.train import train
from daseg.registry import DATASETS
from daseg.study import read_study
from daseg.worlds.drawing import make_world
from small_camvid import write_pair

CONFIGS = Path(__file__).parents[1] / "configs"
# Of each of Cityscapes' classes, the one of CamVid that has its pixels.
JOINED = {
    **{"road": "road", "sidewalk": "pavement", "building": "building", "wall": "building"},
    **{"fence": "fence", "pole": "pole", "traffic light": "sign", "traffic sign": "sign"},
    **{"vegetation": "tree", "terrain": "tree", "sky": "sky", "person": "pedestrian"},
    **{"rider": "bicyclist", "car": "car", "truck": "car", "bus": "car", "train": "car"},
    **{"motorcycle": "bicyclist", "bicycle": "bicyclist"},
}


def test_the_game_is_read_in_camvids_classes():
    game = load_config(CONFIGS / "camvid/game_to_day.py").train_dataloader.dataset.source
    assert tuple(game.classes) == CamVid.CLASSES
    assert [list(colour) for colour in game.palette] == CamVid.PALETTE
    joined = {
        label_id: CamVid.CLASSES.index(JOINED[Cityscapes.CLASSES[train_id]])
        for label_id, train_id in Cityscapes.TRAIN_IDS.items()
    }
    assert dict(game.id_map) == joined
    assert sorted(game.ignored_ids) == sorted(GTA5.IGNORED)


def test_only_supervised_training_opens_labels_of_photographs():
    for name, kinds in dict(
        game_source_only=["Supervised"],
        game_to_day=["Supervised", "ClassMix", "MaskedConsistency"],
    ).items():
        cfg = load_config(CONFIGS / f"camvid/{name}.py")
        assert [objective.type for objective in cfg.model.objectives] == kinds
        assert cfg.train_dataloader.dataset.target.labels is False
    supervised = load_config(CONFIGS / "camvid/game_supervised.py")
    assert supervised.train_dataloader.dataset.list_file == "lists/day_train.txt"
    assert supervised.test_dataloader.dataset.list_file == "lists/day_test.txt"
    assert supervised.model.objectives == cfg.model.objectives[:1]


@pytest.fixture
def stand_in(tmp_path, monkeypatch) -> dict:
    """Eight drawn pictures and some photographs of noise; what makes a training of them short."""
    root = tmp_path / "game"
    counts = dict(num_source=8, num_target=1, num_val=1, num_test=1)
    make_world(root, size=(120, 90), workers=1, progress=False, **counts)
    camvid = tmp_path / "camvid"
    (camvid / "lists").mkdir(parents=True)
    for index, split in enumerate(("day_train", "day_val", "day_test")):
        names = [f"{split}/{number}" for number in range(2)]
        (camvid / f"lists/{split}.txt").write_text("\n".join(names))
        for number, name in enumerate(names):
            image, label = camvid / f"images/{name}.jpg", camvid / f"labels/{name}.png"
            write_pair(image, label, 2 * index + number, size=(90, 120))
    monkeypatch.setenv("DASEG_GAME", str(root))
    monkeypatch.setenv("DASEG_CAMVID", str(camvid))
    return {
        "model.segmentor.backbone.weights": None,
        "train_cfg.max_iters": 2,
        "train_cfg.val_interval": 2,
        "train_dataloader.batch_size": 2,
        "train_dataloader.num_workers": 0,
        "train_dataloader.persistent_workers": False,
        "val_dataloader.num_workers": 0,
        "default_hooks.logger.interval": 1,
    }


def test_the_drawn_labels_become_camvids(stand_in):
    cfg = load_config(CONFIGS / "camvid/game_to_day.py", stand_in)
    source = dict(cfg.train_dataloader.dataset.source)
    del source["pipeline"]
    label = DATASETS.build(source)[0]["label"].numpy()
    ids = np.array(Image.open(Path(source["root"]) / "labels/00001.png"))
    for label_id, name in ((7, "road"), (8, "pavement"), (11, "building"), (23, "sky")):
        assert (ids == label_id).any()
        assert (label[ids == label_id] == CamVid.CLASSES.index(name)).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["game_to_day", "game_supervised"])
def test_it_trains(name, stand_in, tmp_path):
    runner = train(CONFIGS / f"camvid/{name}.py", work_dir=tmp_path / "run", cfg_options=stand_in)
    assert runner.iter == 2
    (log,) = (tmp_path / "run").glob("*/vis_data/scalars.json")
    logged = {key for line in log.read_text().splitlines() for key in json.loads(line)}
    assert {"loss_seg", "mIoU"} <= logged
    assert ("loss_mix" in logged) == (name == "game_to_day")
    if name == "game_to_day":
        assert "target train labels opened: 0" in (tmp_path / "run/report.txt").read_text()


def test_the_studys_rows_start_from_source_only():
    rows = read_study(CONFIGS / "studies/game_to_day.py").rows
    assert "load_from" not in rows["source_only"].cfg_options
    adapted = [row for name, row in rows.items() if name != "source_only"]
    assert all(row.cfg_options["load_from"] == "{source_only}" for row in adapted)
    assert all((row.baseline, row.oracle) == ("source_only", "supervised") for row in adapted)
