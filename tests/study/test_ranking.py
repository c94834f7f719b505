"""What is ranked, and what is not."""

import hashlib
import json

import pytest

from daseg.study import read_results
from daseg.study.ranking import rank


def test_rows_measured_alike_are_ranked(folder):
    folder.row("worst", {1: 20.0, 2: 20.2})
    folder.row("best", {1: 30.0, 2: 30.2})
    folder.row("close", {1: 28.0, 2: 32.0})  # the same mean but 0.1, spread 2.8
    found = rank(read_results(folder.root))
    assert found.ranks == {"best": "A1", "close": "A2 ≈", "worst": "A3"}
    assert found.refused == {}
    assert found.separations() == []


def test_of_one_seed_the_spread_is_not_known(folder):
    folder.row("a", {1: 20.0})
    folder.row("b", {1: 40.0})
    assert rank(read_results(folder.root)).ranks == {"b": "A1", "a": "A2 ≈"}


def test_rows_measured_differently_are_not_ranked_against_each_other(folder):
    folder.row("a", {1: 20.0})
    folder.row("b", {1: 30.0})
    folder.row("c")
    folder.run("c", 1, 90.0, tta=dict(flip=True), num_images=500)
    found = rank(read_results(folder.root))
    assert found.ranks == {"b": "A1", "a": "A2 ≈", "c": "B, alone"}
    assert found.separations() == [["tta", "none", "flip=True"], ["num_images", "60", "500"]]
    assert found.unlike(["a", "b"]) == ""
    assert found.unlike(["a", "c", None, "missing"]) == "tta, num_images"


def test_a_row_whose_seeds_disagree_is_not_ranked(folder):
    folder.row("a", {1: 20.0, 3: 21.0})
    folder.run("a", 2, 99.0, checkpoint_choice="best on validation")
    folder.row("b", {1: 30.0})
    found = rank(read_results(folder.root))
    assert set(found.ranks) == {"b"}
    reason = "checkpoint_choice: last (seeds 1, 3), best on validation (seed 2)"
    assert found.refused == {"a": reason}


def test_each_seed_may_start_from_its_own_checkpoint_of_another_row(folder):
    folder.row("first")
    folder.row("second")
    folder.row("third")
    for seed in (1, 2):
        own = f"{seed + 2}" * 64
        folder.run("first", seed, 20.0 + seed, weights_sha256=own)
        start = f"iter_60.pth sha256:{own}"
        folder.run("second", seed, 30.0 + seed, initial_weights=start)
        folder.run("third", seed, 40.0 + seed, initial_weights=start)
    found = rank(read_results(folder.root))
    assert found.refused == {}
    assert found.ranks == {"first": "A, alone", "third": "B1", "second": "B2"}
    assert found.starts["second"] == "a checkpoint of the row first"
    [separation] = found.separations()
    assert separation[0] == "initial_weights"
    assert separation[2] == "a checkpoint of the row first"


def test_each_seed_may_start_from_its_own_checkpoint_of_a_step(folder):
    for name in ("first", "second"):
        folder.row(name)
    for seed in (1, 2):
        place = f"steps/start/seed_{seed}"
        (folder.root / place).mkdir(parents=True)
        (folder.root / place / "iter_9.pth").write_bytes(f"weights {seed}".encode())
        own = hashlib.sha256(f"weights {seed}".encode()).hexdigest()
        for name, miou in dict(first=20.0, second=30.0).items():
            path = folder.run(name, seed, miou + seed, initial_weights=f"iter_9.pth sha256:{own}")
            settings = dict(needs={place: "1" * 64, f"runs/other/seed_{seed}": "2" * 64})
            (path / "job.json").write_text(json.dumps(dict(state="done", settings=settings)))
    found = rank(read_results(folder.root))
    assert found.refused == {}
    assert found.ranks == {"second": "A1", "first": "A2"}
    assert found.starts == dict.fromkeys(["first", "second"], "a checkpoint of the step start")


def test_a_start_may_be_a_checkpoint_that_a_rule_chose(folder):
    folder.row("first", {1: 20.0})
    folder.run("first", 1, 19.0, out="test_iter_60", weights_sha256="7" * 64)
    folder.row("second")
    folder.run("second", 1, 30.0, initial_weights="iter_60.pth sha256:" + "7" * 64)
    assert rank(read_results(folder.root)).starts["second"] == "a checkpoint of the row first"


def test_unknown_starts_that_differ_by_seed_are_named(folder):
    folder.row("a")
    for seed in (1, 2):
        folder.run("a", seed, 20.0, initial_weights=f"x.pth sha256:{f'{seed}' * 64}")
    reason = rank(read_results(folder.root)).refused["a"]
    assert reason == (
        "initial_weights: x.pth sha256:1111111111111111 (seed 1), "
        "x.pth sha256:2222222222222222 (seed 2)"
    )


@pytest.mark.parametrize(("field", "value"), [("network", "teacher"), ("input_sizes", [(1, 2)])])
def test_every_condition_separates(folder, field, value):
    folder.row("a", {1: 20.0})
    folder.row("b")
    folder.run("b", 1, 30.0, **{field: value})
    [[name, usual, other]] = rank(read_results(folder.root)).separations()
    assert (name, other) == (field, "teacher" if field == "network" else "1x2")
    if field == "network":
        assert usual == "the only one"
