"""Which network of a training with a teacher is tested."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from daseg.engine.adabn import adapted_checkpoint
from daseg.engine.checkpoint import read_checkpoint
from daseg.engine.evaluate import evaluate
from daseg.utils.errors import CheckpointError, ConfigError

FIXTURES = Path(__file__).parents[1] / "fixtures"


@pytest.fixture(scope="module")
def taught(small_run, tmp_path_factory):
    """A checkpoint whose teacher sees the second class everywhere, and its student not."""
    checkpoint = read_checkpoint(small_run["checkpoint"])
    student = checkpoint["state_dict"]
    teacher = {k.replace("segmentor.", "teacher.module.", 1): v.clone() for k, v in student.items()}
    biases = [k for k, v in teacher.items() if "head" in k and k.endswith("bias") and len(v) == 3]
    assert biases
    for key in biases:
        teacher[key] = torch.tensor([0.0, 1000.0, 0.0])
    checkpoint["state_dict"] = {**student, **teacher}
    path = tmp_path_factory.mktemp("taught") / "iter_1.pth"
    torch.save(checkpoint, path)
    return dict(small_run, checkpoint=path)


def predicted(result) -> np.ndarray:
    return result.matrix.sum(0) / result.matrix.sum()


@pytest.mark.parametrize(
    ("validated", "asked", "tested"),
    [
        ("teacher", None, "teacher"),
        ("teacher", "student", "student"),
        ("student", None, "student"),
        ("student", "teacher", "teacher"),
    ],
)
def test_the_asked_network_is_tested_by_default_the_validated_one(
    taught, small_run, tmp_path, monkeypatch, validated, asked, tested
):
    monkeypatch.syspath_prepend(str(FIXTURES))
    checkpoint = read_checkpoint(taught["checkpoint"])
    checkpoint["meta"]["evaluated"] = validated
    path = tmp_path / "iter_1.pth"
    torch.save(checkpoint, path)
    found = evaluate(taught["config"], path, network=asked)
    if tested == "teacher":
        assert predicted(found).tolist() == [0, 1, 0]
    else:
        own = evaluate(small_run["config"], small_run["checkpoint"], out=tmp_path / "own")
        assert np.array_equal(found.matrix, own.matrix)
        assert predicted(found)[1] < 1
    folder = tmp_path / (f"test_iter_1_{asked}" if asked else "test_iter_1")
    assert json.loads((folder / "protocol_card.json").read_text())["network"] == tested


def test_a_checkpoint_without_a_teacher_has_none_to_test(small_run, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(FIXTURES))
    with pytest.raises(CheckpointError, match=r"iter_1.pth has one network, not a teacher and a"):
        evaluate(small_run["config"], small_run["checkpoint"], out=tmp_path, network="teacher")


def test_the_trainings_option_is_refused_where_it_would_do_nothing(taught, tmp_path):
    options = {"model.evaluate": "student"}
    with pytest.raises(ConfigError, match=r"model\.evaluate is an option of.*--network"):
        evaluate(taught["config"], taught["checkpoint"], out=tmp_path, cfg_options=options)


def test_an_adapted_student_is_kept_as_what_is_tested():
    before = dict(
        meta=dict(iter=4),
        state_dict={"segmentor.weight": torch.zeros(1), "teacher.module.weight": torch.ones(1)},
    )
    network = torch.nn.Module()
    network.weight = torch.nn.Parameter(torch.full((1,), 2.0))
    kept = adapted_checkpoint(before, network, "AdaBN", "student")
    assert kept["state_dict"] == {"segmentor.weight": 2.0, "teacher.module.weight": 1.0}
    assert kept["meta"] == dict(iter=4, batch_norm="AdaBN", evaluated="student")
