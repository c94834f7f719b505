"""The margins of target images: drawn into the picture by hand, they move as the mask does."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine import Config
from PIL import Image

from daseg.datasets import DomainPair, FolderDataset, IgnoreMargins, SampleIndex, collate
from daseg.datasets.prepared.settings import folder_name, settings_of
from daseg.offline.prepare import Preparation
from daseg.utils.errors import ConfigError, LabelFirewallError

CONFIGS = Path(__file__).parents[2] / "configs"
HEIGHT, WIDTH = 40, 64
MARGINS = dict(type="IgnoreMargins", top=3, bottom=8, left=2, right=5)
LOAD, PACK = dict(type="LoadImageFromFile"), dict(type="PackSample")
RESIZE = dict(type="Resize", scale=(48, 30), interpolation="nearest")
MOVES = [
    dict(type="RandomCrop", crop_size=(32, 24), image_fill=(255, 255, 255)),
    dict(type="RandomFlip", prob=0.5),
]


@pytest.fixture
def root(tmp_path):
    """Two dark images with white margins, and their labels, which nobody may read."""
    for kind in ("images", "labels"):
        (tmp_path / kind).mkdir()
    image = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    for name in ("0.png", "1.png"):
        noise = np.random.RandomState(int(name[0])).randint(0, 200, image.shape)
        image[3 : HEIGHT - 8, 2 : WIDTH - 5] = noise[3 : HEIGHT - 8, 2 : WIDTH - 5]
        Image.fromarray(image).save(tmp_path / "images" / name)
        Image.fromarray(np.zeros((HEIGHT, WIDTH), np.uint8)).save(tmp_path / "labels" / name)
    return tmp_path


def build(root, *steps, **options):
    options = dict(labels=False, classes=["a", "b"], seed=3) | options
    return FolderDataset(root, pipeline=[LOAD, *steps, PACK], **options)


@pytest.mark.parametrize(
    "steps",
    [
        [MARGINS, RESIZE, *MOVES],
        [MARGINS, dict(type="ResizePIL", scale=(48, 30), interpolation="nearest"), *MOVES],
        [MARGINS, *MOVES],
    ],
)
def test_they_move_with_the_image(root, steps):
    """Through resizing, padding, crop and flip; draws are those of a pipeline without them."""
    dataset, plain = build(root, *steps), build(root, *(s for s in steps if s is not MARGINS))
    shares = set()
    for position in range(12):
        index = SampleIndex(position % 2, position)
        sample = dataset[index]
        assert sample.keys() == {"image", "trusted", "meta"}
        assert sample["meta"]["label_shape"] is None
        assert torch.equal(sample["image"], plain[index]["image"])
        assert torch.equal(sample["trusted"], (sample["image"] < 255).any(0))
        shares.add(float(sample["trusted"].float().mean()))
    assert len(shares) > 1


def test_they_are_scaled_to_the_image(root):
    scaled = dict(type="IgnoreMargins", top=30, bottom=240, left=30, right=60, size=(2048, 1024))
    for sample in (build(root, scaled)[0], build(root, RESIZE, scaled)[0]):
        height, width = sample["trusted"].shape
        expected = torch.zeros(height, width, dtype=torch.bool)
        # 1.2 and 0.9 rows, 9.4 and 7.0; 0.9 and 0.7 columns, 1.9 and 1.4.
        bottom, right = {40: (9, 2), 30: (7, 1)}[height]
        expected[1 : height - bottom, 1 : width - right] = True
        assert torch.equal(sample["trusted"], expected)


def test_no_window_is_refused_for_its_margins(root):
    """They are no label that conditions are about."""
    crop = dict(type="RandomCrop", crop_size=(16, 16), cat_max_ratio=0.5, min_classes=3)
    with_, without = build(root, MARGINS, crop), build(root, crop)
    for position in range(4):
        index = SampleIndex(0, position)
        assert torch.equal(with_[index]["image"], without[index]["image"])


def test_targets_of_a_pair_have_them_and_no_label(root):
    source = build(root, MOVES[0], labels=True)
    source.pipeline.transforms.insert(1, build(root, dict(type="LoadLabel")).pipeline.transforms[1])
    pair = DomainPair(source, build(root, MARGINS, MOVES[0]), seed=0)
    batch = collate([pair[0], pair[1]])
    assert batch["target"]["trusted"].shape == (2, 32, 24)
    assert batch["target"]["trusted"].dtype == torch.bool
    assert "label" in batch["source"]
    assert "trusted" not in batch["source"]
    with pytest.raises(LabelFirewallError):
        batch["target"]["label"]


def test_prepared_data_has_the_same(root):
    steps = [RESIZE, MARGINS, *MOVES]
    direct = build(root, *steps)
    out = root / "prepared"
    Preparation(direct, out / folder_name(settings_of(direct)), 2, False).run(0, False)
    prepared = build(root, *steps, prepared=out)
    assert prepared.prepared.steps == 2
    for position in range(4):
        index = SampleIndex(position % 2, position)
        assert torch.equal(prepared[index]["trusted"], direct[index]["trusted"])
        assert torch.equal(prepared[index]["image"], direct[index]["image"])


@pytest.mark.parametrize("steps", [[MARGINS], [MARGINS, dict(type="LoadLabel")]])
def test_beside_labels_they_are_refused(root, steps):
    with pytest.raises(ConfigError, match="have labels or pseudo-labels from files"):
        build(root, *steps, labels=True)[0]


@pytest.mark.parametrize(
    "steps",
    [
        [MOVES[0], MARGINS],
        [MOVES[1], RESIZE, MARGINS],
        [dict(type="CenterCrop", crop_size=(32, 24)), MARGINS],
        [dict(type="Pad", size=(80, 80)), MARGINS],
        [MARGINS, dict(type="RandomApply", transforms=[MARGINS])],
    ],
)
def test_after_a_move_they_are_refused(root, steps):
    """Whichever it is, when the pipeline is built."""
    with pytest.raises(ConfigError, match=r"stands after or inside (Random|CenterCrop|Pad)"):
        build(root, *steps)


def test_after_loading_and_resizing_they_are_allowed(root):
    labels = dict(type="LoadLabel")  # it does nothing where the data set has none
    random = dict(RESIZE, type="RandomResize", ratio_range=(0.9, 1.1))
    choice = dict(type="RandomChoiceResize", scales=[(48, 30)])
    pil = dict(type="ResizePIL", scale=(64, 40))
    assert "trusted" in build(root, labels, random, choice, pil, MARGINS)[0]


def test_two_are_refused(root):
    with pytest.raises(ConfigError, match="a pipeline has IgnoreMargins twice"):
        build(root, MARGINS, RESIZE, MARGINS)[0]


def test_margins_that_leave_nothing_are_refused(root):
    with pytest.raises(ConfigError, match=r"left=2, .* leaves nothing of images of 64x4 "):
        IgnoreMargins(2, 2, 2, size=(64, 4))
    with pytest.raises(ConfigError, match="leaves nothing of images of 64x40"):
        build(root, dict(MARGINS, top=32))[0]
    # 2.7 and 37.03 of 40 rows are 3 and 37.
    rounded = dict(type="IgnoreMargins", top=70, bottom=948, size=(2048, 1024))
    with pytest.raises(ConfigError, match=r"bottom=948, .* leaves nothing of images of 64x40"):
        build(root, rounded)[0]
    with pytest.raises(ConfigError, match="negative number of pixels"):
        IgnoreMargins(left=-1)


def test_hrda_and_mic_have_those_of_cityscapes():
    for name in ("hrda", "mic"):
        for pair, expected in (("gta5", 1), ("synthia", 1), ("acdc", 0), ("dark_zurich", 0)):
            cfg = Config.fromfile(CONFIGS / name / f"{pair}_mitb5.py")
            steps = cfg.train_dataloader.dataset.target.pipeline
            found = [dict(step) for step in steps if step.type == "IgnoreMargins"]
            sides = dict(top=30, bottom=240, left=30, right=30, size=(2048, 1024))
            assert found == [dict(type="IgnoreMargins", **sides)] * expected
            assert steps[1].type == "Resize"


def test_no_config_but_theirs_and_vfm_udas_has_margins_of_the_whole_image():
    """Those of DAFormer are of the crop, given to its objective."""
    found = set()
    for path in (CONFIGS / "_base_/datasets").glob("*.py"):
        dataset = Config.fromfile(path).get("train_dataloader", {}).get("dataset", {})
        steps = dataset.get("target", {}).get("pipeline", ())
        if any(step.type == "IgnoreMargins" for step in steps):
            found.add(path.stem)
    assert found == {"hrda_gta5", "hrda_synthia", "vfm_gta5"}


def test_crops_of_1024_can_have_their_own(tmp_path):
    """By a name that configs of users take from the base."""
    config = tmp_path / "config.py"
    base = str(CONFIGS / "_base_/methods/daformer.py")
    config.write_text(
        f"_base_ = [{base!r}]\nmix = dict(_base_.class_mix, **_base_.large_margins)\n"
    )
    mix = Config.fromfile(config).mix
    assert (mix.ignore_top, mix.ignore_bottom) == (30, 240)
