"""Pseudo-labels on disk: what they are, their record, going on after a stop, and the audit."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import daseg
from daseg.datasets import Cityscapes, FolderDataset
from daseg.engine.pseudo_labels import report
from daseg.engine.pseudo_labels.pseudo_label import pseudo_label
from daseg.engine.pseudo_labels.threshold import Threshold
from daseg.utils.errors import ConfigError, DataError
from runs import digest, manifest

ROOT = Path(__file__).parents[3]
NAMES = ["left", "right", "square"]
BALANCED = Threshold("class-balanced", quantile=0.25)


@pytest.fixture(autouse=True)
def _small_pictures(monkeypatch):
    monkeypatch.setattr(report, "ROWS", 1)


@pytest.fixture
def teacher(trained):
    return trained["config"], trained["checkpoint"]


@pytest.fixture(scope="module")
def probabilities(trained, tiny_data):
    """(12,3,32,48), as `daseg.predict` gives them."""
    segmentor = daseg.init_segmentor(trained["config"], trained["checkpoint"])
    paths = sorted((tiny_data / "images").iterdir())
    return np.stack([daseg.predict(segmentor, path, return_prob=True)[1] for path in paths])


def labels_in(out):
    return np.stack([np.asarray(Image.open(p)) for p in sorted((out / "labels").iterdir())])


def state_of(folder):
    return {p.name: (digest(p), p.stat().st_mtime_ns) for p in Path(folder).iterdir()}


def test_they_are_what_the_network_predicts(teacher, probabilities, tiny_data, tmp_path):
    before = {p: digest(p) for p in tiny_data.rglob("*.png")}
    made = pseudo_label(*teacher, out=tmp_path / "out", workers=0)
    assert (made.images, made.made, made.audit) == (12, 12, None)
    labels = labels_in(tmp_path / "out")
    assert np.array_equal(labels, probabilities.argmax(1))
    assert len(np.unique(labels)) > 1
    assert {p: digest(p) for p in tiny_data.rglob("*.png")} == before
    found = FolderDataset(tiny_data, NAMES, label_root=tmp_path / "out", label_encoding="train_ids")
    assert np.array_equal(found[3]["label"], labels[3])
    files = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert files == ["contact_sheet.png", "labels", "manifest.json", "report.txt"]


def test_the_manifest_says_what_they_are_made_of(teacher, trained, probabilities, tmp_path):
    out = tmp_path / "out"
    confidence, classes = probabilities.max(1), probabilities.argmax(1)
    value = float(np.quantile(confidence, 0.3))
    made = pseudo_label(*teacher, out=out, workers=0, threshold=Threshold("fixed", value=value))
    content = manifest(out)
    assert content["kind"] == "pseudo-labels"
    own = dict(name="iter_6.pth", sha256=digest(trained["checkpoint"]))
    assert content["checkpoints"] == [own]
    assert content["settings"]["threshold"] == dict(kind="fixed", value=value)
    # The teacher was trained on five of these images.
    assert content["teacher_saw_target_labels"] == made.teacher_saw_target_labels == 5
    kept = confidence >= value
    assert kept.mean() == pytest.approx(0.7, abs=0.01)
    for k, name in enumerate(NAMES):
        own = classes == k
        row = content["coverage"][name]
        assert row["share"] == pytest.approx(own.mean(), abs=1e-6)
        expected = kept[own].mean() if own.any() else None
        assert row["kept"] == pytest.approx(expected, abs=1e-6)
    assert content["ignored_share"] == pytest.approx(1 - kept.mean(), abs=1e-6)
    assert np.array_equal(labels_in(out), np.where(kept, classes, 255))
    assert f"{100 * (1 - kept.mean()):.2f} % of pixels" in (out / "report.txt").read_text()
    assert content["images"]["04"]["sha256"] == digest(out / "labels/04.png")


def test_thresholds_of_all_images_together(teacher, probabilities, tmp_path):
    pseudo_label(*teacher, out=tmp_path / "out", workers=2, threshold=BALANCED)
    labels, classes = labels_in(tmp_path / "out"), probabilities.argmax(1)
    for k in np.unique(classes):
        values = probabilities.max(1)[classes == k]
        kept = (labels == k)[classes == k]
        assert kept.mean() == pytest.approx(0.75, abs=0.01)
        assert values[kept].min() >= values[~kept].max() - 1e-4
    assert set(np.unique(labels)) == {*np.unique(classes), 255}


def test_test_time_augmentation_and_the_mean_of_two(teacher, trained, tmp_path):
    config, checkpoint = teacher
    other = trained["work_dir"] / "iter_4.pth"
    for name, options in dict(
        tta=dict(tta=True), mean=dict(checkpoints=[checkpoint, other])
    ).items():
        chosen = options.pop("checkpoints", checkpoint)
        pseudo_label(config, chosen, out=tmp_path / name, workers=0, limit=2, **options)
        segmentor = daseg.init_segmentor(config, chosen, **options)
        image = manifest(tmp_path / name)["target"]["root"] + "/images/01.png"
        expected = daseg.predict(segmentor, image)
        assert np.array_equal(labels_in(tmp_path / name)[1], expected), name
    assert manifest(tmp_path / "tta")["settings"]["tta"]["scales"] == [1.0, 1.5]
    assert len(manifest(tmp_path / "mean")["checkpoints"]) == 2


def test_confidence_maps(teacher, probabilities, tmp_path):
    out = tmp_path / "out"
    pseudo_label(*teacher, out=out, workers=0, limit=2, confidence_map=True)
    found = np.asarray(Image.open(out / "confidence/01.png"))
    assert abs(found - 255 * probabilities[1].max(0)).max() <= 0.5 + 1e-3
    (out / "confidence/01.png").unlink()
    assert pseudo_label(*teacher, out=out, workers=0, limit=2, confidence_map=True).made == 1
    assert (out / "confidence/01.png").is_file()
    whole = (out / "confidence/00.png").read_bytes()
    (out / "confidence/00.png").write_bytes(whole[:50])
    assert pseudo_label(*teacher, out=out, workers=0, limit=2, confidence_map=True).made == 1
    assert (out / "confidence/00.png").read_bytes() == whole


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


def test_classes_in_another_order_are_refused(teacher, trained, tmp_path):
    checkpoint = torch.load(teacher[1], weights_only=True)
    checkpoint["meta"]["dataset_meta"]["classes"] = ["square", "left", "right"]
    torch.save(checkpoint, tmp_path / "other.pth")
    with pytest.raises(ConfigError, match=r"other.pth was trained on the classes \['square', 'lef"):
        pseudo_label(teacher[0], tmp_path / "other.pth", out=tmp_path / "out", workers=0)
    assert not (tmp_path / "out").exists()


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


def test_folders_that_must_not_be_written(teacher, tiny_data, tmp_path):
    with pytest.raises(DataError, match="which is only read, are the same or one is in the other"):
        pseudo_label(*teacher, out=tiny_data, workers=0)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/note.txt").touch()
    with pytest.raises(DataError, match=r"holds files, but no manifest.json of pseudo-labels"):
        pseudo_label(*teacher, out=tmp_path / "full", workers=0)


def test_an_unreadable_image_is_named(teacher, tiny_data, tmp_path):
    shutil.copytree(tiny_data, tmp_path / "data")
    (tmp_path / "data/images/05.png").write_bytes(b"no picture")
    for threshold in (Threshold(), BALANCED):
        out = tmp_path / threshold.kind
        with pytest.raises(DataError, match=r"image .*05.png cannot be read"):
            pseudo_label(*teacher, out=out, data=tmp_path / "data", workers=0, threshold=threshold)
        assert not (out / "manifest.json").exists()
    assert len(list((tmp_path / "none/labels").iterdir())) == 5


def test_target_labels_are_neither_needed_nor_opened(teacher, tiny_data, tmp_path):
    shutil.copytree(tiny_data / "images", tmp_path / "data/images")
    pair = (
        "train_dataloader['dataset'] = dict(type='DomainPair', source=dict(data, root='gone'), "
        f"target=dict(data, root={str(tmp_path / 'data')!r}))\n"
    )
    config = tmp_path / "pair.py"
    config.write_text(teacher[0].read_text() + pair)
    assert pseudo_label(config, teacher[1], out=tmp_path / "out", workers=0, limit=2).images == 2


VALIDATION = "val_dataloader['dataset'] = dict(val_dataloader['dataset'], root={root!r})\n"


def audited(teacher, tmp_path, root, **options):
    config = tmp_path / "audited.py"
    config.write_text(teacher[0].read_text() + VALIDATION.format(root=str(root)))
    return pseudo_label(config, teacher[1], out=tmp_path / "out", workers=0, audit=True, **options)


def test_the_audit_compares_with_labels_of_validation_images(
    teacher, probabilities, tiny_data, tmp_path
):
    shutil.copytree(tiny_data, tmp_path / "val")
    audit = audited(teacher, tmp_path, tmp_path / "val", threshold=BALANCED, limit=6).audit
    cuts = [row["threshold"] for row in manifest(tmp_path / "out")["coverage"].values()]
    truth = np.stack([np.asarray(Image.open(p)) for p in sorted((tiny_data / "labels").iterdir())])
    confidence, classes = probabilities.max(1), probabilities.argmax(1)
    kept = np.floor(confidence * np.float32(10_000)) >= np.round(np.array(cuts) * 10_000)[classes]
    for k in range(3):
        own = (truth != 255) & kept & (classes == k)
        if own.any():
            assert audit.accuracy[k] == pytest.approx((truth == k)[own].mean())
        else:
            assert np.isnan(audit.accuracy[k])
        assert audit.coverage[k] == pytest.approx(kept[truth == k].mean())
    both = kept & (truth != 255)
    expected = (truth == classes)[both].mean(), both.sum() / (truth != 255).sum()
    assert audit.overall() == pytest.approx(expected)
    content = json.loads((tmp_path / "out/audit.json").read_text())
    assert content["overall"]["coverage"] == pytest.approx(expected[1], abs=1e-6)
    assert f"{100 * expected[0]:.2f}" in (tmp_path / "out/audit.txt").read_text()


def test_an_audit_of_replaced_labels_is_gone(teacher, trained, tiny_data, tmp_path):
    shutil.copytree(tiny_data, tmp_path / "val")
    audited(teacher, tmp_path, tmp_path / "val", limit=3)
    out, other = tmp_path / "out", trained["work_dir"] / "iter_4.pth"
    (network,) = json.loads((out / "audit.json").read_text())["checkpoints"]
    assert network["sha256"] == digest(teacher[1])
    pseudo_label(*teacher, out=out, workers=0, limit=3)
    assert (out / "audit.txt").is_file(), "nothing was made"
    pseudo_label(trained["config"], other, out=out, workers=0, limit=3, overwrite=True)
    assert not list(out.glob("audit.*"))


def test_the_audit_does_not_look_at_labels_of_training_images(teacher, tiny_data, tmp_path):
    with pytest.raises(ConfigError, match=r"labels of the target's training images are not looked"):
        audited(teacher, tmp_path, tiny_data)
    (tmp_path / "link").symlink_to(tiny_data)
    with pytest.raises(ConfigError, match=r"has .*00.png, which is one of those"):
        audited(teacher, tmp_path, tmp_path / "link")
    assert not (tmp_path / "out").exists()
    (tmp_path / "none").mkdir()
    config = tmp_path / "none.py"
    config.write_text(teacher[0].read_text() + "val_dataloader = val_cfg = val_evaluator = None\n")
    with pytest.raises(ConfigError, match=r"--audit: .* has no val_dataloader.dataset"):
        pseudo_label(config, teacher[1], out=tmp_path / "out", audit=True)


def test_cityscapes_finds_them_under_its_own_names(teacher, tmp_path):
    """In a layout of folders, with a network of as many classes."""
    root, out = tmp_path / "city", tmp_path / "out"
    path = root / "leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png"
    path.parent.mkdir(parents=True)
    image = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    Image.fromarray(image).save(path)
    config = tmp_path / "city.py"
    city = (
        "model['segmentor']['num_classes'] = 19\n"
        f"train_dataloader['dataset'] = dict(type='Cityscapes', root={str(root)!r})\n"
    )
    config.write_text(teacher[0].read_text() + city)
    torch.manual_seed(0)
    network = daseg.init_segmentor(config)
    state = {f"segmentor.{k}": v for k, v in network.state_dict().items()}
    torch.save(dict(state_dict=state), tmp_path / "random.pth")
    made = pseudo_label(config, tmp_path / "random.pth", out=out, workers=0)
    assert made.teacher_saw_target_labels is None, "the file does not say"
    label = Cityscapes(root, label_root=out, label_encoding="train_ids")[0]["label"]
    assert np.array_equal(label, daseg.predict(network, image))
    options = {"model.segmentor.num_classes": 3}
    with pytest.raises(ConfigError, match="the network has 3 classes, the target Cityscapes"):
        pseudo_label(config, teacher[1], out=out, workers=0, cfg_options=options)


# Dies as of ``kill -9`` while the eighth label is written: in the folder is half a file. Of the
# others at most five were not yet recorded.
KILLED = """
import os, signal, sys
from daseg.engine.pseudo_labels.pseudo_label import pseudo_label
from daseg.engine.pseudo_labels.threshold import Threshold
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
    assert 5 <= done.made <= 9
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
