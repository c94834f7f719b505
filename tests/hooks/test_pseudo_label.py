"""Pseudo-labels made anew while training: when, by whom, for whom; and what is refused."""

import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from PIL import Image

from daseg.config.load import load_config
from daseg.engine.checkpoint import read_checkpoint
from daseg.engine.evaluate import evaluate
from daseg.engine.train import train
from daseg.offline import job
from daseg.offline.pseudo_labels.pseudo_label import pseudo_label
from daseg.offline.pseudo_labels.threshold import Threshold
from daseg.registry import HOOKS
from daseg.utils.errors import ConfigError
from runs import assert_same_weights, digest, label_files, logs, manifest, report_of, rounds

ROOT = Path(__file__).parents[2]


BALANCED = "threshold=dict(kind='class-balanced', quantile=0.25)"


def random_states():
    """Of all generators of this process, as text."""
    numbers = torch.get_rng_state(), np.random.get_state()[1]
    return [random.getstate(), *(state.tobytes() for state in map(np.asarray, numbers))]


@HOOKS.register_module(force=True)
class SeeBatches(Hook):
    """Keep what each iteration was trained on, which losses it had, and what a round drew."""

    seen: list[dict] = []
    drawn: list[bool] = []

    def before_pseudo_labels(self, runner):
        self.states = random_states()

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if hasattr(self, "states"):
            self.drawn.append(random_states() != self.states)
            del self.states

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        source, target = data_batch["source"], data_batch["target"]
        names = [meta["name"] for meta in target["meta"]]
        labels = target.get("pseudo_label")
        self.seen.append(
            dict(source=source["image"], target=target["image"], names=names, pseudo=labels)
            | dict(losses=sorted(outputs))
        )


WRITE_SHEET = job.Job.write_sheet  # which `quickly` replaces
EXTRAS = dict(
    BEST="train_cfg.update(val_interval=3)\ndefault_hooks['checkpoint'].update(save_best='mIoU')\n",
    SINGLE=(
        "train_dataloader.update(dataset=pair['source'], sampler=dict(type='EndlessSampler'))\n"
        "model['objectives'] = [dict(type='Supervised')]\n"
    ),
    MARGINS="pair['target']['pipeline'].insert(1, dict(type='IgnoreMargins', top=1))\n",
    MIXED="pair['target'] = dict(type='MixedDataset', datasets=[pair['target']])\n",
)


def test_rounds_are_what_the_tool_makes_of_the_checkpoint(online, monkeypatch, tmp_path):
    monkeypatch.setattr(job.Job, "write_sheet", WRITE_SHEET)
    config = online(f"iterations=[2, 4, 99], keep=-1, {BALANCED}")
    train(config, work_dir=tmp_path / "run")
    assert rounds(tmp_path / "run") == ["iter_2", "iter_4"]
    for number, at in enumerate((2, 4), start=1):
        made, out = tmp_path / f"run/pseudo_labels/iter_{at}", tmp_path / f"tool_{at}"
        rule = Threshold("class-balanced", quantile=0.25)
        checkpoint = tmp_path / f"run/iter_{at}.pth"
        pseudo_label(config, checkpoint, out=out, workers=0, threshold=rule)
        assert label_files(made) == label_files(out)
        assert sorted(p.name for p in made.iterdir()) == sorted(p.name for p in out.iterdir())
        assert (made / "report.txt").read_text() == (out / "report.txt").read_text()
        content, expected = manifest(made), manifest(out)
        for key in ("coverage", "ignored_share", "images", "teacher_saw_target_labels", "kind"):
            assert content[key] == expected[key], key
        assert (content["round"], content["iteration"]) == (number, at)
        assert content["teacher_saw_target_labels"] == 0
        assert 0 < content["ignored_share"] < 0.4
    first, second = (label_files(tmp_path / f"run/pseudo_labels/iter_{at}") for at in (2, 4))
    assert first != second
    # Those that the sheet shows are not counted, for nothing learns from it.
    assert report_of(tmp_path / "run")["target_pseudo_labels_opened"] == 4 * 2
    assert "iterations at which pseudo-labels are made: 2, 4\n" in logs(tmp_path / "run")


def test_the_round_is_on_the_record(online, tmp_path):
    config = online("interval=2")
    train(config, work_dir=tmp_path / "run")
    facts = read_checkpoint(tmp_path / "run/iter_6.pth")["meta"]["pseudo_labels"]
    last = tmp_path / "run/pseudo_labels/iter_4"
    assert (facts["round"], facts["iteration"], facts["root"]) == (2, 4, str(last))
    assert facts["manifest_sha256"] == digest(last / "manifest.json")
    assert read_checkpoint(tmp_path / "run/iter_2.pth")["meta"]["pseudo_labels"] is None
    words = "self-training, unsupervised, round 2 while training (by network of iteration 4 sha256:"
    report = report_of(tmp_path / "run")
    assert report["pseudo_labels"] == facts
    assert report["training"].startswith(words)
    assert report["target_train_labels_opened"] == 0
    assert report["target_pseudo_labels_opened"] == 8  # in 4 of 6 iterations, 2 images each
    evaluate(config, tmp_path / "run/iter_6.pth", out=tmp_path / "test")
    assert words in (tmp_path / "test/protocol_card.txt").read_text()


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_have_the_new_labels_and_the_same_images(online, tmp_path, workers):
    see = "custom_hooks.append(dict(type='SeeBatches'))\n"
    options = {"train_dataloader.num_workers": workers}
    options["train_dataloader.persistent_workers"] = True
    SeeBatches.seen, SeeBatches.drawn = with_rounds, drawn = [], []
    train(online("iterations=[2, 4], keep=-1", see), work_dir=tmp_path / "run", cfg_options=options)
    assert drawn == [False, False]  # neither by the labelling nor by new workers
    SeeBatches.seen = without = []
    plain = see + "model['objectives'] = [dict(type='Supervised')]\n"
    train(online(None, plain), work_dir=tmp_path / "plain", cfg_options=options)
    assert len(with_rounds) == len(without) == 6
    flipped = 0
    for at, (one, other) in enumerate(zip(with_rounds, without, strict=True)):
        assert torch.equal(one["source"], other["source"])
        assert torch.equal(one["target"], other["target"])
        assert ("loss_pseudo" in one["losses"]) == (at >= 2)
        if at < 2:
            assert one["pseudo"] is None
            continue
        folder = tmp_path / f"run/pseudo_labels/iter_{2 if at < 4 else 4}/labels"
        for name, image, label in zip(one["names"], one["target"], one["pseudo"], strict=True):
            file = np.asarray(Image.open(tmp_path / f"target/images/{name}.png"))
            expected = np.asarray(Image.open(folder / f"{name}.png"))
            if not np.array_equal(file, image.permute(1, 2, 0).numpy()):
                expected, flipped = expected[:, ::-1], flipped + 1
            assert np.array_equal(label.numpy(), expected), (at, name)
    assert 0 < flipped < 8


def test_a_hook_that_nobody_learns_from_changes_nothing(online, tmp_path):
    """Neither weights nor statistics nor random numbers (there is dropout) are touched."""
    source_only = "model['objectives'] = [dict(type='Supervised')]\n"
    train(online(None, source_only), work_dir=tmp_path / "plain")
    hook = "interval=2, at_start=True"
    train(online(hook, source_only), work_dir=tmp_path / "hook")
    assert_same_weights(tmp_path / "plain/iter_6.pth", tmp_path / "hook/iter_6.pth")
    # Before the first round, the objective on pseudo-labels trains nothing either.
    train(online("iterations=[4]"), work_dir=tmp_path / "late")
    assert_same_weights(tmp_path / "plain/iter_4.pth", tmp_path / "late/iter_4.pth")
    with pytest.raises(AssertionError):
        assert_same_weights(tmp_path / "plain/iter_6.pth", tmp_path / "late/iter_6.pth")


def test_the_best_network_and_the_moving_average(online, tmp_path):
    options = {"train_cfg.val_interval": 2, "default_hooks.checkpoint.save_best": "mIoU"}
    config = online("iterations=[4], network='best'")
    ends = "custom_hooks.append(dict(type='StopAt', at=5))\n"
    stop = online("iterations=[4], network='best'", ends, name="stop")
    with pytest.raises(KeyboardInterrupt):  # so that a later best does not replace it
        train(stop, work_dir=tmp_path / "best", cfg_options=options)
    made = tmp_path / "best/pseudo_labels/iter_4"
    (best,) = (tmp_path / "best").glob("best_mIoU_*.pth")
    assert manifest(made)["checkpoints"] == [dict(name=best.name, sha256=digest(best))]
    pseudo_label(config, best, out=tmp_path / "tool", workers=0)
    assert label_files(made) == label_files(tmp_path / "tool")

    average = "model['teacher_momentum'] = 0.3\n"
    config = online("iterations=[4], network='ema', tta=True", average, name="ema")
    train(config, work_dir=tmp_path / "ema")
    pseudo_label(config, tmp_path / "ema/iter_4.pth", out=tmp_path / "teacher", workers=0, tta=True)
    made = tmp_path / "ema/pseudo_labels/iter_4"
    assert label_files(made) == label_files(tmp_path / "teacher")
    assert manifest(made)["settings"]["tta"]["scales"] == [1.0, 1.5]
    assert manifest(made)["checkpoints"][0]["name"] == "teacher of iteration 4"
    current = online("iterations=[4], tta=True", average, name="current")
    train(current, work_dir=tmp_path / "current")
    assert_same_weights(tmp_path / "ema/iter_4.pth", tmp_path / "current/iter_4.pth")
    assert label_files(tmp_path / "current/pseudo_labels/iter_4") != label_files(made)


def test_what_the_first_teacher_saw_is_passed_on(online, trained, tiny_data, tmp_path):
    """Its five labelled images are among the target's: a later round is no less a distillation."""
    first = tmp_path / "first"
    pseudo_label(trained["config"], trained["checkpoint"], out=first, workers=0)
    given = f"pair.update(pseudo_labels={str(first)!r})\npair['target']['root'] = data['root']\n"
    given += f"pair['source'] = dict(pair['source'], root={str(tmp_path / 'source')!r})\n"
    shutil.copytree(tiny_data, tmp_path / "source")
    see = "custom_hooks.append(dict(type='SeeBatches'))\n"
    SeeBatches.seen = seen = []
    train(online("iterations=[2]", given + see), work_dir=tmp_path / "run")
    assert all("loss_pseudo" in batch["losses"] for batch in seen)  # from the first iteration on
    words = "distillation from a teacher with 5 target labels, round 1 while training (by network"
    assert report_of(tmp_path / "run")["training"].startswith(words)
    assert len(label_files(first)) == 12  # it is not the hook's to remove


@pytest.mark.parametrize(
    ("hook", "extra", "message"),
    [
        ("", "", r"say when: interval=5000, iterations=\[\.\.\.\] or at_start=True"),
        ("interval=2, iterations=[3]", "", "give interval or iterations, not both"),
        ("interval=0", "", r"custom_hooks.3.interval: has to be above 0, not 0"),
        ("interval=2.5", "", r"interval: has to be a whole number or None, not 2.5"),
        ("iterations=[0, 3]", "", r"of at least 1 .*, not \[0, 3\]"),
        (
            "interval=2, network='worst'",
            "",
            "network: has to be 'current' or 'best' or 'ema', not 'worst'",
        ),
        ("interval=2, keep=0", "", "keep is at least 1, or -1 to keep all, not 0"),
        ("interval=2, threshold=dict(kind='fixd')", "", r"threshold={'kind': 'fixd'}: .*fixed"),
        ("interval=2, threshold=dict(kin='fixed')", "", r"threshold={'kin': 'fixed'}: .*'kin'"),
        ("interval=2, tta=True", "tta = None\ndel tta\n", "tta=True, but the config has no key"),
        ("interval=2, network='ema'", "", "moving average .* give model.teacher_momentum"),
        ("interval=2, network='best'", "", r"none is kept: .*checkpoint.save_best='mIoU'"),
        ("interval=1, network='best'", "BEST", r"iteration 1: the first validation is at 3"),
        ("interval=3, network='best'", "BEST", r"val_interval, 3, be a multiple of .*interval, 2"),
        (
            "interval=6",
            "",
            r"PseudoLabel would never have .*: no round is between iteration 0.*max_iters, 6",
        ),
        ("interval=2", "SINGLE", "PseudoLabelHook looks at the target domain"),
        ("interval=2", "MARGINS", "DomainPair: .* IgnoreMargins in its pipeline, .*: leave one of"),
        ("interval=2", "MIXED", "pseudo_labels are those of one data set of daseg's, but"),
    ],
)
def test_what_cannot_be_is_said_before_the_training(online, tmp_path, hook, extra, message):
    extra = EXTRAS.get(extra, extra)
    with pytest.raises(ConfigError, match=message) as caught:
        train(online(hook, extra), work_dir=tmp_path / "run")
    places = ("PseudoLabel", "DomainPair", "custom_hooks.3")
    assert any(place in str(caught.value) for place in places)
    assert not (tmp_path / "run/pseudo_labels").exists()


def test_objectives_on_pseudo_labels_name_the_hook(online, tmp_path):
    with pytest.raises(ConfigError, match=r"or have them made in training, by dict\(type='Pseudo"):
        train(online(None), work_dir=tmp_path / "run")


def test_rounds_in_a_small_world_are_as_far_into_the_training(tmp_path):
    config = tmp_path / "config.py"
    base = ROOT / "configs/adaptseg/multi_vanilla.py"
    hooks = "dict(type='PseudoLabelHook', iterations=[10, 50000, 100000]), "
    hooks += "dict(type='PseudoLabelHook', interval=50000)"
    length = "train_cfg = dict(max_iters=200000)\n"
    config.write_text(f"_base_ = [{str(base)!r}]\n{length}custom_hooks = [{hooks}]\n")
    cfg = load_config(config, world="demo")
    assert cfg.train_cfg.max_iters == 120
    assert cfg.custom_hooks[0].iterations == [1, 30, 60]
    assert cfg.custom_hooks[1].interval == 30
