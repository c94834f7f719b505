"""A signal ends a translation, labelling, prediction or test cleanly; one writes at a time."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from daseg.engine.evaluate import evaluate
from daseg.engine.predict import Writer, predict_files
from daseg.offline.pseudo_labels.labelling import Labelling
from daseg.offline.pseudo_labels.pseudo_label import pseudo_label
from daseg.offline.translation.translate import Translation, translate
from daseg.segmentor import Segmentor
from daseg.utils import signals
from daseg.utils.lock import FolderInUseError, locked
from daseg.utils.signals import Stopped

IDENTITY = ["IdentityTranslator"]


def signal_at(monkeypatch: pytest.MonkeyPatch, cls: type, method: str, count: int) -> list[int]:
    """Send SIGTERM in the so-manieth call of a method; return a list that grows with each call."""
    original, calls = getattr(cls, method), []

    def call(*args, **options):
        calls.append(len(calls) + 1)
        if len(calls) == count:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(*args, **options)

    monkeypatch.setattr(cls, method, call)
    return calls


def recorded(out: Path) -> set[str]:
    """The files that the record of an unfinished making names."""
    _, *lines = (out / "manifest.jsonl").read_text().splitlines()
    return {json.loads(line)["file"] for line in lines}


def written(out: Path, folder: str) -> set[str]:
    return {str(path.relative_to(out)) for path in (out / folder).iterdir()}


def test_a_translation(pair_config, tmp_path, monkeypatch, capsys):
    config, out = pair_config(), tmp_path / "out"
    calls = signal_at(monkeypatch, Translation, "compute", 5)
    with signals.obeyed(), pytest.raises(Stopped):
        translate(config, out=out, translator=IDENTITY, workers=2)
    assert "the same command continues, all that was written is complete" in capsys.readouterr().err
    assert len(calls) == 5
    there = written(out, "images")
    assert recorded(out) == there
    assert len(there) >= 4
    done = translate(config, out=out, translator=IDENTITY, workers=2)
    assert (done.images, done.made) == (12, 12 - len(there))


def test_a_labelling(trained, tmp_path, monkeypatch):
    out = tmp_path / "out"
    signal_at(monkeypatch, Labelling, "predict", 5)
    with signals.obeyed(), pytest.raises(Stopped):
        pseudo_label(trained["config"], trained["checkpoint"], out=out, workers=2)
    there = written(out, "labels")
    assert recorded(out) == there
    assert len(there) >= 4
    done = pseudo_label(trained["config"], trained["checkpoint"], out=out, workers=2)
    assert (done.images, done.made) == (12, 12 - len(there))


def test_a_prediction_leaves_whole_pictures(tiny_data, tmp_path, monkeypatch):
    def predicted(segmentor, pixels):
        return np.zeros(pixels.shape[:2], np.uint8)

    monkeypatch.setattr("daseg.engine.predict.predict", predicted)
    signal_at(monkeypatch, Writer, "_write", 3)
    writer = Writer(tmp_path, ("a",), [[0, 0, 0]])
    files = [(path, Path(path.stem)) for path in sorted((tiny_data / "images").iterdir())]
    with signals.obeyed(), pytest.raises(Stopped):
        predict_files(Segmentor.__new__(Segmentor), files, writer)
    assert not list(tmp_path.rglob(".*"))


def test_a_test_leaves_no_result(trained, tmp_path, monkeypatch):
    out = tmp_path / "out"
    signal_at(monkeypatch, Segmentor, "predict_classes", 2)
    with signals.obeyed(), pytest.raises(Stopped):
        evaluate(trained["config"], trained["checkpoint"], out=out)
    assert not (out / "results.json").exists()
    assert not list(out.glob(".*"))


def test_two_do_not_write_into_one_folder(trained, pair_config, tmp_path):
    out, networks = tmp_path / "out", (trained["config"], trained["checkpoint"])
    with locked(out), pytest.raises(FolderInUseError, match=rf"{out} is being written into by an"):
        translate(pair_config(), out=out, translator=IDENTITY)
    with locked(out), pytest.raises(FolderInUseError, match=rf"{out} is being written into by an"):
        pseudo_label(*networks, out=out)
    with locked(out, name=".test.lock"), pytest.raises(FolderInUseError):
        evaluate(*networks, out=out)
    assert not out.exists()
