"""A translated data set: its images, and its files in the layout of its source."""

import os
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from daseg.datasets import GTA5, SYNTHIA, CamVid, Cityscapes, FolderDataset
from daseg.discriminators import PixelDiscriminator
from daseg.generators import ResNetGenerator
from daseg.offline.images import resizing_steps, target_of
from daseg.offline.translation.translate import translate
from daseg.translation import CycleGAN
from daseg.utils.errors import ConfigError, DataError
from runs import digest, manifest, read_pixels, state_of

IDENTITY = ["IdentityTranslator"]
CLASSES = ["left", "right", "square"]


def write(path, index, size=(24, 32), high=11):
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(index)
    shape = size if high < 256 else (*size, 3)
    Image.fromarray(rng.integers(0, high, shape, dtype=np.uint8)).save(path)


def test_a_translated_set_has_the_files_of_its_source(
    pair_config, pair_weights, tiny_data, tmp_path
):
    before, out = state_of(tiny_data), tmp_path / "out"
    done = translate(pair_config(), pair_weights(), out=out, workers=0)
    assert (done.images, done.made, done.labels, done.skipped) == (12, 12, 12, {})
    own = FolderDataset(tiny_data, CLASSES)
    made = FolderDataset(out, CLASSES)
    assert made.names == own.names
    for at in range(12):
        assert torch.equal(made[at]["label"], own[at]["label"])
        assert made[at]["image"].shape == own[at]["image"].shape
        assert not torch.equal(made[at]["image"], own[at]["image"])
    # The other way to have the labels.
    elsewhere = FolderDataset(out, CLASSES, label_root=tiny_data)
    assert elsewhere.samples[3].label == tiny_data / "labels/03.png"
    assert state_of(tiny_data) == before, "the source is only read"
    assert sorted(p.name for p in out.iterdir()) == [
        "contact_sheet.png",
        "images",
        "labels",
        "manifest.json",
    ]


def test_the_images_are_those_of_the_network(pair_config, pair_weights, tiny_data, tmp_path):
    weights = pair_weights()
    translate(pair_config(), weights, out=tmp_path / "out", workers=0, limit=2)
    network = ResNetGenerator(channels=4, blocks=1).eval()
    state = torch.load(weights)["state_dict"]
    network.load_state_dict({k.removeprefix("source_to_target."): v for k, v in state.items()})
    image = torch.from_numpy(read_pixels(tiny_data / "images/01.png").copy()).permute(2, 0, 1)[None]
    with torch.no_grad():
        expected = (network(image / 127.5 - 1)[0] + 1) * 127.5
    expected = expected.permute(1, 2, 0).numpy().round()
    difference = abs(read_pixels(tmp_path / "out/images/01.png") - expected)
    assert difference.max() <= 1
    assert difference.mean() < 0.01, "rounded, not cut off"


def test_the_identity_gives_every_bit_back_and_keeps_no_other_file(
    pair_config, tiny_data, tmp_path
):
    out = tmp_path / "out"
    translate(pair_config(), out=out, translator=IDENTITY, workers=2)
    for path in sorted((tiny_data / "images").iterdir()):
        assert np.array_equal(read_pixels(out / "images" / path.name), read_pixels(path))
    assert len(list((out / "images").iterdir())) == 12


@pytest.mark.parametrize(("size", "shape"), [("file", (32, 48)), ("trained", (16, 24))])
def test_the_scale_is_that_of_the_training(size, shape, pair_config, tiny_data, tmp_path):
    out = tmp_path / "out"
    translate(pair_config(scale=(24, 16)), out=out, translator=IDENTITY, size=size, workers=0)
    with Image.open(tiny_data / "images/04.png") as file:
        small = file.convert("RGB").resize((24, 16), Image.Resampling.BICUBIC)
        expected = small.resize((48, 32), Image.Resampling.BICUBIC) if size == "file" else small
    assert read_pixels(out / "images/04.png").shape[:2] == shape
    assert np.array_equal(read_pixels(out / "images/04.png"), np.asarray(expected))
    assert manifest(out)["images"]["04"]["size"] == [shape[1], shape[0]]


def test_which_transforms_of_a_training_resize():
    steps = [
        dict(type="LoadImageFromFile"),
        dict(type="RandomResize", scale=(64, 32), ratio_range=(0.5, 2.0), keep_ratio=True),
        dict(type="RandomCrop", crop_size=(8, 8)),
        dict(type="ResizePIL", scale=(24, 16)),
        dict(type="PhotoMetricDistortion"),
    ]
    assert resizing_steps(steps) == [
        dict(type="Resize", scale=(64, 32), keep_ratio=True),
        dict(type="ResizePIL", scale=(24, 16)),
    ]
    pil = dict(type="RandomResize", scale=(6, 4), ratio_range=(1, 2), resize_type="ResizePIL")
    assert resizing_steps([pil]) == [dict(type="ResizePIL", scale=(6, 4))]
    with pytest.raises(ConfigError, match="RandomChoiceResize draws one of several scales"):
        resizing_steps([dict(type="RandomChoiceResize", scales=[(6, 4), (3, 2)])])


def test_the_target_image_is_drawn_by_seed_and_place(pair_config, target_root, tmp_path):
    """Its colour is that of the result: Reinhard's translator takes over mean and deviation."""
    outs = [tmp_path / name for name in ("a", "b", "c")]
    for out, extra, workers in ((0, "", 0), (1, "", 2), (2, "randomness['seed'] = 6\n", 0)):
        config = pair_config(extra)
        translate(config, out=outs[out], translator=["ReinhardTranslator"], workers=workers)
    chosen = [[manifest(out)["images"][f"{i:02d}"]["target"] for i in range(12)] for out in outs]
    assert chosen[0] == chosen[1] == [str(target_of(i, 5, 5)) for i in range(12)]
    assert chosen[0] != chosen[2]
    assert len(set(chosen[0])) > 2
    for number, name in enumerate(chosen[0]):
        pixels = read_pixels(outs[0] / f"images/{number:02d}.png").astype(int)
        assert abs(pixels - 50 * int(name)).max() <= 1
    assert digest(outs[0] / "images/07.png") == digest(outs[1] / "images/07.png")


def test_a_translator_of_the_config_is_found(pair_config, tmp_path):
    extra = "train_dataloader['dataset']['translator'] = dict(type='FourierTranslator', beta=0.1)\n"
    translate(pair_config(extra), out=tmp_path / "out", workers=0, limit=1)
    found = manifest(tmp_path / "out")["settings"]["translator"]
    assert found == dict(type="FourierTranslator", beta=0.1)
    with pytest.raises(ConfigError, match=r"no translator that needs no training: give a CHECK"):
        translate(pair_config(), out=tmp_path / "two", workers=0)


def layouts(root):
    """Two samples in each layout, and a config text for it."""
    city = "aachen/aachen_000000_000019"
    return {
        "GTA5": (["images/00001.png", "images/00002.png"], "labels", GTA5, {}),
        "SYNTHIA": (["RGB/0000000.png", "RGB/0000001.png"], "GT/LABELS", SYNTHIA, {}),
        "Cityscapes": (
            [f"leftImg8bit/val/{city}_leftImg8bit.png"],
            "gtFine/val",
            Cityscapes,
            dict(split="val"),
        ),
        "CamVid": (
            ["images/a/1.jpg", "images/b/2.jpg"],
            "labels",
            CamVid,
            dict(list_file="lists/day.txt"),
        ),
        "FolderDataset": (
            ["photos/x/1.jpg", "photos/y/2.png"],
            "masks",
            FolderDataset,
            dict(image_dir="photos", label_dir="masks", classes=CLASSES),
        ),
    }


@pytest.mark.parametrize("kind", ["GTA5", "SYNTHIA", "Cityscapes", "CamVid", "FolderDataset"])
@pytest.mark.parametrize("copy", [False, True])
def test_every_layout_comes_back_in_its_own(kind, copy, tmp_path, pair_config):
    root, out = tmp_path / "source", tmp_path / "deep/er/out"
    images, labels, build, options = layouts(root)[kind]
    for number, image in enumerate(images):
        write(root / image, number, high=256)
        below = "/".join(image.split("/")[2 if kind == "Cityscapes" else 1 :])
        name = below.rsplit(".", 1)[0].replace("_leftImg8bit", "_gtFine_labelIds")
        write(root / labels / f"{name}.png", number, high=3)
    if kind == "CamVid":
        (root / "lists").mkdir()
        (root / "lists/day.txt").write_text("b/2\na/1\n")
        (root / "lists/one.txt").write_text("# one\nb/2.jpg\n")
        (root / "lists/more.txt").write_text("a/1\nc/3\n")
    before = state_of(root)
    extra = (
        f"classes = {list(build.CLASSES) or CLASSES}\n"
        f"train_dataloader['dataset']['source'] = dict(type={kind!r}, root={str(root)!r}, "
        f"**{options})\n"
        "train_dataloader['dataset']['target']['classes'] = classes\n"
    )
    translate(pair_config(extra), out=out, translator=IDENTITY, workers=0, copy_labels=copy)
    made, own = build(out, **options), build(root, **options)
    assert made.names == own.names
    for at in range(len(own)):
        assert torch.equal(made[at]["label"], own[at]["label"])
        difference = (made[at]["image"].int() - own[at]["image"].int()).abs()
        lossy = kind == "CamVid"  # looks for .jpg alone
        assert difference.max() <= (8 if lossy else 0)
        label = made.samples[at].label
        assert label.is_symlink() != copy
        assert copy or not os.readlink(label).startswith("/")
        assert label.resolve() == (label if copy else own.samples[at].label)
    if kind == "CamVid":
        assert CamVid(out, list_file="lists/one.txt").names == ["b/2"]
        assert not (out / "lists/more.txt").exists(), "an image of it is not there"
    if kind == "FolderDataset":
        assert [p.name for p in sorted(out.rglob("photos/*/*"))] == ["1.png", "2.png"]
    assert state_of(root) == before


def test_a_set_whose_config_has_no_labels_gets_those_that_there_are(
    pair_config, tiny_data, tmp_path
):
    root = shutil.copytree(tiny_data, tmp_path / "source")
    (root / "labels/05.png").unlink()
    config = pair_config("train_dataloader['dataset']['source']['labels'] = False\n", source=root)
    done = translate(config, out=tmp_path / "out", translator=IDENTITY, workers=0)
    assert (done.images, done.labels) == (12, 11)
    made = FolderDataset(tmp_path / "out", CLASSES, on_missing="skip")
    assert len(made) == 11


def test_a_picture_for_the_eye_is_no_image_of_the_set(pair_config, tiny_data, tmp_path):
    root = shutil.copytree(tiny_data / "images", tmp_path / "bare")
    extra = "train_dataloader['dataset']['source'].update(image_dir='.', labels=False)\n"
    out = tmp_path / "out"
    translate(pair_config(extra, source=root), out=out, translator=IDENTITY, workers=0)
    assert len(FolderDataset(out, CLASSES, image_dir=".", labels=False)) == 12
    assert (out / ".contact_sheet.png").is_file()


def test_another_source_root_and_a_part_of_it(pair_config, tiny_data, tmp_path):
    other = shutil.copytree(tiny_data, tmp_path / "other")
    shutil.copy(other / "images/11.png", other / "images/00.png")
    out = tmp_path / "out"
    options = dict(out=out, translator=IDENTITY, workers=0, source=other)
    assert translate(pair_config(), **options, limit=3).images == 3
    assert np.array_equal(
        read_pixels(out / "images/00.png"), read_pixels(tiny_data / "images/11.png")
    )
    done = translate(pair_config(), **options, limit=5)
    assert (done.images, done.made) == (5, 2)
    assert sorted(manifest(out)["images"]) == ["00", "01", "02", "03", "04"]
    assert len(FolderDataset(out, CLASSES)) == 5


def test_tiles_are_blended(pair_config, pair_weights, tmp_path):
    for name, tile in (("whole", None), ("tiled", 128)):
        options = dict(workers=0, tile=tile, limit=1)
        translate(pair_config(scale=(160, 96)), pair_weights(), out=tmp_path / name, **options)
    whole, tiled = (
        read_pixels(tmp_path / name / "images/00.png").astype(int) for name in ("whole", "tiled")
    )
    assert 0 < abs(whole - tiled).mean() < 5


def test_in_mixed_precision_grey_levels_hardly_move(pair_config, pair_weights, tiny_data, tmp_path):
    weights, out = pair_weights(), tmp_path / "out"
    translate(pair_config(), weights, out=out, workers=0, limit=1, amp=True)
    assert manifest(out)["settings"]["amp"] is True
    network = ResNetGenerator(channels=4, blocks=1).eval()
    state = torch.load(weights)["state_dict"]
    network.load_state_dict({k.removeprefix("source_to_target."): v for k, v in state.items()})
    image = torch.from_numpy(read_pixels(tiny_data / "images/00.png").copy()).permute(2, 0, 1)[None]
    with torch.no_grad():
        plain = (network(image / 127.5 - 1)[0] + 1) * 127.5
        mixed = (network.bfloat16()(image.bfloat16() / 127.5 - 1)[0].float() + 1) * 127.5
    made = torch.from_numpy(read_pixels(out / "images/00.png").copy()).permute(2, 0, 1)
    away = [(made - each).abs().mean() for each in (plain, mixed)]
    assert 0.3 < away[0] < 3  # rounding to whole grey levels alone gives 0.25
    assert away[1] < 3
    with pytest.raises(DataError, match="amp: True there"):
        translate(pair_config(), weights, out=out, workers=0, limit=1)
    with pytest.raises(ConfigError, match="--amp: a translator without network"):
        translate(pair_config(), out=tmp_path / "x", translator=IDENTITY, workers=0, amp=True)


def test_the_generator_alone_is_built(pair_config, pair_weights, tmp_path, monkeypatch):
    def broken(self, *args, **kwargs):
        raise RuntimeError("built for nothing")

    for part in (CycleGAN, PixelDiscriminator):
        monkeypatch.setattr(part, "__init__", broken)
    translate(pair_config(), pair_weights(), out=tmp_path / "out", workers=0, limit=1)
