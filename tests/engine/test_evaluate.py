"""An evaluation: its files, its options, its errors."""

import json

import numpy as np
import pytest
import torch

from daseg.engine.checkpoint import read_checkpoint
from daseg.engine.evaluate import evaluate
from daseg.utils.errors import CheckpointError, ConfigError


@pytest.fixture(scope="module")
def result(trained, tmp_path_factory):
    """The evaluation of the tiny run, and the folder of its files."""
    out = tmp_path_factory.mktemp("evaluated")
    found = evaluate(trained["config"], trained["checkpoint"], out=out, seed_log=out / "seed.txt")
    return found, out


def test_the_files_agree_with_the_result(result, tiny_data):
    found, out = result
    content = json.loads((out / "results.json").read_text())
    matrix = np.load(out / "confusion_matrix.npz")["matrix"]
    assert np.array_equal(matrix, found.matrix)
    labelled = sum(32 - (1 + 2 * i) for i in range(12)) * 48  # rows without a label are 255
    assert matrix.sum() == labelled
    tp = np.diag(matrix)
    union = matrix.sum(0) + matrix.sum(1) - tp
    assert found.mIoU == pytest.approx(
        np.nanmean(np.where(union > 0, tp / np.maximum(union, 1), np.nan))
    )
    assert content["mIoU"] == pytest.approx(100 * found.mIoU, abs=0.01)
    assert (out / "confusion_matrix.png").stat().st_size > 1000
    assert "square" in (out / "table.txt").read_text()
    assert "===> mIoU" in (out / "seed.txt").read_text()


def test_the_card_tells_how_it_was_measured(result, trained):
    _, out = result
    lines = (out / "protocol_card.txt").read_text().splitlines()
    assert len(lines) == 10
    card = json.loads((out / "protocol_card.json").read_text())
    assert card["iteration"] == 6
    assert card["seed"] == 3
    assert card["checkpoint_choice"] == "last"
    assert card["num_images"] == 12
    assert card["label_sizes"] == card["input_sizes"] == [[32, 48]]
    assert card["classes"] == ["left", "right", "square"]
    assert card["inference"] == {"type": "WholeInference"}
    assert card["tta"] == {}
    assert len(card["weights_sha256"]) == len(card["config_sha256"]) == 64


def test_test_time_augmentation_changes_the_numbers_and_the_card(result, trained, tmp_path):
    plain, _ = result
    augmented = evaluate(trained["config"], trained["checkpoint"], out=tmp_path, tta=True)
    assert not np.array_equal(plain.matrix, augmented.matrix)
    card = json.loads((tmp_path / "protocol_card.json").read_text())
    assert card["tta"]["scales"] == [1.0, 1.5]


def test_in_mixed_precision_nearly_all_pixels_keep_their_class_and_the_card_says_so(
    result, trained, tmp_path
):
    plain, _ = result
    options = {"test_cfg.fp16": True}
    mixed = evaluate(trained["config"], trained["checkpoint"], out=tmp_path, cfg_options=options)
    moved = np.abs(plain.matrix - mixed.matrix).sum() / 2
    assert 0 < moved < 0.01 * plain.matrix.sum()
    card = json.loads((tmp_path / "protocol_card.json").read_text())
    assert card["inference"] == {"type": "WholeInference", "mixed_precision": True}


def test_the_results_lie_beside_the_checkpoint_where_not_said(trained, tmp_path):
    copy = tmp_path / "some.pth"
    copy.write_bytes(trained["checkpoint"].read_bytes())
    evaluate(trained["config"], copy)
    assert (tmp_path / "test_some/results.json").is_file()
    card = json.loads((tmp_path / "test_some/protocol_card.json").read_text())
    assert card["checkpoint_choice"] == "last"  # the file says so, whatever its name


def test_the_hash_names_the_config_and_not_the_folder(trained, tmp_path):
    def hash_of(name, **options):
        evaluate(trained["config"], trained["checkpoint"], out=tmp_path / name, **options)
        return json.loads((tmp_path / name / "protocol_card.json").read_text())["config_sha256"]

    first = hash_of("a")
    assert hash_of("b", seed_log=tmp_path / "log") == first
    other = {"optim_wrapper.segmentor.optimizer.lr": 0.5}
    assert hash_of("c", cfg_options=other) != first


def test_the_initial_weights_of_the_training_do_not_replace_the_checkpoint(
    result, trained, tmp_path
):
    """Neither the backbone's, which need not exist any more, nor load_from's."""
    state = read_checkpoint(trained["checkpoint"])["state_dict"]
    torch.save(
        {"state_dict": {k: torch.zeros_like(v) for k, v in state.items()}}, tmp_path / "0.pth"
    )
    options = {"load_from": str(tmp_path / "0.pth"), "model.segmentor.backbone.weights": "gone.pth"}
    found = evaluate(
        trained["config"], trained["checkpoint"], out=tmp_path / "out", cfg_options=options
    )
    assert np.array_equal(found.matrix, result[0].matrix)


def test_a_missing_checkpoint_names_those_that_are_there(trained):
    with pytest.raises(
        CheckpointError, match=r"iter_7.pth \(there: best_.*iter_4.pth, iter_6.pth\)"
    ):
        evaluate(trained["config"], trained["work_dir"] / "iter_7.pth")


def test_a_checkpoint_of_another_network_is_refused(trained, tmp_path):
    options = {"model.segmentor.head.channels": 8}
    with pytest.raises(CheckpointError, match=r"does not fit the model.*checkpoint of this config"):
        evaluate(trained["config"], trained["checkpoint"], out=tmp_path, cfg_options=options)


def test_a_config_without_a_test_says_so(tiny_config, trained):
    config = tiny_config("test_dataloader = None\n")
    with pytest.raises(ConfigError, match="has no test_dataloader and test_evaluator"):
        evaluate(config, trained["checkpoint"])


def test_tta_without_its_key_shows_an_example(tiny_config, trained, tmp_path):
    config = tiny_config("del tta\n")
    with pytest.raises(ConfigError, match=r"has no key 'tta'; for example"):
        evaluate(config, trained["checkpoint"], out=tmp_path, tta=True)
