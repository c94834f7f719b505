"""A pair of one's own, as docs/data.md says: the config is copied, its data are edited."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from daseg.config.load import load_config
from daseg.registry import DATASETS
from daseg.utils.errors import ConfigError, DataError

ROOT = Path(__file__).parents[1]
MINE = """
source, target, test = 'mine/game', 'mine/dusk', 'mine/dusk_test'
source_classes = dict(sky=[23], road=[7, 8], bicyclist=[])
source_ignored = [0]
target_classes = dict(sky=0, road=1, bicyclist=2)
target_ignored = [3]
source_files = target_files = test_files = dict()
size = (80, 60)
crop = (32, 32)
num_val = 2

"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """The copied config with data of one's own in a new folder; gives the file to edit."""
    for domain, suffix, ids in (("game", "png", [7, 23, 0, 8]), ("dusk_test", "jpg", [0, 1, 2, 3])):
        for kind in ("images", "labels"):
            (tmp_path / "mine" / domain / kind).mkdir(parents=True)
        folder = tmp_path / "mine" / domain
        for name in "abcde":
            cv2.imwrite(str(folder / f"images/{name}.{suffix}"), np.zeros((60, 80, 3), np.uint8))
            label = np.repeat(np.array(ids, np.uint8), 20)[None].repeat(60, 0)
            cv2.imwrite(str(folder / f"labels/{name}.png"), label)
    (tmp_path / "mine/dusk").mkdir()
    (tmp_path / "mine/dusk_test/images").rename(tmp_path / "mine/dusk/images")
    (tmp_path / "mine/dusk_test/images").symlink_to(tmp_path / "mine/dusk/images")
    for path in (ROOT / "configs/own_pair").rglob("*.py"):
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text())
    base = tmp_path / "configs/_base_"
    base.symlink_to(ROOT / "configs/_base_")
    data = tmp_path / "configs/own_pair/_base_/data.py"
    start, rest = data.read_text().split("source = ")[0], data.read_text().split("# -----", 1)[1]
    data.write_text(f"{start}{MINE}# -----{rest}")
    monkeypatch.chdir(tmp_path)
    return data


def read_a_sample():
    pair = DATASETS.build(load_config("configs/own_pair/adapted.py").train_dataloader.dataset)
    return pair.source[0], pair.target[0]


def test_the_folders_and_tables_become_a_pair(mine):
    cfg = load_config("configs/own_pair/adapted.py")
    assert cfg.model.segmentor.num_classes == 3
    pair = DATASETS.build(cfg.train_dataloader.dataset)
    assert (len(pair.source), len(pair.target)) == (5, 5)
    assert pair.metainfo["classes"] == ("sky", "road", "bicyclist")
    assert "label" not in pair.target[0]
    for part, expected in (("val", [1, 0, 255, 1]), ("test", [0, 1, 2, 255])):
        dataset = DATASETS.build(cfg[f"{part}_dataloader"].dataset)
        assert dataset[0]["label"][0, ::20].tolist() == expected


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("mine/game", "mine/gmae", r"root mine/gmae does not exist"),
        ("road=[7, 8]", "road=[7, 23]", r"label id 23 is both 'sky' and 'road'"),
        ("road=1", "raod=1", r"classes differ.*'sky', 'road', 'bic.*'sky', 'raod', 'bic"),
        ("road=[7, 8]", "road=[7]", r"game/labels/a.png holds ids .* not know: 8 \(1200 pixels\)"),
        ("size = (80, 60)", "size = (80)", r"pipeline.*scale"),
        ("crop = (32, 32)", "crop = 32", r"crop_size"),
    ],
)
def test_a_typo_is_named(mine, right, wrong, message):
    assert right in mine.read_text()
    mine.write_text(mine.read_text().replace(right, wrong))
    with pytest.raises((ConfigError, DataError), match=f"(?s){message}"):
        read_a_sample()
