"""A translated data set: its record, and going on after a stop."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from daseg.offline import job
from daseg.offline.images import target_of
from daseg.offline.translation.translate import translate
from daseg.utils.errors import DataError
from runs import digest, manifest, read_pixels, state_of

ROOT = Path(__file__).parents[3]
IDENTITY = ["IdentityTranslator"]


def test_the_manifest_says_what_each_image_was_made_of(
    pair_config, pair_weights, tiny_data, tmp_path
):
    weights, out = pair_weights(), tmp_path / "out"
    translate(pair_config(), weights, out=out, workers=0, tile=80)
    found = manifest(out)
    assert found["checkpoint"] == "iter_7.pth"
    assert found["settings"]["checkpoint_sha256"] == digest(weights)
    assert found["settings"]["tile"] == dict(size=80, overlap=16, seams="blended")
    assert found["settings"]["network"] == dict(type="ResNetGenerator", channels=4, blocks=1)
    assert found["settings"]["size"] == "file"
    assert found["source"] == dict(type="FolderDataset", root=str(tiny_data), images=12)
    assert found["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert found["images"]["03"] == dict(
        source="images/03.png",
        source_sha256=digest(tiny_data / "images/03.png"),
        file="images/03.png",
        sha256=digest(out / "images/03.png"),
        size=[48, 32],
    )


def test_the_contact_sheet_shows_source_translation_and_target(
    pair_config, tiny_data, tmp_path, monkeypatch
):
    drawn = []
    monkeypatch.setattr(job, "contact_sheet", lambda *a, **k: drawn.append((a[0], k)))
    monkeypatch.setattr(job, "save_sheet", lambda _, path: drawn.append(path))
    config = pair_config()
    monkeypatch.setattr(job, "ROWS", 3)
    translate(config, out=tmp_path / "out", translator=["ReinhardTranslator"], workers=0, limit=9)
    (rows, options), path = drawn
    assert options["headings"] == ["source", "translated", "a target image"]
    assert path == tmp_path / "out/contact_sheet.png"
    assert options["captions"] == [["00"], ["04"], ["08"]]
    for (source, translated, target), number in zip(rows, (0, 4, 8), strict=True):
        assert np.array_equal(source, read_pixels(tiny_data / f"images/{number:02d}.png"))
        assert np.array_equal(translated, read_pixels(tmp_path / f"out/images/{number:02d}.png"))
        assert (target == 50 * target_of(number, 5, 5)).all(), "that it was made to look like"


def test_a_second_run_makes_only_what_is_missing_broken_or_changed(
    pair_config, tiny_data, tmp_path
):
    root, out = shutil.copytree(tiny_data, tmp_path / "source"), tmp_path / "out"
    options = dict(out=out, translator=IDENTITY, workers=0)
    config = pair_config(source=root)
    translate(config, **options)
    first = state_of(out / "images")
    assert translate(config, **options).made == 0
    assert state_of(out / "images") == first
    (out / "images/01.png").unlink()
    torn = out / "images/02.png"
    torn.write_bytes(torn.read_bytes()[:100])
    worn = bytearray((out / "images/03.png").read_bytes())
    worn[200] ^= 1  # of the same length
    (out / "images/03.png").write_bytes(worn)
    shutil.copy(root / "images/00.png", root / "images/04.png")
    done = translate(config, **options)
    assert (done.images, done.made) == (12, 4)
    after = state_of(out / "images")
    names = [str(out / f"images/{i:02d}.png") for i in range(12)]
    assert [n for n in names if after[n][1] != first[n][1]] == names[1:5]
    assert after[names[1]][0] == first[names[1]][0]
    assert np.array_equal(read_pixels(names[4]), read_pixels(root / "images/00.png"))


def test_other_settings_are_refused_unless_all_is_to_be_made_again(
    pair_config, pair_weights, tmp_path
):
    out, config = tmp_path / "out", pair_config()
    translate(config, pair_weights(), out=out, workers=0, limit=3)
    before = state_of(out)
    other = pair_weights(seed=1, name="iter_8.pth")
    with pytest.raises(DataError, match=r"out was translated with other settings") as caught:
        translate(config, other, out=out, workers=0)
    lines = str(caught.value).splitlines()
    assert len(lines) == 2
    assert digest(other) in lines[1]
    with pytest.raises(DataError, match="size: file there, trained now"):
        translate(config, pair_weights(), out=out, workers=0, size="trained")
    assert state_of(out) == before
    done = translate(config, other, out=out, workers=0, limit=2, overwrite=True)
    assert (done.images, done.made) == (2, 2)
    assert sorted(p.name for p in (out / "images").iterdir()) == ["00.png", "01.png"]
    assert manifest(out)["settings"]["checkpoint_sha256"] == digest(other)


# Dies as by ``kill -9`` while the eighth image is written: in the folder is half a file. The
# others are recorded.
KILLED = """
import os, signal, sys
from daseg.offline.translation.translate import translate
put, count = os.replace, [0]
def replace(temporary, path):
    count[0] += '/images/' in str(path)
    if count[0] == 8:
        os.kill(os.getpid(), signal.SIGKILL)
    put(temporary, path)
os.replace = replace
translate(sys.argv[1], out=sys.argv[2], translator=['IdentityTranslator'], workers=0)
"""


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_where_it_was(pair_config, tiny_data, tmp_path):
    config, out = pair_config(), tmp_path / "out"
    command = [sys.executable, "-c", KILLED, str(config), str(out)]
    assert subprocess.run(command, cwd=ROOT).returncode == -signal.SIGKILL
    assert not (out / "manifest.json").exists()
    assert len([p for p in (out / "images").iterdir() if p.name.startswith(".")]) == 1
    with (out / "manifest.jsonl").open("a") as file:
        file.write('{"name": "11", "sou')  # a line that was cut off
    made = state_of(out / "images")
    done = translate(config, out=out, translator=IDENTITY, workers=0)
    assert done.images == 12
    assert done.made == 5
    after = state_of(out / "images")
    assert len([name for name in made if after.get(name) == made[name]]) == 7
    assert not (out / "manifest.jsonl").exists()
    assert len(after) == 12, "half an image is left"
    for path in sorted((tiny_data / "images").iterdir()):
        assert np.array_equal(read_pixels(out / "images" / path.name), read_pixels(path))


def test_what_a_killed_run_left_half_written_is_gone(pair_config, tmp_path):
    config, out, number = pair_config(), tmp_path / "out", f"{os.getpid()}.00c0ffee"
    out.mkdir()
    (out / f".manifest.{number}.jsonl").write_text("half")
    translate(config, out=out, translator=IDENTITY, workers=0, limit=2)
    whole = sorted(p.name for p in out.rglob("*"))
    (out / f"images/.01.{number}.png").write_bytes(b"half")
    (out / f"labels/.01.{number}.png").symlink_to("gone.png")
    translate(config, out=out, translator=IDENTITY, workers=0, limit=2)
    assert sorted(p.name for p in out.rglob("*")) == whole
