"""The benchmark runs, counts right, and its memory is that of the tile; it is never timed here."""

import pytest
import torch
from torch import nn

from daseg.engine.benchmark import Case, Measurement, benchmark, count_macs, report
from daseg.utils.errors import ConfigError


def test_macs_are_counted_once():
    conv = nn.Conv2d(3, 5, 3, padding=1)
    assert count_macs(conv, torch.zeros(1, 3, 20, 30)) == 20 * 30 * 3 * 3 * 3 * 5
    up = nn.ConvTranspose2d(4, 2, 3, stride=2, padding=1, output_padding=1)
    assert count_macs(up, torch.zeros(1, 4, 10, 10)) == 10 * 10 * 3 * 3 * 4 * 2


def expected_macs(pixels):
    """Stem and last at full size, two down, one block of two, two up (at their input)."""
    layers = [49 * 12, 9 * 4 * 8 / 4, 9 * 8 * 16 / 16, 2 * 9 * 16 * 16 / 16]
    return pixels * sum([*layers, 9 * 16 * 8 / 16, 9 * 8 * 4 / 4, 49 * 12])


@pytest.mark.slow
def test_a_translation_is_measured(pair_config, pair_weights):
    case = Case(str(pair_config()), str(pair_weights()), (64, 48), None, "cpu")
    (found,) = benchmark([case], repeats=2)
    assert len(found.seconds) == 2
    assert found.macs == expected_macs(64 * 48)
    assert "GMACs" in report([found])


@pytest.mark.slow
def test_tiles_take_more_computation_and_less_memory(pair_config):
    whole = Case(str(pair_config()), None, (1024, 512), None, "cpu")
    found = benchmark([whole, whole._replace(tile=192)], repeats=1)
    assert found[0].macs == expected_macs(1024 * 512)
    assert found[1].macs > 1.5 * found[0].macs
    assert 0 < found[1].memory < 0.5 * found[0].memory
    larger = whole._replace(size=(2048, 512), tile=192)
    (again,) = benchmark([larger], repeats=1)
    # Twice the pixels: what grows is the image itself, in and out, as float32.
    image = 3 * 1024 * 512 * 4
    assert again.memory - found[1].memory < 1.5 * 2 * image < 0.5 * found[0].memory
    text = report(found)
    assert text.startswith("one image of 1024x512 on cpu, 1 threads; medians of 1 runs each")
    assert "tiles of 192 / whole: " in text


def test_ratios_are_those_of_runs_in_turn():
    case = Case("config", None, (8, 4), None, "cpu")
    slow = Measurement(case._replace(tile=2), 10**9, [3.0, 30.0, 8.0], 2**20)
    text = report([Measurement(case, 2 * 10**9, [1.0, 10.0, 2.0], 3 * 2**20), slow])
    assert "| whole      |   2.0 |   2.000 |     0.50 |            3 |" in text
    assert "tiles of 2 / whole: 3.00 times the seconds (of the runs: 3.00 to 4.00)" in text


def test_no_run_is_refused(pair_config):
    with pytest.raises(ConfigError, match="repeats is at least 1, not 0"):
        benchmark([Case(str(pair_config()), None, (8, 8), None, "cpu")], repeats=0)
