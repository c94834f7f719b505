"""The protocol card."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from daseg.evaluation import (
    IoUResult,
    checkpoint_choice,
    compare,
    load_card,
    write_card,
)
from daseg.evaluation.protocol import _command_line
from daseg.utils.errors import CheckpointError, DataError
from daseg.weights.files import sha256_file

RESULT = IoUResult(
    ("road", "sky"),
    np.eye(2, dtype=int),
    num_images=500,
    input_sizes=[(512, 1024)],
    label_sizes=[(1024, 2048)],
)


@pytest.fixture
def card(tmp_path):
    (tmp_path / "best_mIoU_iter_300.pth").write_bytes(b"abc")
    return write_card(
        tmp_path / "out",
        config="configs/x.py",
        config_text="lr = 0.1\n",
        weights=tmp_path / "best_mIoU_iter_300.pth",
        result=RESULT,
        iteration=300,
        initial_weights="ImageNet",
        inference=dict(mode="slide", window=(512, 512)),
        tta=dict(flip=True),
        seed=7,
    )


def test_card_says_what_was_done(card):
    # The SHA-256 of "abc" is the standard's own example (FIPS 180-2, B.1).
    assert card.weights_sha256.startswith("ba7816bf8f01cfea414140de5dae2223")
    assert card.config_sha256 == hashlib.sha256(b"lr = 0.1\n").hexdigest()
    assert card.checkpoint_choice == "best on validation"
    assert (card.input_sizes, card.label_sizes) == ([(512, 1024)], [(1024, 2048)])
    assert (card.num_images, card.classes, card.device) == (500, ["road", "sky"], "cpu")
    assert {"daseg", "python", "torch", "mmengine", "numpy"} <= set(card.versions)


@pytest.mark.parametrize(("script", "named"), [
    ("{here}/tools/test.py", "python3 tools/test.py"),
    ("/else/t.py", "python3 /else/t.py"),
    ("/venv/bin/daseg", "daseg"),
    ("/venv/site-packages/daseg/__main__.py", "daseg"),
])  # fmt: skip
def test_the_command_names_no_folder_above_where_it_was_given(script, named, monkeypatch):
    monkeypatch.setattr("sys.argv", [script.format(here=Path.cwd()), "a b.py", "--world", "demo"])
    monkeypatch.setattr("sys.executable", "/usr/bin/python3")
    assert _command_line() == f"{named} 'a b.py' --world demo"


def test_card_round_trip(card, tmp_path):
    assert load_card(tmp_path / "out") == card
    assert load_card(tmp_path / "out" / "protocol_card.json") == card
    stored = json.loads((tmp_path / "out" / "protocol_card.json").read_text())
    assert stored["input_sizes"] == [[512, 1024]]


def test_ten_readable_lines(card, tmp_path):
    lines = (tmp_path / "out" / "protocol_card.txt").read_text().splitlines()
    assert len(lines) == 10
    text = "\n".join(lines)
    for word in ("configs/x.py", "ba7816bf8f01cfea", "300 iterations from ImageNet", "seed 7"):
        assert word in text
    for word in (
        "input 512x1024, label 1024x2048",
        "2: road, sky",
        "mode=slide, window=[512, 512]",
        "flip=True",
    ):
        assert word in text


def test_a_window_of_shuffling_is_on_the_card(card):
    assert "shuffled" not in "".join(card.lines())
    line = replace(card, shuffle_window=1000).lines()[2]
    assert line.endswith("from ImageNet, seed 7, shuffled within 1000 samples")


def test_compare_finds_unequal_protocols(card):
    same = replace(card, seed=8, date="later", weights="w", weights_sha256="0", config="other.py")
    assert compare([card, same]) == []
    other = replace(card, label_sizes=[(512, 1024)], tta={}, network="teacher")
    assert compare([card, same, other]) == ["label_sizes", "tta", "network"]
    assert compare([card, replace(card, checkpoint_choice="last")]) == ["checkpoint_choice"]
    assert compare([card, replace(card, initial_weights="COCO")]) == ["initial_weights"]
    assert compare([]) == []


def test_checkpoint_choice():
    assert checkpoint_choice("run/iter_200.pth", 200, 200) == "last"
    assert checkpoint_choice("renamed.pth", 200, 200) == "last"
    assert checkpoint_choice("run/iter_100.pth", 100, 200) == "iteration 100 of 200"
    assert checkpoint_choice("run/best_mIoU_iter_200.pth", 200, 200) == "best on validation"
    assert checkpoint_choice("published.pth") == "other"


def test_large_file_is_hashed_whole(tmp_path):
    content = b"x" * (1 << 20) + b"tail"
    (tmp_path / "w.pth").write_bytes(content)
    assert sha256_file(tmp_path / "w.pth") == hashlib.sha256(content).hexdigest()


def test_missing_weights_name_the_file(tmp_path):
    with pytest.raises(CheckpointError, match=r"none\.pth cannot be read: No such file"):
        sha256_file(tmp_path / "none.pth")


@pytest.mark.parametrize("content", [None, "{", "{}", '{"nonsense": 1}'])
def test_unreadable_card_names_the_file(tmp_path, content):
    path = tmp_path / "protocol_card.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=r"protocol_card\.json cannot be read as a protocol card"):
        load_card(path)
