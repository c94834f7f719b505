"""What a translation does with wrong input, a full disk, and folders that are not its own."""

import errno
import shutil
import time
from pathlib import Path

import pytest
import torch

from daseg.datasets import FolderDataset
from daseg.offline.translation.translate import translate
from daseg.utils.errors import CheckpointError, ConfigError, DataError
from daseg.utils.manifest import read_manifest
from runs import state_of

IDENTITY = ["IdentityTranslator"]
CLASSES = ["left", "right", "square"]


@pytest.fixture
def source(tiny_data, tmp_path):
    """A copy of the source that a test may break."""
    return shutil.copytree(tiny_data, tmp_path / "source")


@pytest.mark.parametrize("workers", [0, 1])
def test_an_unreadable_image_is_named_and_what_was_made_before_stays(
    workers, pair_config, source, tmp_path
):
    bad, out = source / "images/07.png", tmp_path / "out"
    whole = bad.read_bytes()
    bad.write_bytes(whole[: len(whole) // 2])
    options = dict(out=out, translator=IDENTITY, workers=workers)
    message = rf"image {bad} cannot be read: .*; --on-error skip leaves such images out"
    with pytest.raises(DataError, match=message):
        translate(pair_config(source=source), **options)
    assert sorted(read_manifest(out)[1]) == [f"{i:02d}" for i in range(7)]
    done = translate(pair_config(source=source), **options, on_error="skip")
    assert (done.images, done.made) == (11, 4)
    assert list(done.skipped) == [str(bad)]
    assert "07" not in FolderDataset(out, CLASSES).names
    bad.write_bytes(whole)
    done = translate(pair_config(source=source), **options)
    assert (done.images, done.made, done.skipped) == (12, 1, {})


# In the middle; and when all has been read, so that there is no reason not to write the others.
@pytest.mark.parametrize(("number", "least"), [("05", 5), ("09", 11)])
def test_a_full_disk_leaves_nothing_half_written(number, least, pair_config, tmp_path, monkeypatch):
    out, real = tmp_path / "out", Path.write_bytes
    options = dict(out=out, translator=IDENTITY, workers=0)

    def full(path, data):
        if path.suffix == ".png" and number in path.name.split("."):
            real(path, data[:50])
            if least == 11:
                time.sleep(2)  # until the last image has been read, on a busy machine, too
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    message = rf"{out}/images/{number}.png cannot be written: No space left on device .* continues"
    with pytest.raises(DataError, match=message):
        translate(pair_config(), **options)
    names = {p.name for p in (out / "images").iterdir()}
    assert f"{number}.png" not in names
    assert {f"{i:02d}.png" for i in range(5)} <= names
    assert not [name for name in names if name.startswith(".")], "no temporary file"
    assert {f"{name}.png" for name in read_manifest(out)[1]} == names
    assert len(names) >= least
    monkeypatch.undo()
    done = translate(pair_config(), **options)
    assert done.images == 12
    assert done.made == 12 - (len(names))


def test_another_checkpoint_is_refused_before_anything_is_written(
    pair_config, pair_weights, trained, tmp_path
):
    out = tmp_path / "out"
    message = r"iter_6.pth holds no translator: .* It is a segmentor's checkpoint; one of this"
    with pytest.raises(CheckpointError, match=message):
        translate(pair_config(), trained["checkpoint"], out=out)
    wide = pair_config("small['channels'] = 8\n")
    with pytest.raises(CheckpointError, match=r"iter_7.pth does not fit the model"):
        translate(wide, pair_weights(), out=out)
    with pytest.raises(CheckpointError, match="no weights file at"):
        translate(pair_config(), tmp_path / "gone.pth", out=out)
    with pytest.raises(ConfigError, match=r"its model is a DomainAdapter, which does not trans"):
        translate(trained["config"], trained["checkpoint"], out=out)
    assert not out.exists()


def test_weights_that_are_not_finite_are_refused(pair_config, pair_weights, tmp_path):
    weights = pair_weights()
    content = torch.load(weights)
    content["state_dict"]["source_to_target.last.bias"][:] = float("nan")
    torch.save(content, weights)
    with pytest.raises(CheckpointError, match=r"iter_7.pth has weights .* last.bias \(3 NaN"):
        translate(pair_config(), weights, out=tmp_path / "out", workers=0)
    assert not (tmp_path / "out").exists()


def test_a_translation_that_is_not_finite_is_refused(pair_config, pair_weights, tmp_path):
    """Of weights that are, but so large that their products overflow."""
    weights = pair_weights()
    content = torch.load(weights)
    content["state_dict"]["source_to_target.stem.conv.weight"][:] = 3e38
    torch.save(content, weights)
    with pytest.raises(DataError, match=r"the translation of .*00.png is not finite"):
        translate(pair_config(), weights, out=tmp_path / "out", workers=0)


@pytest.mark.parametrize("where", ["source", "source/below", ".", "target/photos"])
def test_a_folder_that_is_only_read_is_never_written_to(where, pair_config, source, tmp_path):
    before = state_of(source)
    with pytest.raises(DataError, match=r"which is only read, are the same folder or one contains"):
        translate(pair_config(source=source), out=tmp_path / where, translator=IDENTITY)
    assert state_of(source) == before


@pytest.mark.parametrize("folder", ["images", "labels"])
def test_a_link_into_the_source_is_seen(folder, pair_config, source, tmp_path):
    before, out = state_of(source), tmp_path / "out"
    out.mkdir()
    (out / folder).symlink_to(source / folder)
    with pytest.raises(DataError, match=rf"{out}/{folder} and {source}, which is only read"):
        translate(pair_config(source=source), out=out, translator=IDENTITY)
    assert state_of(source) == before


def test_a_folder_of_other_files_is_left_alone(pair_config, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(DataError, match=r"out holds files, but no manifest.json of a trans"):
            translate(pair_config(), out=out, translator=IDENTITY, overwrite=overwrite)
    assert [p.name for p in out.iterdir()] == ["thesis.txt"]
    (out / "manifest.json").write_text("{}")
    with pytest.raises(DataError, match=r"manifest.json cannot be read as the manifest"):
        translate(pair_config(), out=out, translator=IDENTITY)


def test_a_source_that_is_not_there_is_named(pair_config, tmp_path):
    gone = tmp_path / "gone"
    with pytest.raises(DataError, match=rf"its root {gone} does not exist"):
        translate(pair_config(), out=tmp_path / "out", translator=IDENTITY, source=gone)
    assert not (tmp_path / "out").exists()


def test_a_target_that_is_not_there_matters_to_translators_that_need_it(
    pair_config, pair_weights, target_root, tmp_path, capsys
):
    shutil.rmtree(target_root)
    with pytest.raises(DataError, match=r"target does not exist"):
        translate(pair_config(), out=tmp_path / "out", translator=IDENTITY)
    translate(pair_config(), pair_weights(), out=tmp_path / "out", workers=0, limit=1)
    assert "the contact sheet shows no target: " in capsys.readouterr().out


def test_options_that_do_not_go_together_are_refused(pair_config, pair_weights, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(ConfigError, match="either a checkpoint or --translator translates"):
        translate(pair_config(), pair_weights(), out=out, translator=IDENTITY)
    with pytest.raises(ConfigError, match="--tile: a translator without network looks at the wh"):
        translate(pair_config(), out=out, translator=IDENTITY, tile=64)
    with pytest.raises(ConfigError, match=r"Fourier: there is no such translator; known are Four"):
        translate(pair_config(), out=out, translator=["Fourier"])
    with pytest.raises(ConfigError, match=r"--translator FourierTranslator beta: expected KEY="):
        translate(pair_config(), out=out, translator=["FourierTranslator", "beta"])
    with pytest.raises(ConfigError, match=r"Translator: there is no argument 'bta'.*mean 'beta'"):
        translate(pair_config(), out=out, translator=["FourierTranslator", "bta=0.1"])
    with pytest.raises(ConfigError, match=r"'beta': 'wide'} cannot be built: .*'str'"):
        translate(pair_config(), out=out, translator=["FourierTranslator", "beta=wide"])
    with pytest.raises(ConfigError, match="limit is at least 1"):
        translate(pair_config(), out=out, translator=IDENTITY, limit=0)
    with pytest.raises(ConfigError, match="tiles of 40 pixels"):
        translate(pair_config(), pair_weights(), out=out, tile=40)
    mixed = (
        "part = train_dataloader['dataset']['source']\n"
        "train_dataloader['dataset']['source'] = dict(type='MixedDataset', datasets=[part])\n"
    )
    with pytest.raises(ConfigError, match=r"the source is a MixedDataset, which has no layout"):
        translate(pair_config(mixed), out=out, translator=IDENTITY)
    assert not out.exists()
