"""Rows of the study that differ from another one in a single thing."""

from pathlib import Path
from typing import Any

import pytest

from daseg.config.load import load_config
from daseg.datasets import AutoAugment, Cityscapes
from daseg.datasets.pipeline import Pipeline
from daseg.registry import DATASETS

CONFIGS = Path(__file__).parents[1] / "configs"
SUBSETS = {  # config -> what it differs from, images, images in the embedded world, iterations
    "target_subset/gc_b2_d1000": ("style_transfer/gc_b1", 1000, 101, 10000),
    "target_subset/aagc_b2_d1000": ("style_transfer/aagc_b2", 1000, 101, 20000),
    "target_subset/aagc_b2_d500": ("style_transfer/aagc_b2", 500, 50, 20000),
}
MULTIAUG = "augmentation/aagc_b2_multiaug"


def config(name: str, **options: Any) -> dict[str, Any]:
    return load_config(CONFIGS / f"{name}.py", **options).to_dict()


def differences(one: Any, other: Any, path: str = "") -> set[str]:
    """Places at which two configs differ; lists of another length differ as a whole."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = one.keys() | other.keys()
        return set().union(
            *(differences(one.get(k), other.get(k), f"{path}.{k}".lstrip(".")) for k in keys)
        )
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return set().union(*(differences(a, b, f"{path}.{i}") for i, (a, b) in pairs))
    return set() if one == other else {path}


LENGTH = {"train_cfg.max_iters", "param_scheduler.segmentor.1.end"}
LENGTH |= {"param_scheduler.discriminators.0.end"}
STUDENTS = {  # config -> iterations, whether it starts from aagc_b2, which domains are augmented
    "student/aagc_b2_student": (20000, True, ()),
    "student/aagc_b2_student_autoaug": (25000, True, ("source",)),
    "student/aagc_b2_student_full": (40000, False, ()),
    "student/aagc_b2_student_full_autoaug": (40000, False, ("source", "target")),
}
HELPERS = {"colours", "augmented_source", "augmented_target"}


@pytest.mark.parametrize("name", SUBSETS)
def test_a_subset_is_all_that_differs(name) -> None:
    base, images, _, iterations = SUBSETS[name]
    cfg, whole = config(name), config(base)
    target = "train_dataloader.dataset.target."
    expected = LENGTH | {target + "num_samples", target + "subset_seed"}
    if whole["train_dataloader"]["batch_size"] == 1:
        expected |= {"train_dataloader.batch_size"}
    assert differences(cfg, whole) - HELPERS == expected
    assert cfg["train_dataloader"]["batch_size"] == 2
    check_length(cfg, iterations)
    assert cfg["train_dataloader"]["dataset"]["target"]["num_samples"] == images
    assert "num_samples" not in str(cfg["train_dataloader"]["dataset"]["source"])


def check_length(cfg: dict[str, Any], iterations: int) -> None:
    assert cfg["train_cfg"]["max_iters"] == iterations
    warm_up, decay = cfg["param_scheduler"]["segmentor"]
    (other,) = cfg["param_scheduler"]["discriminators"]
    assert warm_up == dict(type="LinearRamp", end=5000, by_epoch=False)
    assert decay == other == dict(type="PolyDecay", end=iterations, by_epoch=False)


def touch(root: Path, count: int) -> None:
    """Names of training images in Cityscapes' layout; the files are empty."""
    for index in range(count):
        city = root / f"leftImg8bit/train/city{index % 7}"
        city.mkdir(parents=True, exist_ok=True)
        (city / f"city{index % 7}_{index:06d}_000019_leftImg8bit.png").touch()


def chosen(name: str, world: str | None, root: Path, **options: Any) -> list[str]:
    target = config(name, world=world)["train_dataloader"]["dataset"]["target"]
    dataset = DATASETS.build(target | dict(root=str(root)) | options)
    assert isinstance(dataset, Cityscapes)
    return dataset.names


@pytest.mark.parametrize(("world", "count"), [("demo", 300), (None, 2975)])
def test_subsets_are_nested_and_come_again(world, count, tmp_path) -> None:
    touch(tmp_path, count)
    names = {name: chosen(name, world, tmp_path) for name in SUBSETS}
    for name, (_, images, in_world, _) in SUBSETS.items():
        assert len(set(names[name])) == len(names[name]) == (in_world if world else images)
        assert abs(len(names[name]) / count - images / 2975) < 0.002  # the same share
        assert names[name] == chosen(name, world, tmp_path)
    gc_1000, aagc_1000, aagc_500 = (set(names[name]) for name in SUBSETS)
    assert gc_1000 == aagc_1000
    assert aagc_500 < aagc_1000
    others = set(chosen("target_subset/aagc_b2_d500", world, tmp_path, subset_seed=1))
    assert others != aagc_500
    assert not others <= aagc_1000


def test_auto_augment_of_both_domains_is_all_that_multiaug_differs_in() -> None:
    cfg, base = config(MULTIAUG), config("style_transfer/aagc_b2")
    pipelines = {f"train_dataloader.dataset.{d}.pipeline" for d in ("source", "target")}
    assert differences(cfg, base) - HELPERS == LENGTH | pipelines
    check_length(cfg, 20000)


@pytest.mark.parametrize("world", [None, "demo", "camvid"])
@pytest.mark.parametrize("domain", ["source", "target"])
def test_multiaug_changes_colours_between_resizing_and_cropping(domain, world) -> None:
    def steps(name: str) -> list[dict[str, Any]]:
        return config(name, world=world)["train_dataloader"]["dataset"][domain]["pipeline"]

    pipeline = steps(MULTIAUG)
    at = [step["type"] for step in pipeline].index("AutoAugment")
    assert pipeline[at - 1]["type"] in ("RandomResize", "ResizePIL")
    assert pipeline[at + 1]["type"] == "RandomCrop"
    assert pipeline[:at] + pipeline[at + 1 :] == steps("style_transfer/aagc_b2")
    augment = Pipeline(pipeline).transforms[at]
    assert isinstance(augment, AutoAugment)
    assert not augment.geometric
    assert len(augment.augmentation._policies) == 18


@pytest.mark.parametrize("name", STUDENTS)
def test_a_student_differs_from_aagc_by_its_pseudo_labels(name) -> None:
    iterations, continues, augmented = STUDENTS[name]
    cfg, base = config(name), config("style_transfer/aagc_b2")
    expected = {"model.objectives", "train_dataloader.dataset.pseudo_labels"}
    expected |= {f"train_dataloader.dataset.{domain}.pipeline" for domain in augmented}
    expected |= LENGTH | {"load_from"} if continues else set()
    assert differences(cfg, base) - HELPERS == expected
    check_length(cfg, iterations)
    *adversarial, own = cfg["model"]["objectives"]
    assert adversarial == base["model"]["objectives"]
    assert own == dict(type="PseudoLabel", aux_weight=0.5)
    pair = cfg["train_dataloader"]["dataset"]
    assert pair["pseudo_labels"] == "data/cityscapes_pseudo_labels"
    multiaug = config(MULTIAUG)["train_dataloader"]["dataset"]
    for domain in augmented:
        assert pair[domain]["pipeline"] == multiaug[domain]["pipeline"]


@pytest.mark.parametrize("name", [name for name, row in STUDENTS.items() if row[1]])
def test_what_a_student_starts_from(name) -> None:
    """The last checkpoint of aagc_b2, in a world that world's own."""
    for world, start in {
        None: "work_dirs/aagc_b2/iter_40000.pth",
        "demo": "work_dirs/demo/style_transfer_aagc_b2/iter_120.pth",
        "camvid": "work_dirs/camvid/style_transfer_aagc_b2/iter_160.pth",
    }.items():
        assert config(name, world=world)["load_from"] == start
        assert config(name, world=world, cfg_options={"load_from": None})["load_from"] is None
        length = config("style_transfer/aagc_b2", world=world)["train_cfg"]["max_iters"]
        assert start.endswith(f"/iter_{length}.pth")
