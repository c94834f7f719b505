"""JSON and arrays of any content: read rightly, or refused in one message with the file's name."""

import json
import os
import random

import numpy as np
import pytest

from daseg.evaluation import load_card, load_matrix
from daseg.evaluation.protocol import ProtocolCard
from daseg.evaluation.report import IoUResult
from daseg.offline.pseudo_labels.threshold import Histogram
from daseg.utils.errors import DataError, UserError
from daseg.utils.json_files import check_shape, parse_json, read_json
from daseg.utils.manifest import read_manifest
from daseg.utils.pseudo_labels import described, read_facts
from daseg.visualization import read_curve
from daseg.visualization.observatory import _colours
from daseg.worlds.drawing.world import MANIFEST, STARTED, _read_settings
from json_damage import changed_json

ODD = [
    None, True, False, 0, -1, 3, 2**63, -(10**30), 1.5, 1e308, "", "x", "..", "a\0", "\ud800", [],
    {}, [[]], [None], [1, 2, 3], {"a": 1}, {"": {}}, [{}], "9" * 50, ["a"] * 3,
]  # fmt: skip
RAW = [b"", b"[]", b"null", b"\xff\xfe{}", b"NaN", b'{"a": NaN}', b'{"a": 1e999}', b"{", b"{}x"]
RAW += [b"[" * 100_000, b'{"a":' * 100_000, b'{"a": 1, "a": 2}', b'{"a": 1' + b"0" * 5000 + b"}"]
RAW += [b"\xef\xbb\xbf{}", b"\0" * 100, b'"' + b"x" * 1000, b'{"a": Infinity}']


def mutations(good, count=100):
    """A good JSON file with one thing in it changed, in many ways, and files of other kinds."""
    yield from RAW
    rng = random.Random(0)
    text = json.dumps(good).encode()
    for number in range(count):
        if number % 5 == 0:
            place = rng.randrange(len(text))
            other = bytes([rng.randrange(256)])
            yield text[:place] + rng.choice([b"", other]) + text[place + 1 :]
        elif number % 5 == 1:
            yield text[: rng.randrange(len(text))]
        else:
            yield changed_json(text, rng, ODD)


def tried(read, *args):
    """What a reader gives, and "" or what it says of a file that it refuses."""
    try:
        return read(*args), ""
    except UserError as error:
        return None, str(error)


ENTRY = dict(
    file="labels/a.png", sha256="0", source="a.png", source_sha256="1", size=[2, 3],
    predicted=[1, 2], kept=[0, 2],
)  # fmt: skip
LABELS = dict(
    format=1,
    kind="pseudo-labels",
    settings=dict(threshold=dict(kind="fixed", value=0.9)),
    checkpoints=[dict(name="iter_3.pth", sha256="0" * 64)],
    teacher_saw_target_labels=0,
    classes=["a", "b"],
    images=dict(a=ENTRY, b=ENTRY),
    round=1,
    iteration=20,
)
CARD = dict(
    vars(ProtocolCard("c.py", "0", "w.pth", "1")),
    input_sizes=[[2, 3]],
    label_sizes=[[2, 3]],
    classes=["a"],
    averaged_with=[["b.pth", "2"]],
    versions=dict(torch="2"),
    pseudo_labels=[dict(root="r", checkpoints=LABELS["checkpoints"], teacher_saw_target_labels=3)],
)
COLOURS = dict(classes=["a", "b"], palette=[[1, 2, 3], [4, 5, 6]])
WORLD = dict(version=1, size=[64, 32], seed=0, source=3)


def facts(path):
    found = read_facts(path.parent)
    return found and described(found[0])


READERS = {
    "manifest": ("manifest.json", LABELS, lambda path: read_manifest(path.parent)),
    "facts": ("manifest.json", LABELS, facts),
    "card": ("protocol_card.json", CARD, lambda path: load_card(path).lines()),
    "colours": ("classes.json", COLOURS, lambda path: _colours(path.parent, ["a", "b", "c"])),
    "world": (MANIFEST, dict(settings=WORLD, files=3), lambda path: _read_settings(path.parent)),
    "started": (STARTED, WORLD, lambda path: _read_settings(path.parent)),
}


@pytest.mark.parametrize("name", list(READERS))
def test_each_reader_reads_rightly_or_refuses(name, tmp_path):
    file, good, read = READERS[name]
    path = tmp_path / file
    path.write_text(json.dumps(good))
    right = read(path)
    assert right
    refused = 0
    for data in mutations(good):
        path.write_bytes(data)
        _, said = tried(read, path)
        refused += bool(said)
        assert not said or file in said
        assert len(said) < 1000 + len(str(path))
    assert refused > 50, "the changes are felt"
    path.write_text(json.dumps(good))
    assert read(path) == right


@pytest.mark.parametrize("last", [b"\n", b""])
def test_lines_of_a_journal(last, tmp_path):
    path = tmp_path / "manifest.jsonl"
    head = json.dumps({key: LABELS[key] for key in ("format", "kind", "settings")}).encode()
    good = dict(name="a", **ENTRY)
    for data in mutations(good):
        if b"\n" in data:
            continue
        path.write_bytes(head + b"\n" + data + last)
        found, said = tried(read_manifest, tmp_path)
        if found is not None:
            assert len(found[1]) == len(last), "a line that was cut off is none"
        else:
            assert last
            assert "manifest.jsonl" in said


def test_lines_of_a_training_log(tmp_path):
    path = tmp_path / "scalars.json"
    good = json.dumps(dict(loss_seg=1.5, iter=1, step=1)).encode() + b"\n"
    for data in mutations(json.loads(good)):
        path.write_bytes(good + data.replace(b"\n", b"") + b"\n" + good)
        found, said = tried(read_curve, path)
        assert str(path) in said if found is None else len(found.loss) in (2, 3)
    path.write_bytes(good + b'{"loss_seg": NaN, "step": 2}\n')  # as Python writes it
    assert np.isnan(read_curve(path).loss[1][1])


def damaged(good, count=100):
    rng = random.Random(1)
    yield from RAW
    for number in range(count):
        place = rng.randrange(len(good))
        if number % 3:
            yield good[:place] + bytes([good[place] ^ 1 << rng.randrange(8)]) + good[place + 1 :]
        else:
            yield good[:place]


def test_damaged_matrices(tmp_path):
    matrix = np.arange(9).reshape(3, 3)
    IoUResult(("a", "b", "c"), matrix).save(tmp_path)
    path = tmp_path / "confusion_matrix.npz"
    for data in damaged(path.read_bytes()):
        path.write_bytes(data)
        found, said = tried(load_matrix, path)
        if found is None:
            assert str(path) in said
        else:  # a bit that does not matter
            assert (found[0].tolist(), found[1]) == (matrix.tolist(), ("a", "b", "c"))
    for wrong in (np.ones((2, 3), int), np.ones((3, 3)), -np.ones((3, 3), int), np.array("x")):
        np.savez(path, matrix=wrong, classes=np.array(["a", "b", "c"]))
        with pytest.raises(DataError, match="cannot be read as a confusion matrix"):
            load_matrix(path)
    np.savez(path, matrix=np.array([{}]), classes=np.array([{}]))  # would run code
    with pytest.raises(DataError, match="cannot be read as a confusion matrix"):
        load_matrix(path)


def test_a_damaged_histogram_is_counted_again(tmp_path):
    path, settings = tmp_path / "histogram.npz", dict(a=1)
    good = Histogram(path, 2, settings)
    good.counts[0, 5] = 7
    good.sources = ["0" * 64]
    good.save()
    for data in damaged(path.read_bytes()):
        path.write_bytes(data)
        found = Histogram(path, 2, settings)
        assert (found.counts.sum(), found.sources) in ((7, good.sources), (0, []))
    good.counts[0, 5] = -7
    good.save()
    assert Histogram(path, 2, settings).sources == []


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name, why in (("pipe", "it is not a regular file"), ("folder", "Is a directory")):
        with pytest.raises(DataError, match=rf"{name} cannot be read as a list: {why}"):
            read_json(tmp_path / name, "a list")
    with pytest.raises(DataError, match="No such file or directory; write one"):
        read_json(tmp_path / "gone", "a list", hint="write one")
    with pytest.raises(DataError, match="confusion matrix: it is not a regular file"):
        load_matrix(tmp_path / "pipe")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "b": {"c": 1, "c": 1}}', "the key 'c' comes twice"),
        ("[NaN]", "NaN is not a number"),
        ("[-Infinity]", "-Infinity is not a number"),
        ("[1e400]", "1e400 is too large"),
        ("[9223372036854775808]", "9223372036854775808 is too large"),
        ("[" + "9" * 5000 + "]", "9 is too large"),
        ("[" * 100_000, "nested too deeply"),
        ("{", "Expecting property name"),
        (b"\xff", "'utf-8' codec can't decode"),
    ],
)
def test_what_is_wrong_is_said(text, message):
    with pytest.raises(ValueError, match=message):
        parse_json(text)


def test_what_is_right_is_read():
    assert parse_json('{"a": [1, -2.5, null, true, "\\u00fc"]}') == {
        "a": [1, -2.5, None, True, "ü"]
    }
    assert parse_json("[9223372036854775807]") == [2**63 - 1]
    assert np.isnan(parse_json("[NaN]", nan=True)[0])
    shape = {"a": int, "b?": list[float | None], "c?": [{"d": str}], "e?": tuple[int, int]}
    good = dict(a=1, b=[1, None, 2.5], c=[dict(d="x")], e=[1, 2], other={})
    assert check_shape(good, shape) is good
    for change, message in (
        (dict(a=True), "^a is True, not int$"),
        (dict(a=1.0), "^a is 1.0, not int"),
        (dict(b=[1, "x"]), r"^b is \[1, 'x'\], not list\[float \| None\]$"),
        (dict(c=[dict(d="x"), {}]), r"^c\[1\] has no 'd'"),
        (dict(e=[1]), r"^e is \[1\], not tuple\[int, int\]"),
    ):
        with pytest.raises(ValueError, match=message):
            check_shape(good | change, shape)
    with pytest.raises(ValueError, match=r"^it is \[\], not dict"):
        check_shape([], shape)
