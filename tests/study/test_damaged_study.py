"""Files of a study of any content: the report is written, or one message names the file."""

import json
import random

import pytest

from daseg.study import summary
from daseg.utils.errors import UserError
from json_damage import changed_json

ODD = [None, True, -1, 1e308, 2**80, "", "..", "a/b", "\ud800", [], {}, [[]], [None], {"a": {}}]
RAW = [b"", b"[]", b"\xff", b"{", b"[" * 50_000, b'{"a": NaN}', b'{"state": 1, "state": 2}']


def changed(text, number):
    """One thing in a JSON text changed."""
    rng = random.Random(number)
    if number % 10 == 0:
        return text[: rng.randrange(len(text))].encode()
    return changed_json(text, rng, ODD)


def refusal(root):
    """What is said of a study that cannot be read; "" where it can."""
    try:
        summary(root)
    except UserError as error:
        return str(error)
    return ""


JOB = dict(state="done", commands=["train", "test"], seconds=dict(train=3.5))
REPORT = dict(
    iterations=20,
    seconds=3.5,
    seconds_per_iteration=0.2,
    validation_seconds=1.0,
    peak_memory_mib=300.5,
    peak_memory_of="cuda",
    last_validation_mIoU=float("nan"),
    target_domain=True,
    target_train_labels_opened=0,
)


@pytest.mark.parametrize(
    "name", ["study.json", "results.json", "protocol_card.json", "job.json", "report.json"]
)
def test_damaged_files(name, folder):
    folder.spec["sizes"] = dict(curve=[[10, "a"], [20, "b"]])
    folder.spec["claims"] = [dict(title="A is better", checks=["a > b"])]
    folder.row("a", {1: 20.0, 2: 30.0}, baseline="b", logged={"20": 40.5}, data="Cityscapes")
    folder.row("b", {1: 10.0})
    run = folder.root / "runs/a/seed_1"
    (run / "job.json").write_text(json.dumps(JOB))
    (run / "report.json").write_text(json.dumps(REPORT))
    path = next(p for p in (folder.root, run, run / "test") if (p / name).exists()) / name
    text, right = path.read_text(), summary(folder.root)
    refused = 0
    for data in (*RAW, *(changed(text, number) for number in range(100))):
        path.write_bytes(data)
        said = refusal(folder.root)
        refused += bool(said)
        assert not said or name in said
    assert refused >= 10
    path.write_text(text)
    assert summary(folder.root) == right
