"""Pseudo-labels where there are some already: going on after a stop, and what is replaced."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from daseg.offline.pseudo_labels.pseudo_label import pseudo_label
from daseg.offline.pseudo_labels.threshold import Threshold
from daseg.utils.errors import DataError
from runs import digest, labels_in, manifest

ROOT = Path(__file__).parents[3]
BALANCED = Threshold("class-balanced", quantile=0.25)


def state_of(folder):
    return {p.name: (digest(p), p.stat().st_mtime_ns) for p in Path(folder).iterdir()}


def test_what_is_missing_damaged_or_outdated_is_made_again(teacher, tiny_data, tmp_path):
    data, out = tmp_path / "data", tmp_path / "out"
    shutil.copytree(tiny_data, data)
    options = dict(out=out, data=data, workers=0)
    pseudo_label(*teacher, **options, limit=4)
    first = state_of(out / "labels")
    assert pseudo_label(*teacher, **options).made == 8
    assert {k: v for k, v in state_of(out / "labels").items() if k in first} == first
    (out / "labels/01.png").unlink()
    (out / "labels/02.png").write_bytes((data / "labels/02.png").read_bytes())
    shutil.copy(data / "images/00.png", data / "images/03.png")
    assert pseudo_label(*teacher, **options).made == 3
    after = state_of(out / "labels")
    assert [n for n in first if after[n][1] != first[n][1]] == ["01.png", "02.png", "03.png"]
    assert after["02.png"][0] == first["02.png"][0]
    assert after["03.png"][0] == after["00.png"][0]


@pytest.mark.parametrize("of_all", [BALANCED, Threshold("entropy", keep=0.5)])
def test_thresholds_are_never_those_of_other_images(teacher, tiny_data, tmp_path, of_all):
    """One image has changed, before all of them were counted and after it: all labels follow."""
    data, out, fresh = tmp_path / "data", tmp_path / "out", tmp_path / "fresh"
    shutil.copytree(tiny_data, data)
    options = dict(data=data, workers=0, threshold=of_all)
    pseudo_label(*teacher, out=out, **options)
    before = manifest(out)["coverage"]
    for number in range(4):
        image = np.asarray(Image.open(data / f"images/0{number}.png"))
        Image.fromarray(image // 3).save(data / f"images/0{number}.png")
    assert pseudo_label(*teacher, out=out, **options).made == 12
    pseudo_label(*teacher, out=fresh, **options)
    assert manifest(out)["coverage"] == manifest(fresh)["coverage"] != before
    assert np.array_equal(labels_in(out), labels_in(fresh))
    # Another folder with images of the same names.
    pseudo_label(*teacher, out=out, **options | dict(data=tiny_data))
    assert manifest(out)["coverage"] == before
    (out / "histogram.npz").unlink()
    assert pseudo_label(*teacher, out=out, **options | dict(data=tiny_data)).made == 12


def test_overwriting_goes_on_where_it_was_stopped(teacher, trained, tmp_path):
    out, other = tmp_path / "out", trained["work_dir"] / "iter_4.pth"
    pseudo_label(*teacher, out=out, workers=0, limit=4)
    options = dict(out=out, workers=0, limit=4, overwrite=True)
    assert pseudo_label(trained["config"], other, **options).made == 4
    (out / "labels/02.png").unlink()  # as if it had not come so far
    assert pseudo_label(trained["config"], other, **options).made == 1


def test_other_settings_are_refused_unless_all_is_to_be_made_again(teacher, trained, tmp_path):
    out = tmp_path / "out"
    pseudo_label(*teacher, out=out, workers=0, limit=3)
    with pytest.raises(DataError, match=r"out was labelled with other settings") as caught:
        pseudo_label(*teacher, out=out, workers=0, threshold=Threshold("fixed"))
    assert "threshold: {'kind': 'none'} there" in str(caught.value)
    other = trained["work_dir"] / "iter_4.pth"
    with pytest.raises(DataError, match=digest(other)):
        pseudo_label(trained["config"], other, out=out, workers=0)
    done = pseudo_label(trained["config"], other, out=out, workers=0, limit=2, overwrite=True)
    assert (done.images, done.made) == (2, 2)
    assert sorted(p.name for p in (out / "labels").iterdir()) == ["00.png", "01.png"]
    # A share of all images is another one of other images.
    pseudo_label(*teacher, out=tmp_path / "b", workers=0, limit=3, threshold=BALANCED)
    with pytest.raises(DataError, match="images_sha256"):
        pseudo_label(*teacher, out=tmp_path / "b", workers=0, threshold=BALANCED)


# Dies as by ``kill -9`` while the eighth label is written: in the folder is half a file. The
# others are recorded.
KILLED = """
import os, signal, sys
from daseg.offline.pseudo_labels.pseudo_label import pseudo_label
from daseg.offline.pseudo_labels.threshold import Threshold
put, count = os.replace, [0]
def replace(temporary, path):
    count[0] += '/labels/' in str(path)
    if count[0] == 8:
        os.kill(os.getpid(), signal.SIGKILL)
    put(temporary, path)
os.replace = replace
pseudo_label(*sys.argv[1:3], out=sys.argv[3], workers=0,
             threshold=Threshold('class-balanced', quantile=0.25))
"""


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_where_it_was(teacher, tmp_path):
    out, whole = tmp_path / "out", tmp_path / "whole"
    command = [sys.executable, "-c", KILLED, *map(str, teacher), str(out)]
    assert subprocess.run(command, cwd=ROOT).returncode == -signal.SIGKILL
    assert not (out / "manifest.json").exists()
    assert len([p for p in (out / "labels").iterdir() if p.name.startswith(".")]) == 1
    measured = digest(out / "histogram.npz")
    done = pseudo_label(*teacher, out=out, workers=0, threshold=BALANCED)
    assert done.images == 12
    assert done.made == 5
    assert digest(out / "histogram.npz") == measured, "not counted again"
    pseudo_label(*teacher, out=whole, workers=0, threshold=BALANCED)
    assert np.array_equal(labels_in(out), labels_in(whole))
    assert not (out / "manifest.jsonl").exists()


def test_what_a_killed_run_left_half_written_is_gone(teacher, probabilities, tmp_path):
    out, number = tmp_path / "out", f"{os.getpid()}.00c0ffee"
    out.mkdir()
    (out / f".manifest.{number}.jsonl").write_text("half")
    pseudo_label(*teacher, out=out, workers=0, limit=3)
    (out / f"labels/.05.{number}.png").write_bytes(b"half")
    (out / "labels/.own.png").write_bytes(b"not ours")
    pseudo_label(*teacher, out=out, workers=0)
    (out / "labels/.own.png").unlink()
    assert np.array_equal(labels_in(out), probabilities.argmax(1))
    files = sorted(p.name for p in out.iterdir())
    assert files == ["contact_sheet.png", "labels", "manifest.json", "report.txt"]
