"""From a teacher to a student: its report, its card, its resume, and several processes."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from daseg.engine.checkpoint import read_checkpoint
from daseg.engine.evaluate import evaluate
from daseg.engine.train import train
from daseg.offline.pseudo_labels.pseudo_label import pseudo_label
from daseg.worlds.drawing import make_world
from daseg.worlds.load import load_world
from processes import environment, free_port, largest_difference, launch
from runs import curve, report_of, same_run

ROOT = Path(__file__).parents[2]


# Source and target are two copies of the same images: nothing of the target is labelled.
STUDENT = """
pair = dict(
    type='DomainPair', source=train_dataloader['dataset'], pseudo_labels={pseudo!r},
    target=dict(data, root={target!r}, pipeline=[
        dict(type='LoadImageFromFile'), dict(type='RandomCrop', crop_size=(32, 40)),
        dict(type='RandomFlip', prob=0.5), dict(type='PackSample')]))
train_dataloader.update(dataset=pair, sampler=dict(type='PairSampler'))
model['segmentor'].update(
    backbone=dict(type='SmallBackbone', norm='gn'),
    aux_head=dict(type='DeepLabV2Head', in_index=-2, dilations=(1, 2), branches=2))
model['segmentor']['head'].update(dropout=0.0)
model['objectives'] = [
    dict(type='Supervised'),
    dict(type='PseudoLabel', loss=dict(type='SymmetricCrossEntropyLoss'), ignore_border=2),
    dict(type='RectifiedPseudoLabel', max_weight=3.0, rare_pixels=200)]
custom_imports = dict(imports=['gan_parts'])
custom_hooks = [dict(type='RecordDataHook'), dict(type='ReportHook'), dict(type='KeepRanks')]
optim_wrapper['segmentor'].update(lr_mult={{}})
"""


@pytest.fixture
def student(gan_config, tiny_config, trained, tiny_data, tmp_path):
    """Write the config of a student; its teacher, `trained`, saw the labels of the source."""
    gan_config()  # for the path to the parts

    def write(extra="", *, target=None, name="student"):
        """``target`` None: a copy of the images, which the teacher has not seen."""
        if target is None:
            target = tmp_path / "target"
            shutil.copytree(tiny_data / "images", target / "images", dirs_exist_ok=True)
        out, teacher = tmp_path / f"pseudo_{name}", (trained["config"], trained["checkpoint"])
        pseudo_label(*teacher, out=out, data=target, workers=0)
        text = STUDENT.format(pseudo=str(out), target=str(target))
        return tiny_config(text + extra, norm="gn", name=name)

    return write


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_an_unsupervised_student(student, tmp_path, workers):
    options = {"train_dataloader.num_workers": workers}
    train(student(), work_dir=tmp_path / "run", cfg_options=options)
    report, text = report_of(tmp_path / "run"), (tmp_path / "run/report.txt").read_text()
    assert "target train labels opened: 0\n" in text
    assert "target pseudo-labels opened: 12\n" in text, "6 iterations of 2 images"
    assert "training: self-training, unsupervised (by iter_6.pth sha256:" in text
    assert report["target_pseudo_labels_opened"] == 12
    assert report["pseudo_labels"]["teacher_saw_target_labels"] == 0
    meta = read_checkpoint(tmp_path / "run/iter_6.pth")["meta"]
    assert meta["pseudo_labels"] == report["pseudo_labels"]
    assert len(meta["pseudo_labels"]["manifest_sha256"]) == 64
    evaluate(tmp_path / "student.py", tmp_path / "run/iter_6.pth", out=tmp_path / "test")
    card = (tmp_path / "test/protocol_card.txt").read_text().splitlines()
    assert len(card) == 10
    assert "seed 3; self-training, unsupervised (by iter_6.pth sha256:" in card[2]
    content = json.loads((tmp_path / "test/protocol_card.json").read_text())
    assert content["pseudo_labels"] == [meta["pseudo_labels"]]


@pytest.mark.slow
def test_a_teacher_with_target_labels_is_named(student, tiny_data, tmp_path):
    """Its five training images are among the target's; the student opens none of their labels."""
    options = {"train_cfg.max_iters": 2, "default_hooks.checkpoint.interval": 2}
    config = student(
        target=tiny_data, extra=f"pair['source']['root'] = {str(tmp_path / 'src')!r}\n"
    )
    shutil.copytree(tiny_data, tmp_path / "src")
    options |= {"val_dataloader.dataset.root": str(tmp_path / "src")}
    train(config, work_dir=tmp_path / "run", cfg_options=options)
    words = "distillation from a teacher with 5 target labels"
    text = (tmp_path / "run/report.txt").read_text()
    assert f"training: {words} (by iter_6.pth sha256:" in text
    assert "target train labels opened: 0\n" in text
    evaluate(config, tmp_path / "run/iter_2.pth", out=tmp_path / "test")
    assert f"; {words} (by" in (tmp_path / "test/protocol_card.txt").read_text()


@pytest.mark.slow
def test_a_student_of_labelled_weights_is_not_called_unsupervised(student, tiny_data, tmp_path):
    """The pseudo-labels are of a network without labels, the initial weights have seen all."""
    shutil.copytree(tiny_data, tmp_path / "src")
    extra = f"pair['source']['root'] = {str(tmp_path / 'src')!r}\n"
    extra += f"pair['target']['root'] = {str(tiny_data)!r}\n"
    extra += "model['objectives'][1:] = [dict(type='PseudoLabel')]\n"
    options = {"train_cfg.max_iters": 2, "default_hooks.checkpoint.interval": 2}
    options |= {"val_dataloader.dataset.root": str(tmp_path / "src")}
    before = options | {"train_dataloader.dataset.pseudo_labels": None}
    plain = student(extra.replace("dict(type='PseudoLabel')", ""), name="before")
    train(plain, work_dir=tmp_path / "innocent", cfg_options=before)
    swapped = {"train_dataloader.dataset.source.root": str(tiny_data)}
    swapped |= {"train_dataloader.dataset.target.root": str(tmp_path / "src")}
    train(plain, work_dir=tmp_path / "taught", cfg_options=before | swapped)
    taught = tmp_path / "taught/iter_2.pth"
    pseudo_label(plain, tmp_path / "innocent/iter_2.pth", out=tmp_path / "pseudo", workers=0)
    config = student(extra, name="after")
    options |= {"train_dataloader.dataset.pseudo_labels": str(tmp_path / "pseudo")}
    for start, saw in (tmp_path / "innocent/iter_2.pth", 0), (taught, 12):
        run = tmp_path / f"run_{saw}"
        train(config, work_dir=run, cfg_options=options | {"load_from": str(start)})
        assert report_of(run)["start_saw_target_labels"] == saw
        assert read_checkpoint(run / "iter_2.pth")["meta"]["start_saw_target_labels"] == saw
    innocent, labelled = ((tmp_path / f"run_{n}/report.txt").read_text() for n in (0, 12))
    assert "initial weights: saw 0 target labels\n" in innocent
    assert "training: self-training, unsupervised (by" in innocent
    assert "initial weights: saw 12 target labels\n" in labelled
    kind = "self-training; the initial weights saw 12 target labels"
    assert f"training: {kind} (by" in labelled
    assert "target train labels opened: 0\n" in labelled
    # A resumed run and a test know it, too.
    again = options | {"load_from": str(taught), "train_cfg.max_iters": 4}
    train(config, work_dir=run, resume=True, cfg_options=again)
    assert kind in (run / "report.txt").read_text()
    evaluate(config, run / "iter_4.pth", out=tmp_path / "test")
    card = (tmp_path / "test/protocol_card.txt").read_text()
    assert "(saw 12 target labels), seed 3" in card
    assert f"; {kind} (by" in card


ADVERSARIAL = """
model['objectives'].append(dict(
    type='OutputAdversarial', discriminator=dict(type='PixelDiscriminator', channels=4)))
optim_wrapper['discriminators'] = dict(optimizer=dict(type='Adam', lr=1e-3))
"""
AUGMENTED = """
for part in (pair['source'], pair['target']):
    place = [step['type'] for step in part['pipeline']].index('RandomCrop')
    part['pipeline'].insert(place, dict(type='AutoAugment'))
"""
RESUMED = {  # what is changed in the student; the losses that it has
    "all": ("", {"loss_seg", "loss_pseudo", "loss_pseudo_aux", "loss_rectified"}),
    "plain": (
        "model['objectives'][1:] = [dict(type='PseudoLabel')]\n",
        {"loss_seg", "loss_pseudo", "loss_pseudo_aux"},
    ),
    "symmetric": ("del model['objectives'][2]\n", {"loss_seg", "loss_pseudo", "loss_pseudo_aux"}),
    "rectified": (
        "del model['objectives'][1]\n",
        {"loss_seg", "loss_rectified", "loss_rectified_aux"},
    ),
    "augmented": (
        "del model['objectives'][2]\n" + ADVERSARIAL + AUGMENTED,
        {"loss_seg", "loss_pseudo", "loss_adv", "loss_disc"},
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", RESUMED)
def test_resumed_equals_uninterrupted(student, tmp_path, case):
    extra, losses = RESUMED[case]
    config = student(extra)
    train(config, work_dir=tmp_path / "whole")
    half = {"train_cfg.max_iters": 4, "param_scheduler.0.end": 6}  # a checkpoint between two others
    train(config, work_dir=tmp_path / "halves", cfg_options=half)
    train(config, work_dir=tmp_path / "halves", resume=True)
    last = same_run(tmp_path / "whole/iter_6.pth", tmp_path / "halves/iter_6.pth")
    early = read_checkpoint(tmp_path / "whole/iter_3.pth")["state_dict"]
    moved = {k for k, v in last["state_dict"].items() if not torch.equal(v, early[k])}
    assert {key.split(".")[0] for key in moved} == {key.split(".")[0] for key in early}
    if "loss_rectified" in losses:
        (running,) = (v for k, v in last["state_dict"].items() if k.endswith("loss.running"))
        assert (running > 1).any(), "the running weights are in the checkpoint, and move"
    rows = curve(tmp_path / "whole")
    assert losses <= rows[-1].keys()
    assert curve(tmp_path / "halves") == rows
    assert report_of(tmp_path / "halves")["target_pseudo_labels_opened"] == 12
    logs = "".join(path.read_text() for path in (tmp_path / "halves").glob("*/*.log"))
    assert "resuming with another" not in logs


@pytest.mark.slow
def test_pseudo_labels_that_changed_before_a_resume_are_noticed(student, trained, tmp_path):
    config = student()
    half = {"train_cfg.max_iters": 3, "param_scheduler.0.end": 6}
    train(config, work_dir=tmp_path / "run", cfg_options=half)
    other, out = trained["work_dir"] / "iter_4.pth", tmp_path / "pseudo_student"
    options = dict(out=out, data=tmp_path / "target", workers=0, overwrite=True)
    pseudo_label(trained["config"], other, **options)
    train(config, work_dir=tmp_path / "run", resume=True)
    logs = "".join(path.read_text() for path in (tmp_path / "run").glob("*/*.log"))
    assert "resuming with another pseudo_labels than" in logs


@pytest.mark.slow
def test_two_processes_equal_one_with_the_doubled_batch(student, tmp_path):
    config = student("optim_wrapper['segmentor']['optimizer'].update(lr=0.001)\n")
    env = environment(tmp_path, MASTER_PORT=str(free_port()))
    iterations, out = "train_cfg.max_iters=10", tmp_path / "two"
    command = ("tools/dist_train.sh", config, 2, "--work-dir", out, "--cfg-options", iterations)
    launch(*command, env=env)
    options = {"train_cfg.max_iters": 10, "train_dataloader.batch_size": 4}
    train(config, work_dir=tmp_path / "one", cfg_options=options)
    two = [read_checkpoint(out / f"rank{rank}.pth")["state_dict"] for rank in (0, 1)]
    one = read_checkpoint(tmp_path / "one/rank0.pth")["state_dict"]
    assert largest_difference(*two) == 0
    assert largest_difference(two[0], one) < 1e-5
    reports = [report_of(tmp_path / name) for name in ("one", "two")]
    assert [r["target_pseudo_labels_opened"] for r in reports] == [40, 40]


@pytest.mark.slow
def test_end_to_end_in_the_embedded_world(tmp_path, monkeypatch):
    """Teacher, pseudo-labels, student and test, by the one switch; labels of the target nowhere."""
    root = tmp_path / "demo"
    sizes = dict(num_source=6, num_target=4, num_val=2, num_test=2)
    make_world(root, size=(128, 64), workers=1, **sizes)
    monkeypatch.setenv("DASEG_DEMO", str(root))
    shutil.rmtree(root / "cityscapes/gtFine/train")
    quick = {"train_cfg.max_iters": 2, "train_dataloader.num_workers": 0}
    quick |= {"model.segmentor.backbone.weights": None}
    teacher = ROOT / "configs/adaptseg/single_vanilla.py"
    train(teacher, work_dir=tmp_path / "teacher", world="demo", cfg_options=quick)
    out = Path(load_world("demo").pseudo_labels)
    assert out == root / "pseudo_labels"
    made = pseudo_label(
        teacher, tmp_path / "teacher/iter_2.pth", out=out, workers=0, world="demo", audit=True
    )
    assert made.teacher_saw_target_labels == 0
    assert made.audit is not None
    student = tmp_path / "student.py"
    student.write_text(
        f"_base_ = [{str(teacher)!r}]\n"
        "train_dataloader = dict(dataset=dict(pseudo_labels='data/elsewhere'))\n"
        "game = dict(type='OutputAdversarial', discriminator=dict(type='FCDiscriminator'))\n"
        "model = dict(objectives=[dict(type='Supervised'), game, dict(type='PseudoLabel')])\n"
    )
    train(student, work_dir=tmp_path / "student", world="demo", cfg_options=quick)
    text = (tmp_path / "student/report.txt").read_text()
    assert "target train labels opened: 0\n" in text
    assert "training: self-training, unsupervised (by iter_2.pth" in text
