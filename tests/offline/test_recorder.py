"""Images are recorded when they are done, in whichever order that is."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from daseg.offline.recorder import Made, Recorder, going_on
from daseg.utils.errors import DataError, WorkerError, WriteError
from daseg.utils.files import stage
from daseg.utils.manifest import Journal, Manifest, read_manifest

ROOT = Path(__file__).parents[2]


def entry(name):
    return dict(file=f"{name}.png", sha256="", source_sha256="")


@pytest.mark.parametrize("workers", [2, 4])
def test_a_slow_image_keeps_no_other_one_from_being_recorded(tmp_path, workers):
    manifest, done, released = Manifest(tmp_path, {}), Event(), Event()
    manifest.start({})
    add = manifest.add

    def count(name, made):
        add(name, made)
        if len(manifest.entries) == 29:
            done.set()

    manifest.add = count

    def make(number):
        if number == 0:
            assert released.wait(60)
        return Made(str(number), entry(number), [stage(tmp_path / f"{number}.png", b"data")])

    with Recorder(manifest, workers) as recorder:
        for number in range(30):
            recorder.submit(make, number)
        assert done.wait(60)
        # On the disk: all but the slow one, each with its line.
        lines = (tmp_path / "manifest.jsonl").read_text().splitlines()[1:]
        assert {json.loads(line)["name"] for line in lines} == {str(n) for n in range(1, 30)}
        assert sorted(p.name for p in tmp_path.glob("[0-9]*.png")) == sorted(
            f"{n}.png" for n in range(1, 30)
        )
        released.set()
    assert len(read_manifest(tmp_path)[1]) == 30


def test_an_error_is_raised_once_all_others_are_written(tmp_path):
    manifest = Manifest(tmp_path, {})
    manifest.start({})

    def make(number):
        if number == 3:
            raise DataError("the third")
        return Made(str(number), entry(number), [stage(tmp_path / f"{number}.png", b"data")])

    def write_all():
        with Recorder(manifest, 2) as recorder:
            for number in range(6):
                recorder.submit(make, number)

    with pytest.raises(DataError, match="the third"):
        write_all()
    assert sorted(read_manifest(tmp_path)[1]) == ["0", "1", "2", "4", "5"]


def test_what_cannot_be_recorded_is_not_half_a_line(tmp_path, monkeypatch):
    manifest = Manifest(tmp_path, {})
    manifest.start({})
    manifest.add("a", entry("a"))
    real = manifest._journal._file

    class Full:
        def __getattr__(self, name):
            return getattr(real, name)

        def write(self, data):
            real.write(data[:10])
            raise OSError(28, "No space left on device")

    manifest._journal._file = Full()
    with pytest.raises(WriteError, match=r"manifest\.jsonl cannot be written: No space left"):
        manifest.add("b", entry("b"))
    manifest._journal._file = real
    manifest.add("c", entry("c"))
    assert list(read_manifest(tmp_path)[1]) == ["a", "c"]
    assert list(manifest.entries) == ["a", "c"]


def test_what_another_process_has_made_is_known_where_all_are_killed(tmp_path):
    first = Manifest(tmp_path, {}, kind="pseudo-labels")
    first.start({})
    second = Journal(tmp_path / "manifest.1.jsonl")
    first.add("a", entry("a"))
    second.add("b", entry("b"))
    assert sorted(Manifest(tmp_path, {}, kind="pseudo-labels").entries) == ["a", "b"]


@pytest.mark.parametrize("kind", [WriteError, WorkerError])
def test_what_stays_is_said(kind):
    message = r"^the disk\. All that was written before is complete: the same command continues"
    with pytest.raises(kind, match=message), going_on():
        raise kind("the disk")


# Four threads write; one of them hangs in the encoding of the first image. The process dies as of
# ``kill -9`` when all others are recorded.
KILLED = """
import os, signal, sys, threading
import daseg.utils.manifest as manifest
from daseg.offline import job
from daseg.offline.translation.translate import translate
stage, add = job.stage_picture, manifest.Journal.add
def slow(path, pixels, **options):
    if path.stem == '00':
        threading.Event().wait()
    return stage(path, pixels, **options)
recorded = []
def count(self, name, entry):
    add(self, name, entry)
    recorded.append(name)
    if len(recorded) == 11:
        os.kill(os.getpid(), signal.SIGKILL)
job.stage_picture, manifest.Journal.add = slow, count
translate(sys.argv[1], out=sys.argv[2], translator=['IdentityTranslator'], workers=4)
"""


@pytest.mark.slow
def test_a_killed_translation_loses_the_image_that_was_written(pair_config, tmp_path):
    from daseg.offline.translation.translate import translate

    config, out = pair_config(), tmp_path / "out"
    command = [sys.executable, "-c", KILLED, str(config), str(out)]
    assert subprocess.run(command, cwd=ROOT).returncode == -signal.SIGKILL
    done = translate(config, out=out, translator=["IdentityTranslator"], workers=0)
    assert (done.images, done.made) == (12, 1)
    assert np.all([os.path.getsize(p) > 0 for p in (out / "images").iterdir()])
