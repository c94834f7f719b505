"""Schedules give the rates of their formulas, and those of the configs written for mmengine's."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from daseg.config.load import load_config
from daseg.engine.optim import build_optimizer
from daseg.engine.train import train
from daseg.registry import MODELS, PARAM_SCHEDULERS
from daseg.segmentor import segmentor_config
from daseg.utils.errors import ConfigError
from published import modern_fixtures


def rates(cfgs: Sequence[dict[str, Any]], iterations: int, lr: float = 1.0) -> list[float]:
    """The learning rate of each iteration under some schedules."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    schedules = [PARAM_SCHEDULERS.build(dict(cfg, optimizer=optimizer)) for cfg in cfgs]
    seen = []
    for _ in range(iterations):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        for schedule in schedules:
            schedule.step()
    return seen


def test_the_polynomial_decay_follows_its_formula_at_every_iteration():
    expected = [2e-4 * (1 - i / 25) ** 0.9 for i in range(25)]
    assert rates([dict(type="PolyDecay", end=25)], 25, 2e-4) == pytest.approx(expected, rel=1e-12)


def test_the_ramp_follows_its_formula_and_stays_at_its_end():
    ramp = dict(type="LinearRamp", start_factor=0.1, begin=2, end=6)
    expected = [1, 1, 0.1, 0.325, 0.55, 0.775, 1, 1]
    assert rates([ramp], 8) == pytest.approx(expected, rel=1e-12)


def test_a_warm_up_and_a_decay_multiply():
    seen = rates([dict(type="LinearRamp", end=5), dict(type="PolyDecay", end=20)], 20)
    expected = [min(1, 0.1 + 0.9 * i / 5) * (1 - i / 20) ** 0.9 for i in range(20)]
    assert seen == pytest.approx(expected, rel=1e-12)


PUBLISHED = {  # schedules of the configs, now and as they were written for mmengine's classes
    "adaptseg": (
        [dict(type="PolyDecay", end=250000)],
        [dict(type="PolyLR", power=0.9, eta_min=0, begin=0, end=250001, by_epoch=False)],
    ),
    "seg_uncertainty": (
        [dict(type="LinearRamp", end=5000), dict(type="PolyDecay", end=40000)],
        [
            dict(type="LinearLR", start_factor=0.1, begin=0, end=5001, by_epoch=False),
            dict(type="PolyLR", power=0.9, eta_min=0, begin=0, end=40001, by_epoch=False),
        ],
    ),
    "cyclegan": (
        [dict(type="LinearRamp", start_factor=1.0, end_factor=0.0, begin=3000, end=6000)],
        [dict(type="LinearLR", start_factor=1.0, end_factor=0.0, begin=3000, end=6001)
         | dict(by_epoch=False)],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("now", "before"), PUBLISHED.values(), ids=list(PUBLISHED))
def test_rates_are_those_of_mmengine_to_the_last_bit(now, before):
    assert rates(now, 6000, 2.5e-4) == rates(before, 6000, 2.5e-4)


@pytest.mark.parametrize(
    ("cfg", "message"),
    [
        (dict(type="PolyDecay", begin=9, end=9), "PolyDecay: end=9 has to be above begin=9"),
        (dict(type="PolyDecay", power=-0.5, end=9), "power has to be .* at least 0, not -0.5"),
        (dict(type="LinearRamp", begin=-1, end=9), "begin at least 0"),
        (dict(type="LinearRamp", start_factor=0, end=9), "start_factor is above 0"),
        (dict(type="PolyDecay", end=9, by_epoch=True), "training counts iterations"),
    ],
)
def test_what_gives_no_schedule_is_refused(cfg, message):
    with pytest.raises(ConfigError, match=message):
        rates([cfg], 1)


def test_without_an_end_they_last_as_long_as_the_training(small_config, tmp_path):
    text = "param_scheduler.append(dict(type='LinearRamp', start_factor=0.5))\n"
    runner = train(small_config(text), cfg_options={"train_cfg.max_iters": 4}, work_dir=tmp_path)
    optimizer = runner.optim_wrapper["segmentor"].optimizer
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0, abs=1e-12)  # after 4 of 4
    decay, ramp = runner.param_schedulers["segmentor"]
    assert (decay.total_iters, ramp.total_iters) == (4, 4)


@pytest.mark.parametrize("config", ["daformer/gta5_mitb5", "hrda/gta5_mitb5"])
@pytest.mark.parametrize("last", [1501, pytest.param(39999, marks=pytest.mark.slow)])
def test_the_rates_of_each_group_are_those_of_the_public_code(config, last):
    """Of all tensors, at the iterations of the fixtures: warm-up on the decay, the head tenfold."""
    cfg = load_config(f"configs/{config}.py")
    (case,) = modern_fixtures()["small"]["lr_table"]["cases"]
    settings = segmentor_config(cfg)
    settings.backbone = dict(type="MiT", arch="b0")
    with torch.device("meta"):
        network = MODELS.build(settings)
    wrapper = build_optimizer(network, cfg.optim_wrapper.segmentor)
    schedules = [
        PARAM_SCHEDULERS.build(dict(s, optimizer=wrapper, end=s.get("end", case["max_iters"])))
        for s in cfg.param_scheduler
    ]
    backbone = {id(p) for p in network.backbone.parameters()}
    groups = [
        ({id(p) in backbone for p in group["params"]}, group)
        for group in wrapper.optimizer.param_groups
    ]
    assert sum(len(g["params"]) for _, g in groups) == len(list(network.parameters()))
    rows = {i: expected for i, *expected in case["rows_iteration_backbone_head"] if i <= last}
    assert {0, 749, 1499, 1500, last} <= rows.keys()
    wrapper.step()  # without gradients: a schedule warns where none was before it
    for iteration in range(last + 1):
        for kinds, group in groups if iteration in rows else ():
            (is_backbone,) = kinds
            expected = rows[iteration][0 if is_backbone else 1]
            assert group["lr"] == pytest.approx(expected, rel=1e-9), iteration
        for schedule in schedules:
            schedule.step()
