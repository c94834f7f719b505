"""Steps of DAFormer, HRDA and MIC beside those of their public codes; and mistakes would show."""

import pytest
import torch

from daseg.hrda import HRDASegmentor
from daseg.segmentor import Segmentor
from reference_self_training import ALL_PIXELS, FIXTURES, Run

MIT, HEAD = dict(type="MiT", arch="b0", drop_path=0.0), dict(type="DAFormerHead", dropout=0.0)
PLAIN = dict(mean=(0.0,) * 3, std=(1.0,) * 3)


def run(name, monkeypatch, **options):
    if name != "hrda":
        return Run(name, Segmentor(MIT, HEAD, **PLAIN), monkeypatch, **options)
    attention = dict(HEAD, fusion="conv")
    network = HRDASegmentor(MIT, HEAD, attention=attention, detail_size=(64, 64), **PLAIN)
    heads = dict(weights=dict(main=0.9, detail=0.1))
    return Run(name, network, monkeypatch, heads=heads, **options)


def test_a_step_is_that_of_the_public_codes(monkeypatch):
    """HRDA with MIC: all passes and objectives; a step of DAFormer is a part of it."""
    run("hrda", monkeypatch, count=1).check_losses(1e-6, "_fp32")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["daformer", "mic", "hrda"])
def test_steps_are_those_of_the_public_codes(name, monkeypatch):
    """To their rounding, which AdamW amplifies: its first steps are the signs of gradients."""
    own = run(name, monkeypatch)
    rounding = 3 * own.fixture["worst_rel_diff_of_losses_fp32_vs_fp64"]
    own.check(max(3e-4, rounding), 0.01, "_fp32")


@pytest.mark.slow
def test_in_double_precision_rounding_hides_nothing(monkeypatch):
    own = run("daformer", monkeypatch, dtype=torch.float64)
    own.check(1e-6, 1e-3, "")


def _labelled_mean(settings):
    for objective in settings["objectives"].values():
        if objective.get("loss") == ALL_PIXELS:
            objective["loss"] = dict(type="CrossEntropyLoss")


MISTAKES = {  # by their names in the fixtures
    "cross-entropy averaged over valid pixels only": _labelled_mean,
    "teacher equal to the student after the first step (DACS order: update after the step with the "
    "step number)": lambda s: s["teacher"].update(teacher_start="trained"),
    "no feature distance": lambda s: s["objectives"].pop("distance"),
    "feature distance on all cells": lambda s: s["objectives"]["distance"].update(classes=None),
    "teacher in eval mode (running statistics)": lambda s: s["teacher"].update(
        teacher_statistics="running", teacher_buffers="network"
    ),
    "head at 1x learning rate": lambda s: s["optimizer"].pop("lr_mult"),
    "weight decay on the layer norms": lambda s: s["optimizer"].pop("decay_mult"),
    "pseudo-label weight not zeroed at top and bottom": lambda s: s["objectives"]["mix"].update(
        ignore_top=0, ignore_bottom=0
    ),
    "threshold 0.968 instead of 0.35": lambda s: s["objectives"]["mix"].update(confidence=0.968),
}


# Theirs are other: a loss that is not there, and running statistics that never move.
NOT_ALIKE = ("no feature distance", "teacher in eval mode (running statistics)")


def test_every_mistake_of_the_fixtures_is_tried():
    assert MISTAKES.keys() == FIXTURES["train_step_sensitivity"]["mistakes"].keys()


@pytest.mark.slow
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_would_show(mistake, monkeypatch):
    own = run("daformer", monkeypatch, change=MISTAKES[mistake])
    with pytest.raises(AssertionError):
        own.check(3e-4, 0.01, "_fp32")
    if mistake in NOT_ALIKE:
        return
    # As much as in the public code, where the two differ: theirs has two digits.
    expected = FIXTURES["train_step_sensitivity"]["mistakes"][mistake]
    for log, theirs, change in zip(
        own.logs,
        own.fixture["iterations"],
        expected["max_rel_change_of_losses_per_iteration"],
        strict=True,
    ):
        largest = max(abs(log[key] / theirs[key] - 1) for key in log)
        assert largest == pytest.approx(change, rel=0.3, abs=3e-4)
