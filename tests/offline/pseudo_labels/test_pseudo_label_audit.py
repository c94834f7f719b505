"""What pseudo-labels would be worth, on validation images alone."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from daseg.offline.pseudo_labels.pseudo_label import pseudo_label
from daseg.offline.pseudo_labels.threshold import Threshold
from daseg.utils.errors import ConfigError
from runs import digest, manifest

BALANCED = Threshold("class-balanced", quantile=0.25)
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
