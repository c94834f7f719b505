"""Two domains as one data set: no label in the target, and two streams that share nothing."""

from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader, Dataset

from daseg.datasets import (
    CamVid,
    Cityscapes,
    DomainPair,
    EndlessSampler,
    FolderDataset,
    MixedDataset,
    PairIndex,
    PairSampler,
    SampleIndex,
    TargetBatch,
    TargetSample,
    collate,
)
from daseg.datasets.domain_pair import PairPreprocessor, domain_seeds
from daseg.registry import DATA_SAMPLERS, DATASETS
from daseg.utils.errors import ConfigError, LabelFirewallError

REASON = "a target image has no label in training: adaptation is unsupervised"


def pipeline(*crop: int) -> list[dict[str, Any]]:
    load = [dict(type="LoadImageFromFile"), dict(type="LoadLabel")]
    return [*load, dict(type="RandomCrop", crop_size=crop), dict(type="PackSample")]


def images(folder: Path, num: int, size: tuple[int, int] = (8, 12)) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(num):
        cv2.imwrite(str(folder / f"{i:02d}.png"), np.full((*size, 3), 10 * i, np.uint8))


@pytest.fixture
def pair(make_camvid) -> DomainPair:
    """Five source images cropped to 4x6, three target images cropped to 2x8."""
    source = dict(type="CamVid", root=str(make_camvid(5)), pipeline=pipeline(4, 6))
    root = str(make_camvid(3, name="target", first=20))
    target = dict(type="CamVid", root=root, pipeline=pipeline(2, 8))
    return DATASETS.build(dict(type="DomainPair", source=source, target=target))


def test_source_with_label_target_without_each_with_its_crop(pair, make_camvid) -> None:
    sample = pair[4]
    assert sample.keys() == {"source", "target"}
    assert sample["source"].keys() == {"image", "label", "meta"}
    assert sample["source"]["image"].shape == (3, 4, 6)
    assert sample["source"]["label"].shape == (4, 6)
    assert sample["target"].keys() == {"image", "meta"}
    assert sample["target"]["image"].shape == (3, 2, 8)
    assert sample["target"]["meta"]["label_path"] is None
    # A plain number, modulo the length of each.
    assert sample["source"]["meta"]["name"] == pair.source.names[4]
    assert sample["target"]["meta"]["name"] == pair.target.names[1]
    assert len(pair) == 5


def test_an_index_says_the_sample_and_the_place_of_each_domain(pair) -> None:
    pair.inherit_seed(1)
    sample = pair[PairIndex(SampleIndex(1, 70), SampleIndex(2, 90))]
    for domain, at in (("source", SampleIndex(1, 70)), ("target", SampleIndex(2, 90))):
        alone = getattr(pair, domain)[at]
        assert torch.equal(sample[domain]["image"], alone["image"])
        assert sample[domain]["meta"] == alone["meta"]


def test_lists_both_domains(pair, tmp_path: Path) -> None:
    assert pair.names == pair.source.names + pair.target.names
    assert [s.image.is_file() for s in pair.samples] == [True] * 8
    assert [s.label for s in pair.samples[5:]] == [None] * 3
    pair.write_list(tmp_path / "list.txt")
    lines = (tmp_path / "list.txt").read_text().splitlines()
    assert lines[0] == f"# CamVid at {pair.source.root}: 5 of 5 images"
    assert lines[6] == f"# CamVid at {pair.target.root}: 3 of 3 images"
    assert lines[1:6] + lines[7:] == pair.names


def test_a_bare_folder_of_images_is_a_target(make_camvid, tmp_path: Path) -> None:
    images(tmp_path / "bare", 3)
    classes = list(CamVid.CLASSES)
    target = dict(type="FolderDataset", root=str(tmp_path / "bare"), image_dir=".", classes=classes)
    pair = DomainPair(CamVid(make_camvid(2)), target)
    assert sorted(p.name for p in (tmp_path / "bare").iterdir()) == ["00.png", "01.png", "02.png"]
    assert pair.target.names == ["00", "01", "02"]
    assert pair[1]["target"]["image"].unique().tolist() == [10]
    built = FolderDataset(tmp_path / "bare", classes, image_dir=".", labels=False)
    assert len(DomainPair(CamVid(make_camvid(2)), built).target) == 3


def test_cityscapes_without_its_labels_is_a_target(tmp_path: Path) -> None:
    name = "aachen/aachen_000000_000019"
    path = tmp_path / f"city/leftImg8bit/train/{name}_leftImg8bit.png"
    path.parent.mkdir(parents=True)
    cv2.imwrite(str(path), np.zeros((4, 6, 3), np.uint8))
    images(tmp_path / "game/images", 1)
    (tmp_path / "game/labels").mkdir()
    cv2.imwrite(str(tmp_path / "game/labels/00.png"), np.zeros((8, 12), np.uint8))
    source = FolderDataset(tmp_path / "game", Cityscapes.CLASSES)
    pair = DomainPair(source, dict(type="Cityscapes", root=str(tmp_path / "city")))
    assert pair[0]["target"]["meta"]["name"] == name
    where = tmp_path / f"city/gtFine/train/{name}_gtFine_labelIds.png"
    assert pair.target_label_files() == {str(where.resolve())}
    assert isinstance(pair.target, Cityscapes)


def test_several_targets(make_camvid) -> None:
    roots = [make_camvid(2, name=name) for name in ("one", "two")]
    parts = [dict(type="CamVid", root=str(root)) for root in roots]
    source = CamVid(make_camvid(4))
    pair = DomainPair(source, dict(type="MixedDataset", datasets=parts, weights=[1, 3]))
    assert [part.labels for part in pair.target.datasets] == [False, False]
    assert "labels" not in parts[0], "the config is the user's"
    expected = {str(p.resolve()) for root in roots for p in (root / "labels").rglob("*.png")}
    assert len(expected) == 4
    assert pair.target_label_files() == expected
    labelled = MixedDataset([CamVid(root, labels=i == 0) for i, root in enumerate(roots)])
    with pytest.raises(ConfigError, match=r"target CamVid\(2 images at .*one\) has labels=True"):
        DomainPair(source, labelled)


def test_labels_of_another_root_are_watched_too(make_camvid, tmp_path: Path) -> None:
    root = make_camvid(1)
    target = CamVid(root, labels=False, label_root=tmp_path / "pseudo")
    name = "labels/seq0/frame_000.png"
    expected = {str(root.resolve() / name), str(tmp_path.resolve() / "pseudo" / name)}
    assert DomainPair(CamVid(root), target).target_label_files() == expected


def test_a_target_with_labels_is_refused_and_says_why(make_camvid) -> None:
    source = CamVid(make_camvid(2))
    target = dict(type="CamVid", root=str(source.root), labels=True)
    why = r"CamVid.* has labels=True, but adaptation is unsupervised: .*train supervised on this"
    with pytest.raises(ConfigError, match=why):
        DomainPair(source, target)
    with pytest.raises(ConfigError, match=why):
        DomainPair(source, CamVid(source.root))


def test_classes_that_differ_are_refused(make_camvid, tmp_path: Path) -> None:
    images(tmp_path / "t/images", 1)
    target = dict(type="FolderDataset", root=str(tmp_path / "t"), classes=["dry", "wet"])
    with pytest.raises(ConfigError, match=r"classes differ: .*'sky', .*target .*\('dry', 'wet'\)"):
        DomainPair(CamVid(make_camvid(1)), target)


class Foreign(Dataset[dict[str, Any]]):
    """Somebody else's data set, which gives labels whatever it is told."""

    metainfo = dict(classes=CamVid.CLASSES)

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: Any) -> dict[str, Any]:
        meta = dict(image_path="foreign.png")
        return dict(image=torch.zeros(3, 2, 2), label=torch.zeros(2, 2), meta=meta)


def test_a_foreign_target_that_gives_labels_is_refused(make_camvid) -> None:
    pair = DomainPair(CamVid(make_camvid(1)), Foreign())
    with pytest.raises(LabelFirewallError, match=r"gives a label with its image foreign\.png"):
        pair[0]
    assert pair.target_label_files() is None


@pytest.mark.parametrize("kind", [TargetSample, TargetBatch])
def test_asking_for_a_target_label_says_why_not(kind: type) -> None:
    target = kind(image=1, meta=2)
    asking = [
        lambda: target["label"],
        lambda: target.get("label"),
        lambda: target.get("label", 5),
        lambda: target.pop("label", None),
        lambda: target.__setitem__("label", 5),
        lambda: kind(label=5),
        lambda: kind({"label": 5}),
    ]
    for ask in asking:
        with pytest.raises(LabelFirewallError, match=REASON):
            ask()
    assert "label" not in target
    with pytest.raises(KeyError, match="lable"):
        target["lable"]
    assert (target.get("lable", 3), target.get("image"), target.pop("meta")) == (3, 1, 2)
    target["more"] = 4
    assert target == dict(image=1, more=4)


def loader(pair: DomainPair, workers: int, collate_fn: Any = collate) -> DataLoader:
    sampler = PairSampler(pair, seed=3, rank=0, world_size=1)
    return DataLoader(
        pair, batch_size=2, sampler=sampler, num_workers=workers, collate_fn=collate_fn
    )


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_of_pairs_keep_the_firewall(pair, workers: int) -> None:
    batch = next(iter(loader(pair, workers)))
    assert batch["source"]["image"].shape == (2, 3, 4, 6)
    assert batch["source"]["label"].shape == (2, 4, 6)
    assert batch["target"]["image"].shape == (2, 3, 2, 8)
    assert [type(meta) for meta in batch["target"]["meta"]] == [dict, dict]
    assert type(batch["source"]) is dict
    assert type(batch["target"]) is TargetBatch
    with pytest.raises(LabelFirewallError, match=REASON):
        batch["target"]["label"]
    foreign = next(iter(loader(pair, workers, pseudo_collate)))["target"]
    with pytest.raises(LabelFirewallError, match=REASON):
        foreign["label"]


def test_pinned_memory_keeps_the_firewall(pair, monkeypatch) -> None:
    from torch.utils.data._utils.pin_memory import pin_memory

    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: self + 1)
    batch = next(iter(loader(pair, 0)))
    pinned = pin_memory(batch)
    assert type(pinned["target"]) is TargetBatch
    assert torch.equal(pinned["target"]["image"], batch["target"]["image"] + 1)
    with pytest.raises(LabelFirewallError, match=REASON):
        pinned["target"]["label"]


def test_moving_to_the_device_keeps_the_firewall(pair) -> None:
    batch = next(iter(loader(pair, 0)))
    moved = PairPreprocessor().to("meta").cast_data(batch)
    assert {moved[d]["image"].device.type for d in ("source", "target")} == {"meta"}
    assert moved["source"]["label"].device.type == "meta"
    assert type(moved["target"]) is TargetBatch
    assert type(moved["source"]) is dict
    assert moved["target"]["meta"] == batch["target"]["meta"]
    with pytest.raises(LabelFirewallError, match=REASON):
        moved["target"]["label"]


class Asks:
    """A collate function that asks for the target's labels; as a class, it can be pickled."""

    def __call__(self, samples: list[dict[str, Any]]) -> Any:
        return [sample["target"]["label"] for sample in samples]


def test_the_message_comes_out_of_a_worker(pair) -> None:
    stream = iter(loader(pair, 1, Asks()))
    with pytest.raises(LabelFirewallError, match=REASON):
        next(stream)
    stream._shutdown_workers()  # here, not whenever the garbage is collected


def take(sampler: PairSampler, count: int) -> list[PairIndex]:
    return list(islice(sampler, count))


class Two:
    """What `DomainPair` shows of itself to a sampler."""

    source, target = range(7), range(5)


def of_rank(rank: int = 0, world: int = 1, **options: Any) -> PairSampler:
    return PairSampler(Two(), seed=11, rank=rank, world_size=world, **options)


def test_two_streams_each_a_permutation_an_epoch() -> None:
    stream = take(of_rank(), 35)
    for domain, size in (("source", 7), ("target", 5)):
        own = [getattr(pair, domain) for pair in stream]
        assert [at.position for at in own] == list(range(35))
        epochs = [tuple(at.index for at in own[e : e + size]) for e in range(0, 35, size)]
        assert all(sorted(epoch) == list(range(size)) for epoch in epochs)
        assert len(set(epochs)) > 1
    assert len(of_rank()) == 7


def test_the_streams_are_independent() -> None:
    """Equal data sets: neither domain's order follows from the other's."""

    class Equal:
        source = target = range(50)

    stream = take(PairSampler(Equal(), seed=11, rank=0, world_size=1), 5000)
    same = sum(pair.source.index == pair.target.index for pair in stream)
    assert 50 < same < 150  # 100 expected, of standard deviation 10
    partners = Counter((p.source.index, p.target.index) for p in stream)
    assert len(partners) > 1900  # of 2500: 2500 * (1 - 1/e^2) = 2162 where the two are independent


def test_the_domains_are_those_of_the_documented_seeds() -> None:
    seeds = domain_seeds(11)
    assert seeds[0] != seeds[1]
    for domain, seed in zip(("source", "target"), seeds, strict=True):
        alone = EndlessSampler(getattr(Two, domain), seed=seed, rank=0, world_size=1)
        expected = list(islice(alone, 20))
        assert [getattr(pair, domain) for pair in take(of_rank(), 20)] == expected


@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_out_both_streams(world: int) -> None:
    shards = [take(of_rank(rank, world), 12) for rank in range(world)]
    together = [pair for pairs in zip(*shards, strict=True) for pair in pairs]
    assert together == take(of_rank(), 12 * world)


@pytest.mark.parametrize("begin", [0, 6, 34, 1000])
def test_a_start_in_the_middle(begin: int) -> None:
    whole = take(of_rank(), begin + 20)
    for rank in range(2):
        resumed = of_rank(rank, 2)
        resumed.start_at(begin)
        assert take(resumed, 10) == whole[begin + rank :: 2][:10]


def test_without_shuffling() -> None:
    stream = take(of_rank(shuffle=False), 8)
    assert [pair.source.index for pair in stream] == [0, 1, 2, 3, 4, 5, 6, 0]
    assert [pair.target.index for pair in stream] == [0, 1, 2, 3, 4, 0, 1, 2]


def test_a_mixed_source_is_drawn_from_by_its_weights(make_camvid) -> None:
    parts = [CamVid(make_camvid(2)), CamVid(make_camvid(2, name="other"))]
    mixed = MixedDataset(parts, weights=[3, 1])
    pair = DomainPair(mixed, CamVid(parts[0].root, labels=False))
    sampler = DATA_SAMPLERS.build(dict(type="PairSampler"), dataset=pair, seed=1)
    drawn = [at.source.index < 2 for at in take(sampler, 40)]
    assert sum(drawn) == 30


class Counting(Dataset[Any]):
    """Counts what is read of a data set."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.metainfo, self.read = inner, inner.metainfo, []

    def __len__(self) -> int:
        return len(self.inner)

    def __getitem__(self, index: Any) -> Any:
        self.read.append(index)
        return self.inner[index]


def test_a_resumed_stream_reads_nothing_of_what_lies_before(make_camvid) -> None:
    source, target = (
        Counting(CamVid(make_camvid(5))),
        Counting(CamVid(make_camvid(3), labels=False)),
    )
    pair = DomainPair(source, target)
    stream = loader(pair, 0)
    stream.sampler.start_at(1000)
    next(iter(stream))
    for domain in (source, target):
        assert [at.position for at in domain.read] == [1000, 1001]


def test_the_domains_share_no_random_draws(make_camvid) -> None:
    """The same images in both, at the same positions: the crops differ all the same."""
    root = make_camvid(1, size=(40, 60))
    both = [dict(type="CamVid", root=str(root), pipeline=pipeline(4, 6)) for _ in range(2)]
    pair = DomainPair(*both)
    sampler = PairSampler(pair, seed=5, rank=0, world_size=1)
    assert (pair.source.seed, pair.target.seed) == domain_seeds(5)
    samples = [pair[at] for at in take(sampler, 6)]
    assert [at.source.position == at.target.position for at in take(sampler, 6)] == [True] * 6
    equal = [torch.equal(s["source"]["image"], s["target"]["image"]) for s in samples]
    assert equal == [False] * 6


def test_a_seed_of_ones_own(make_camvid) -> None:
    target = CamVid(make_camvid(1), labels=False, seed=8)
    pair = DomainPair(CamVid(make_camvid(1)), target, seed=5)
    PairSampler(pair, seed=6, rank=0, world_size=1)
    assert (pair.source.seed, pair.target.seed) == (domain_seeds(5)[0], 8)


def test_samplers_of_the_wrong_kind_are_refused(pair) -> None:
    with pytest.raises(ConfigError, match=r"for a CamVid use sampler=dict\(type='EndlessSampler'"):
        PairSampler(pair.source, seed=0)
    with pytest.raises(ConfigError, match=r"drawn from by dict\(type='PairSampler'\)"):
        pair[next(iter(EndlessSampler(pair, seed=0, rank=0, world_size=1)))]


def test_a_seed_is_drawn_where_none_is_given(monkeypatch) -> None:
    monkeypatch.setattr("daseg.datasets.samplers.sync_random_seed", lambda: 99)
    assert PairSampler(Two()).seed == 99
