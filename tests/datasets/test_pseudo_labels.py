"""Pseudo-labels of a target: they move with the image, and are never its labels."""

import json
import shutil
from hashlib import sha256
from itertools import islice

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from daseg.datasets import CamVid, DomainPair, MixedDataset, PairSampler, TargetBatch, collate
from daseg.datasets.check import check_config
from daseg.datasets.firewall import count_opened, take_opened
from daseg.utils.errors import ConfigError, DataError, LabelFirewallError
from daseg.visualization.browse import WIDTH, browse
from daseg.visualization.sheet import GAP

LOAD, PACK = dict(type="LoadImageFromFile"), dict(type="PackSample")


def manifest(root, **changes):
    """Write the manifest of the pseudo-labels in a folder, as the tool does."""
    images = {}
    for path in sorted((root / "labels").rglob("*.png")):
        name = path.relative_to(root / "labels").as_posix()[: -len(".png")]
        digest = sha256(path.read_bytes()).hexdigest()
        images[name] = dict(file=f"labels/{name}.png", sha256=digest)
    content = dict(
        kind="pseudo-labels",
        checkpoints=[dict(name="iter_7.pth", sha256="ab" * 32)],
        teacher_saw_target_labels=0,
        classes=list(CamVid.CLASSES),
        settings=dict(threshold=dict(kind="none")),
        images=images,
    )
    (root / "manifest.json").write_text(json.dumps(content | changes))
    return root


@pytest.fixture
def pseudo(tmp_path, make_camvid):
    """Pseudo-labels of three target images 8x12: the pixel's number modulo 7, ignored at 6."""
    make_camvid(3, name="target", first=20)
    root = tmp_path / "pseudo"
    shutil.copytree(tmp_path / "target/labels", root / "labels")
    label = np.arange(96).reshape(8, 12) % 7
    label = np.where(label == 6, 255, label).astype(np.uint8)
    for number, path in enumerate(sorted((root / "labels").rglob("*.png"))):
        Image.fromarray(np.roll(label, number, axis=1)).save(path)
    return manifest(root)


@pytest.fixture
def pair(pseudo, make_camvid, tmp_path):
    """Build a pair with pseudo-labels; arguments go to the pair or to its target."""

    def build(pipeline=(LOAD, PACK), target=None, **options):
        options = dict(pseudo_labels=pseudo) | options
        source = CamVid(make_camvid(4))
        own = dict(type="CamVid", root=str(tmp_path / "target"), pipeline=list(pipeline))
        return DomainPair(source, own | (target or {}), **options)

    return build


def label_of(pseudo, name):
    return np.asarray(Image.open(pseudo / f"labels/{name}.png"))


def test_target_samples_carry_them_and_no_label(pair, pseudo):
    take_opened()
    built = pair()
    for index in range(3):
        sample = built[index]["target"]
        assert sample.keys() == {"image", "pseudo_label", "meta"}
        expected = label_of(pseudo, sample["meta"]["name"])
        assert np.array_equal(sample["pseudo_label"], expected)
        assert sample["pseudo_label"].dtype is torch.int64
        assert sample["meta"]["label_path"] is None
        with pytest.raises(LabelFirewallError):
            sample["label"]
    opened = take_opened()
    assert "pseudo_label" not in built[0]["source"]
    assert count_opened(opened, built.target_label_files()) == 0
    assert count_opened(opened, built.pseudo_labels.files()) == 3
    assert "pseudo_label" not in pair(pseudo_labels=None)[0]["target"]


def test_transforms_move_image_and_pseudo_label_alike(pair, pseudo, tmp_path):
    """Each pixel of these images has a colour of its own: they say where each one went."""
    for path in (tmp_path / "target/images").rglob("*.jpg"):
        path.unlink()
        grid = np.stack([np.arange(96).reshape(8, 12)] * 3, -1).astype(np.uint8)
        Image.fromarray(grid).save(path.with_suffix(".png"))
        path.with_suffix(".png").rename(path)  # OpenCV looks at the bytes, not at the name
    steps = [dict(type="RandomCrop", crop_size=(5, 7)), dict(type="RandomFlip", prob=0.5)]
    scale = dict(type="Resize", scale=(24, 16), interpolation="nearest")
    built = pair([LOAD, scale, *steps, PACK], seed=3)
    boxes = set()
    for index in range(12):
        sample = built[index]["target"]
        place = sample["image"][0].long()
        source = torch.from_numpy(label_of(pseudo, sample["meta"]["name"]).astype(np.int64))
        assert torch.equal(sample["pseudo_label"], source.flatten()[place])
        boxes.add(tuple(place.flatten().tolist()))
    assert len(boxes) > 1, "nothing was moved"


def test_the_built_target_that_was_given_stays_as_it_is(pair, pseudo, tmp_path, make_camvid):
    target = CamVid(tmp_path / "target", labels=False)
    built = DomainPair(CamVid(make_camvid(2)), target, pseudo_labels=pseudo)
    assert "pseudo_label" in built[0]["target"]
    assert "pseudo_label" not in DomainPair(CamVid(make_camvid(2)), target)[0]["target"]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_batch_is_a_targets_and_counts_what_was_opened(pair, workers):
    take_opened()
    built = pair()
    sampler = PairSampler(built, seed=0, rank=0, world_size=1)
    loader = DataLoader(
        built, batch_size=2, sampler=sampler, num_workers=workers, collate_fn=collate
    )
    total = 0
    for batch in islice(loader, 3):
        assert isinstance(batch["target"], TargetBatch)
        assert batch["target"]["pseudo_label"].shape == (2, 8, 12)
        total += count_opened(batch.get("labels_opened", {}), built.pseudo_labels.files())
    total += count_opened(take_opened(), built.pseudo_labels.files())
    assert total == 6


def test_a_subset_of_the_target_needs_no_more(pair, pseudo):
    (pseudo / "labels/seq1/frame_001.png").unlink()
    with pytest.raises(DataError, match=r"lacks the pseudo-labels of 1 of 3 target.*\n  seq1/fr"):
        pair()
    seeds = [s for s in range(9) if pair_names(pair, s) != ["seq1/frame_001"]]
    assert 0 < len(seeds) < 9
    sample = pair(target=dict(num_samples=1, subset_seed=seeds[0]))[0]["target"]
    assert sample["pseudo_label"].shape == (8, 12)


def pair_names(pair, seed):
    """The image that a subset of one has."""
    return pair(target=dict(num_samples=1, subset_seed=seed), pseudo_labels=None).target.names


def test_a_folder_of_unknown_origin_is_refused_unless_one_says_so(pair, pseudo):
    (pseudo / "manifest.json").unlink()
    with pytest.raises(DataError, match=r"has no manifest.json .*labels_without_manifest=True"):
        pair()
    built = pair(pseudo_labels_without_manifest=True)
    assert built.pseudo_labels.facts == dict(root=str(pseudo))
    assert "pseudo_label" in built[0]["target"]
    # A translated data set has a manifest, too; its labels are true ones.
    manifest(pseudo, kind="translation")
    with pytest.raises(DataError, match=r"has no manifest.json of daseg pseudo-label"):
        pair()


def test_the_targets_own_labels_are_always_refused(pair, pseudo, tmp_path):
    with pytest.raises(DataError, match=r"has no manifest.json"):
        pair(pseudo_labels=tmp_path / "target")
    unknown = dict(pseudo_labels_without_manifest=True)
    with pytest.raises(LabelFirewallError, match=r"given as a pseudo-label, but it is a label of"):
        pair(pseudo_labels=tmp_path / "target", **unknown)
    path = pseudo / "labels/seq0/frame_002.png"
    path.unlink()
    path.symlink_to(tmp_path / "target/labels/seq0/frame_002.png")
    with pytest.raises(LabelFirewallError, match=r"frame_002.png is given as a pseudo-label, but"):
        pair()


def test_files_elsewhere_are_no_pseudo_labels(pair, pseudo, tmp_path):
    path = min((pseudo / "labels").rglob("*.png"))
    path.rename(tmp_path / "elsewhere.png")
    path.symlink_to(tmp_path / "elsewhere.png")
    manifest(pseudo)  # of the same content
    with pytest.raises(DataError, match=rf"{path} is a link that leads out of {pseudo}"):
        pair()
    path.unlink()
    (tmp_path / "elsewhere.png").rename(path)
    pair()
    link = tmp_path / "link"  # the folder itself may be one
    link.symlink_to(pseudo)
    pair(pseudo_labels=link)
    text = (pseudo / "manifest.json").read_text()
    (pseudo / "manifest.json").write_text(text.replace('"labels/', f'"{pseudo}/labels/', 1))
    with pytest.raises(DataError, match=r"its file .* does not lie in the folder, and files else"):
        pair()


def test_a_label_put_in_the_place_of_a_pseudo_label_is_found(pair, pseudo, tmp_path):
    built = pair()
    name = built.target.names[0]
    shutil.copy(tmp_path / f"target/labels/{name}.png", pseudo / f"labels/{name}.png")
    with pytest.raises(DataError, match=rf"{name}.png is not the one that .*manifest.json names"):
        built[0]


def test_what_does_not_fit_is_refused(pair, pseudo, tmp_path, make_camvid):
    gone = tmp_path / "gone"
    with pytest.raises(DataError, match=f"no pseudo-labels at {gone}; make them with daseg pseudo"):
        pair(pseudo_labels=gone)
    (pseudo / "manifest.jsonl").write_text("{}\n")
    with pytest.raises(DataError, match=r"are not finished: run the command of daseg pseudo-label"):
        pair()
    (pseudo / "manifest.jsonl").unlink()
    manifest(pseudo, classes=["dry", "wet"])
    with pytest.raises(DataError, match=r"are of the classes \['dry', 'wet'\], the target CamVid"):
        pair()
    (pseudo / "manifest.json").write_text("{]")
    with pytest.raises(DataError, match="cannot be read as a manifest of pseudo-labels"):
        pair()
    Image.fromarray(np.zeros((4, 6), np.uint8)).save(pseudo / "labels/seq0/frame_000.png")
    manifest(pseudo)
    with pytest.raises(DataError, match=r"is 12x8 \(width x height\), but its pseudo-label .* 6x4"):
        pair()[0]
    Image.fromarray(np.full((8, 12), 11, np.uint8)).save(pseudo / "labels/seq0/frame_000.png")
    manifest(pseudo)
    with pytest.raises(DataError, match=r"holds ids that this data set does not know: 11"):
        pair()[0]
    with pytest.raises(ConfigError, match=r"IgnoreMargins in its pipeline, .* leave one of them"):
        pair(pipeline=[LOAD, dict(type="IgnoreMargins", top=1), PACK])
    with pytest.raises(ConfigError, match="behind LoadImageFromFile, which the target's pipeline"):
        pair([PACK])
    mixed = MixedDataset([CamVid(tmp_path / "target", labels=False)])
    with pytest.raises(ConfigError, match="pseudo_labels are those of one data set"):
        DomainPair(CamVid(make_camvid(2)), mixed, pseudo_labels=pseudo)


def test_they_are_checked_and_drawn_like_labels(pair, pseudo, tmp_path, make_camvid):
    cfg = dict(
        type="DomainPair",
        source=dict(type="CamVid", root=str(make_camvid(2))),
        target=dict(type="CamVid", root=str(tmp_path / "target")),
        pseudo_labels=str(pseudo),
    )
    reports = check_config(dict(train_dataloader=dict(dataset=cfg)), "train")
    expected = np.bincount(label_of(pseudo, "seq0/frame_000").ravel(), minlength=256)
    assert np.array_equal(reports[1].pixels, 3 * expected)
    with_them, without = pair(), pair(pseudo_labels=None)
    width = browse(without, 1).shape[1]
    assert browse(with_them, 1).shape[1] == width + GAP + WIDTH, "the labels beside the images"
