"""Several sets of images in one validation or test, each with its own numbers, table and card."""

import hashlib
import json

import numpy as np
import pytest

from daseg.engine.checkpoint import read_checkpoint
from daseg.engine.evaluate import evaluate
from daseg.engine.train import train
from daseg.evaluation.card_file import load_card
from daseg.utils.errors import ConfigError, DataError

FEW = dict(num_samples=3, subset_seed=1)


def test_a_test_writes_a_table_and_a_card_for_each(trained, tiny_data, tmp_path, capsys):
    config, checkpoint = trained["config"], trained["checkpoint"]
    other = dict(type="FolderDataset", root=str(tiny_data), num_samples=5,
                 classes=["left", "right", "square"])  # fmt: skip
    options = {"test_cfg.sets": dict(few=FEW, other=other)}
    whole = evaluate(config, checkpoint, out=tmp_path / "whole", cfg_options=options)
    assert "few:" in capsys.readouterr().out.splitlines()
    for name, number in ((".", 12), ("few", 3), ("other", 5)):
        card = json.loads((tmp_path / "whole" / name / "protocol_card.json").read_text())
        assert (card["num_images"], card["iteration"]) == (number, 6)
        assert (tmp_path / "whole" / name / "table.txt").is_file()
        assert (tmp_path / "whole" / name / "confusion_matrix.png").is_file()
    alone = {f"test_dataloader.dataset.{key}": value for key, value in FEW.items()}
    few = evaluate(config, checkpoint, out=tmp_path / "few", cfg_options=alone)
    matrix = np.load(tmp_path / "whole/few/confusion_matrix.npz")["matrix"]
    assert np.array_equal(matrix, few.matrix)
    assert whole.matrix.sum() > few.matrix.sum()


@pytest.mark.parametrize(
    ("sets", "match"),
    [
        (dict(few=3), r"test_cfg.sets: has to be a dict from text to a dict"),
        ({"../few": FEW}, r"test_cfg.sets.../few: a set's name is of letters"),
        (dict(few=dict(root="nowhere")), r"its root nowhere does not exist"),
    ],
)
def test_what_is_no_set_is_refused(trained, tmp_path, sets, match):
    with pytest.raises((ConfigError, DataError), match=match):
        evaluate(trained["config"], trained["checkpoint"], out=tmp_path,
                 cfg_options={"test_cfg.sets": sets})  # fmt: skip


def test_a_validation_logs_each_set_by_its_name(gan_config, tmp_path):
    config = gan_config("val_cfg['sets'] = dict(few=dict(num_samples=3), all=dict())\n")
    train(config, work_dir=tmp_path, cfg_options={"train_cfg.max_iters": 1})
    (log,) = tmp_path.glob("*/vis_data/scalars.json")
    (row,) = [r for r in map(json.loads, log.read_text().splitlines()) if "mIoU" in r]
    assert row["all_mIoU"] == row["mIoU"]
    assert row["few_mIoU"] != row["mIoU"]
    for name, number in (("few", 3), ("all", 12)):
        folder = tmp_path / "validation" / name
        card = load_card(folder)
        assert (card.num_images, card.iteration, card.network) == (number, 1, "teacher")
        assert card.checkpoint_choice == "last"
        results = json.loads((folder / "results.json").read_text())
        assert results["mIoU"] == pytest.approx(row[f"{name}_mIoU"])
        assert (folder / "confusion_matrix.png").is_file()
    state = read_checkpoint(tmp_path / "iter_1.pth")["state_dict"]
    digest = hashlib.sha256()
    for key in sorted(key for key in state if key.startswith("teacher.module.")):
        value = state[key]
        own = key.removeprefix("teacher.module.")
        digest.update(f"{own} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.numpy().tobytes())
    assert card.weights_sha256 == digest.hexdigest()
