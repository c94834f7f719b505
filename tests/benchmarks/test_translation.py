"""The benchmark of translations counts right, and its memory is that of the tile."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from daseg.benchmarks import translation
from daseg.benchmarks.compare import Settings, run_comparisons
from daseg.benchmarks.translation import compare, count_macs
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


def test_the_public_codes_generator_is_given_what_it_expects(monkeypatch):
    seen = []

    def define_g(*given, **options):
        seen.append((*given, options))
        network = nn.Conv2d(3, 3, 1, bias=False)
        nn.init.eye_(network.weight.data[:, :, 0, 0])
        network.register_forward_hook(lambda _, given, made: seen.append((given[0], made)))
        return network

    modules = SimpleNamespace(define_G=define_g)
    monkeypatch.setattr(translation, "peer_module", lambda path, name: modules)
    settings = Settings(inputs=("cyclegan/gta2cityscapes",), size=(20, 10))
    (without,) = compare(settings)
    assert (without.peer, without.peer_name) == (None, "pytorch-CycleGAN")
    (found,) = compare(replace(settings, peers={"pytorch-CycleGAN": "somewhere"}))
    values = found.peer.make(**found.peer.arguments)()
    assert values == dict(gmacs=20 * 10 * 3 * 3 / 1e9)
    assert seen[0] == (3, 3, 64, "resnet_9blocks", dict(norm="instance"))
    image, _ = seen[-1]
    assert image.shape == (1, 3, 10, 20)
    assert -1 <= image.min() < -0.9 < 0.9 < image.max() <= 1


def measured(comparisons):
    record = run_comparisons("translate", "", comparisons, Settings(repeats=1), "")
    return [side for each in record["comparisons"] for side in each["sides"]]


@pytest.mark.slow
def test_a_translation_is_measured(pair_config, pair_weights):
    inputs = str(pair_config()), str(pair_weights())
    (found,) = measured(compare(Settings(size=(64, 48), inputs=inputs)))
    assert found["name"] == "whole"
    assert found["values"]["gmacs"] == expected_macs(64 * 48) / 1e9


@pytest.mark.slow
def test_tiles_take_more_computation_and_less_memory(pair_config):
    inputs = (str(pair_config()),)
    pairs = [
        compare(Settings(size=(width, 512), tile=192, inputs=inputs))[0] for width in (1024, 2048)
    ]
    sides = measured(pairs)
    for width, tiles, whole in zip((1024, 2048), sides[::2], sides[1::2], strict=True):
        assert whole["values"]["gmacs"] == expected_macs(width * 512) / 1e9
        assert tiles["values"]["gmacs"] > 1.5 * whole["values"]["gmacs"]
        # Whatever the allocator keeps: measured are about a quarter of the whole image's memory.
        held, all_at_once = (
            side["memory_mib"]["peak"] - side["memory_mib"]["ready"] for side in (tiles, whole)
        )
        assert 0 < held < 0.6 * all_at_once


def test_a_config_is_needed():
    with pytest.raises(ConfigError, match="give a config, or a config and a checkpoint"):
        compare(Settings())
