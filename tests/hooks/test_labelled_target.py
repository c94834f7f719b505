"""A few labelled images of the target, by choice: who learns from them, and what is said of it."""

import json
import os
import shutil
from itertools import islice

import pytest

from daseg.config.load import load_config
from daseg.datasets import DomainPair, PairSampler, RareClassSampler
from daseg.datasets.check import dataset_configs
from daseg.datasets.rare_classes import sampled_classes
from daseg.engine.checkpoint import read_checkpoint
from daseg.engine.evaluate import evaluate
from daseg.engine.lineage import target_labels_seen
from daseg.engine.train import train
from daseg.utils.errors import ConfigError
from daseg.worlds.load import load_world
from runs import report_of, same_run

LOAD = [dict(type="LoadImageFromFile"), dict(type="LoadLabel")]
PIPELINE = [*LOAD, dict(type="RandomCrop", crop_size=(32, 32)), dict(type="PackSample")]


def folder(root, **options):
    classes = ["left", "right", "square"]
    return dict(type="FolderDataset", root=str(root), classes=classes, pipeline=PIPELINE, **options)


def pair(tiny_data, **options) -> DomainPair:
    known = dict(source=folder(tiny_data, num_samples=4), target=folder(tiny_data))
    known |= dict(labelled_target=folder(tiny_data, num_samples=3, subset_seed=1))
    return DomainPair(**(known | options))


def test_labelled_samples_come_by_their_share(tiny_data):
    data = pair(tiny_data, labelled_share=0.25)
    assert len(data.source) == 7
    drawn = [p.source.index for p in islice(PairSampler(data, seed=0), 700)]
    assert sum(index >= 4 for index in drawn) == pytest.approx(175, abs=100)
    wanted = set(data.labelled_target.names)
    last = [data[p]["source"]["meta"]["name"] for p in islice(PairSampler(data, seed=0), 60)
            if p.source.index >= 4]  # fmt: skip
    assert set(last) == wanted
    assert "label" not in data[0]["target"]
    rare = RareClassSampler(data.source, 0.1, 20, seed=0).rare
    assert len(rare.images[0]) <= 7


def test_the_firewall_watches_the_other_images(tiny_data):
    data = pair(tiny_data)
    chosen = {os.path.realpath(s.label) for s in data.labelled_target.samples}
    watched = data.target_label_files()
    assert len(watched) == 9
    assert not chosen & watched
    assert len(pair(tiny_data, labelled_target=None).target_label_files()) == 12


def test_without_a_source_they_stand_for_it(tiny_data):
    data = pair(tiny_data, source=None)
    assert data.source is data.labelled_target
    assert data[0]["source"]["label"].shape == (32, 32)


def test_settings_that_make_no_sense_are_refused(tiny_data):
    with pytest.raises(ConfigError, match="labelled_share is between 0 and 1, not 1"):
        pair(tiny_data, labelled_share=1)
    with pytest.raises(ConfigError, match=r"labelled_target is .* which has no labels"):
        pair(tiny_data, labelled_target=folder(tiny_data, labels=False))
    other = folder(tiny_data) | dict(classes=["a", "b", "c"])
    with pytest.raises(ConfigError, match="the classes differ"):
        pair(tiny_data, labelled_target=other)


def test_their_classes_are_in_what_check_data_shows(tiny_data):
    loader = dict(
        sampler=dict(
            type="PairSampler", source_sampler=dict(type="RareClassSampler", min_pixels=20)
        ),
        dataset=dict(
            type="DomainPair",
            source=folder(tiny_data, num_samples=4),
            target=folder(tiny_data),
            labelled_target=folder(tiny_data, num_samples=3, subset_seed=1),
            labelled_share=0.9,
        ),
    )
    shown = sampled_classes(dict(train_dataloader=loader))
    drawn = RareClassSampler(pair(tiny_data, labelled_share=0.9).source, min_pixels=20, seed=0).rare
    assert shown.probability == pytest.approx(drawn.probability)
    assert [n.tolist() for n in shown.images] == [n.tolist() for n in drawn.images]
    loader["dataset"] |= dict(source=None)
    few = sampled_classes(dict(train_dataloader=loader))
    assert max(map(len, few.images)) <= 3
    assert few.shares != pytest.approx(shown.shares)
    loader["dataset"] |= dict(labelled_target=None)
    with pytest.raises(ConfigError, match="the target's images alone, without labels whose"):
        sampled_classes(dict(train_dataloader=loader))


METHODS = """
model['teacher_momentum'] = 0.1
model['objectives'] = [
    dict(type='Supervised'), dict(type='ClassMix'), dict(type='MaskedConsistency', block=8),
    dict(type='OutputAdversarial', discriminator=dict(type='FCDiscriminator', channels=4))]
custom_hooks = [dict(type='ReportHook'), dict(type='RecordDataHook')]
domains = train_dataloader['dataset']
domains['target'] = dict(domains['source'], root={root!r})
domains.update(labelled_target=dict(domains['target'], num_samples=3), labelled_share=0.5)
"""


@pytest.mark.slow
def test_each_method_learns_from_them_and_says_so(gan_config, tiny_data, tmp_path):
    shutil.copytree(tiny_data, tmp_path / "target")
    config = gan_config(METHODS.format(root=str(tmp_path / "target")))
    train(config, work_dir=tmp_path / "whole")
    report = report_of(tmp_path / "whole")
    assert (report["target_train_labels_opened"], report["target_labels_by_choice"]) == (0, 3)
    text = (tmp_path / "whole/report.txt").read_text()
    assert "target labels used by choice: 3\n" in text
    checkpoint = tmp_path / "whole/iter_6.pth"
    target = DomainPair(**{k: v for k, v in load_config(config).train_dataloader.dataset.items()
                           if k != "type"}).target  # fmt: skip
    assert target_labels_seen([read_checkpoint(checkpoint)], target) >= 3
    evaluate(config, checkpoint, out=tmp_path / "test")
    card = json.loads((tmp_path / "test/protocol_card.json").read_text())
    assert card["target_labels"] == 3
    lines = (tmp_path / "test/protocol_card.txt").read_text()
    assert "; 3 target labels used by choice" in lines
    half = {"train_cfg.max_iters": 3, "param_scheduler.0.end": 6}
    train(config, work_dir=tmp_path / "halves", cfg_options=half)
    train(config, work_dir=tmp_path / "halves", resume=True)
    same_run(checkpoint, tmp_path / "halves/iter_6.pth")


def test_the_published_config_has_a_hundred_and_a_world_as_many_of_its_own():
    dataset = load_config("dacs/dacs_100_labels").train_dataloader.dataset
    kinds = [(each["type"], each.get("num_samples")) for each in dataset_configs(dataset)]
    assert kinds == [("GTA5", None), ("Cityscapes", 100), ("Cityscapes", None)]
    small = load_config("dacs/dacs_100_labels", world="demo").train_dataloader.dataset
    assert small.labelled_target.num_samples == round(100 / 2975 * 300)
    assert small.labelled_target.root == load_world("demo").datasets["Cityscapes"]["train"]["root"]
