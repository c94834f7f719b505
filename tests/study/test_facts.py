"""What the report says of each row, in its tables."""

import json

import pytest

from daseg.study import read_results
from daseg.study.facts import BAD, FAINT, labels_opened


def report(folder, row: str, seed: int, **content) -> None:
    path = folder.root / f"runs/{row}/seed_{seed}/report.json"
    path.write_text(json.dumps(dict(target_domain=True, target_train_labels_opened=0) | content))


def lines(folder, column="mIoU (n)") -> dict[str, dict[str, str]]:
    columns, rows = folder.table(column)
    return {row[0]: dict(zip(columns, row, strict=True)) for row in rows}


def opened(folder) -> str:
    """What the study's first row says of the labels that it opened."""
    return labels_opened(next(iter(read_results(folder.root).rows.values())))


def test_results(folder):
    folder.row("low", {1: 20.0, 2: 22.0})
    folder.row("high", {1: 60.0, 2: 62.0})
    folder.row("mid", {1: 30.0, 2: 32.0}, baseline="low", oracle="high", logged={"500": 28.59})
    for seed, seconds, memory in ((1, 100.0, 900.0), (2, 200.0, 1000.4)):
        report(folder, "mid", seed, seconds=seconds, peak_memory_mib=memory, peak_memory_of="cuda")
    row = lines(folder)["mid"]
    assert row == {
        "row": "mid",
        "mIoU (n)": "31.00 ± 1.41 (2)",
        "seeds": "30.0, 32.0",
        "study's log": "28.59 (500)",
        "gap closed (%)": "25",  # (31 - 21) / (61 - 21)
        "rank": "A2",
        "training": "2 min 30 s",
        "memory": "1000 MiB of the GPU",
        "target train labels opened": "0",
        "pseudo-labels": "none",
    }


def test_row_without_anything(folder):
    folder.row("none", baseline=None)
    assert set(list(lines(folder)["none"].values())[1:]) == {"-"}


@pytest.mark.parametrize(
    ("reports", "shown"),
    [
        ([dict(target_train_labels_opened=0), dict(target_train_labels_opened=3)], "3"),
        ([dict(), dict(target_train_labels_opened=None)], "not known"),
        (
            [dict(start_saw_target_labels=0), dict(start_saw_target_labels=12)],
            "0; initial weights saw 12 target labels",
        ),
    ],
)
def test_opened_labels_are_marked(folder, reports, shown):
    folder.row("a", {1: 1.0, 2: 2.0})
    for seed, content in enumerate(reports, start=1):
        report(folder, "a", seed, **content)
    cell = opened(folder)
    assert (cell, cell.color) == (shown, BAD)


CITY, GAME = "# Cityscapes at d/city: 50 of 300 images, subset_seed 0", "# GTA5 at g: 4 of 4 images"


@pytest.mark.parametrize(
    ("headings", "said", "shown"),
    [
        ([CITY], dict(data="other"), "one domain: 50 labels of Cityscapes"),
        ([GAME, CITY], {}, "one domain: 4 labels of GTA5 + 50 labels of Cityscapes"),
        ([], dict(data="GTA5"), "one domain: labels of GTA5"),
        ([], {}, "no target domain in training"),
    ],
)
def test_training_on_one_domain_says_which(folder, headings, said, shown):
    folder.row("a", {1: 1.0, 2: 2.0}, **said)
    for seed in (1, 2):
        report(folder, "a", seed, target_domain=False, target_train_labels_opened=None)
        if headings:
            names = "".join(f"{heading}\nx/y\n" for heading in headings)
            (folder.root / f"runs/a/seed_{seed}/train_images.txt").write_text(names)
    cell = opened(folder)
    assert (cell, cell.color) == (shown, FAINT)


def test_training_on_pseudo_labels_of_one_domain_is_not_said_to_have_labels_alone(folder):
    folder.row("a", {1: 1.0}, data="Cityscapes")
    report(folder, "a", 1, target_domain=False, pseudo_labels=dict(root="x"))
    assert opened(folder) == "one domain: labels of Cityscapes, pseudo-labels among them"


@pytest.mark.parametrize(
    ("saw", "kind"),
    [
        (0, "self-training, unsupervised"),
        (2975, "distillation from a teacher with 2975 target labels"),
    ],
)
def test_origin_of_pseudo_labels(folder, saw, kind):
    folder.row("a")
    made = dict(root="x", checkpoints=[dict(name="t", sha256="0")], teacher_saw_target_labels=saw)
    for seed in (1, 2):
        folder.run("a", seed, 20.0, pseudo_labels=[made])
    assert lines(folder)["a"]["pseudo-labels"] == kind


def test_descriptions(folder):
    folder.row("a", {1: 1.0}, data="GTA5", remark="odd")
    row = lines(folder, "started from")["a"]
    assert row["started from"] == "imagenet.pth sha256:1111111111111111"
    assert (row["training data"], row["iterations"], row["remark"]) == ("GTA5", "120", "odd")


def test_class_ious_beside_the_log(folder):
    folder.row("a", {1: 20.0, 2: 22.0}, classes_logged=dict(road=99.0))
    folder.row("b", classes_logged=dict(sky=1.0))
    rows = lines(folder, "sky")
    assert rows["a"] == dict(row="a", road="31.0", sky="11.0")
    assert list(rows["a (study's log)"].values())[1:] == ["99.0", "-"]
    assert list(rows["b (study's log)"].values())[1:] == ["-", "1.0"]
    assert "b" not in rows


def test_sizes_count_the_images_of_the_target_that_were_trained_on(folder):
    folder.row("few", {1: 20.0, 2: 22.0}, logged={"500": 28.59})
    folder.row("many", {1: 60.0})
    folder.row("untold")
    runs = folder.root / "runs"
    for seed in (1, 2):
        (runs / f"few/seed_{seed}/train_images.txt").write_text("# 2 of 9 images\na/b\n\nc\n")
    (runs / "many/seed_1/train_images_source.txt").write_text("a\n")
    (runs / "many/seed_1/train_images_target.txt").write_text("# all\na\nb\nc\n")
    folder.spec["sizes"] = dict(seen=[[2975, "many"], [100, "few"]], none=[[5, "untold"]])
    folder.save()
    assert folder.table("images here")[1] == [
        ["seen", "few", "100", "2", "21.00 ± 1.41 (2)", "28.59 (500)"],
        ["seen", "many", "2975", "3", "60.00 (1)", "-"],
        ["none", "untold", "5", "-", "-", "-"],
    ]
