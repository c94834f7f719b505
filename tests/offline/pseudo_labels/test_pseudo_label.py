"""Pseudo-labels on disk: what they are, and their record."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import daseg
from daseg.datasets import Cityscapes, FolderDataset
from daseg.offline.pseudo_labels.pseudo_label import pseudo_label
from daseg.offline.pseudo_labels.threshold import Threshold
from daseg.utils.errors import ConfigError, DataError
from runs import digest, labels_in, manifest

ROOT = Path(__file__).parents[3]
NAMES = ["left", "right", "square"]
BALANCED = Threshold("class-balanced", quantile=0.25)


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


def test_in_mixed_precision(teacher, trained, tiny_data, probabilities, tmp_path):
    out = tmp_path / "out"
    pseudo_label(*teacher, out=out, workers=0, amp=True, confidence_map=True)
    assert manifest(out)["settings"]["amp"] is True
    segmentor = daseg.init_segmentor(*teacher)
    image = torch.from_numpy(np.asarray(Image.open(tiny_data / "images/02.png")).copy())
    with torch.no_grad(), torch.autocast("cpu"):
        prob = segmentor.predict(image.permute(2, 0, 1)[None])[0].float()
    confidence = np.asarray(Image.open(out / "confidence/02.png")).astype(int)
    assert abs(confidence - (255 * prob.max(0)[0]).numpy()).max() <= 0.51
    assert abs(confidence - 255 * probabilities[2].max(0)).max() > 0.51, "that of float32"
    assert (labels_in(out) == probabilities.argmax(1)).mean() > 0.99
    with pytest.raises(DataError, match="amp: True there"):
        pseudo_label(*teacher, out=out, workers=0, confidence_map=True)


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


def test_classes_in_another_order_are_refused(teacher, trained, tmp_path):
    checkpoint = torch.load(teacher[1], weights_only=True)
    checkpoint["meta"]["dataset_meta"]["classes"] = ["square", "left", "right"]
    torch.save(checkpoint, tmp_path / "other.pth")
    with pytest.raises(ConfigError, match=r"other.pth was trained on the classes \['square', 'lef"):
        pseudo_label(teacher[0], tmp_path / "other.pth", out=tmp_path / "out", workers=0)
    assert not (tmp_path / "out").exists()


def test_folders_that_must_not_be_written(teacher, tiny_data, tmp_path):
    with pytest.raises(DataError, match="which is only read, are the same folder or one contains"):
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
