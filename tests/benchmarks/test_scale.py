"""The benchmarks of growth, of what is beside the step, and of several processes."""

import json
from types import SimpleNamespace

import pytest

from daseg.benchmarks import scale, startup
from daseg.benchmarks.compare import Settings
from daseg.benchmarks.growth import curves
from daseg.benchmarks.page import GROWTH, write_page
from daseg.benchmarks.processes import together


def test_the_share_beside_the_step_is_that_of_the_iterations_that_are_counted(monkeypatch):
    runner = SimpleNamespace(model=SimpleNamespace(train_step=lambda data, optim_wrapper: data))
    watch = scale.Stopwatch(runner)
    # Begin and end of four steps; 1 s beside the second, 3 s beside the third, 0 beside the last.
    times = iter([0, 9, 10, 14, 17, 20, 20, 21])
    monkeypatch.setattr(scale.time, "perf_counter", lambda: float(next(times)))
    for _ in range(4):
        assert runner.model.train_step("losses", optim_wrapper=None) == "losses"
    found = watch.values(1, 4)
    assert found["seconds"] == pytest.approx((21 - 9) / 3)
    assert found["step"] == pytest.approx((4 + 3 + 1) / 3)
    assert found["percent_beside_the_step"] == pytest.approx(100 * 4 / 12)


def compared(name, x=1, seconds=1.0):
    """A comparison of daseg alone, whose median is twice the seconds."""
    times = [seconds, 3 * seconds, 2 * seconds]
    side = dict(name="daseg", seconds=times, values={}, memory_mib=dict(peak=100 * x))
    facts = dict.fromkeys(("target", "memory_target", "not_measured", "load_before"))
    return dict(facts, name=name, sides=[side])


def record():
    """Two points against the batch, one of another network, and a comparison that is no curve."""
    points = [compared(f"a step against batch, {x}", x, x / 4) for x in (2, 4)]
    points += [compared("a step against batch, deep, checkpointing, 3", 3, 5)]
    return dict(comparisons=[*points, compared("a tiny network, 10 iterations")])


def test_curves_are_medians_against_what_is_in_the_name():
    plain = [(2, 1.0, 200), (4, 2.0, 400)]
    assert curves(record()) == {"batch": {"": plain, "deep, checkpointing": [(3, 10.0, 300)]}}
    for other in ("confusion matrix, 4", "daseg --help"):
        assert curves(dict(comparisons=[dict(name=other)])) == {}


def test_the_page_shows_the_picture_of_the_growth(tmp_path):
    machine = dict.fromkeys(("cpu", "isa", "device", "daseg", "python", "date"), "x")
    machine |= dict(bf16_units=False, cores=2, threads=1, versions={}, load=None)
    found = record() | dict(title="growth", command="daseg benchmark scale", machine=machine)
    (tmp_path / "scale.json").write_text(json.dumps(found))
    write_page([str(tmp_path / "scale.json")], str(tmp_path / "page.md"))
    assert f"({GROWTH})" in (tmp_path / "page.md").read_text()
    assert (tmp_path / GROWTH).stat().st_size > 1000


def test_each_batch_is_measured_with_and_without_checkpointing(monkeypatch):
    found = {each.name: each.ours.arguments for each in scale.compare(Settings())}
    plain, saving = (
        {name.rpartition(", ")[2]: own for name, own in found.items() if f"batch, {kind}, " in name}
        for kind in ("ResNet-50", "ResNet-50 with checkpointing")
    )
    assert list(plain) == list(saving) == ["1", "2", "4"]
    for batch, own in plain.items():
        assert own["backbone"] == dict(depth=50, checkpointing=False)
        assert saving[batch] == own | dict(backbone=dict(depth=50, checkpointing=True))
        assert own["batch"] == int(batch)
    built = []
    monkeypatch.setattr(scale, "training_of", lambda c, **kw: built.append((c, kw)) or (None, None))
    scale.step(**saving["2"])
    (config, options), *_ = built
    assert config == "adaptseg/source_only"
    assert options["cfg_options"]["model.segmentor.backbone.checkpointing"] is True


@pytest.mark.slow
def test_a_tiny_network_trains_with_all_hooks(capsys):
    found = scale.long_run(200)()
    assert found["ms_early"] > 0
    assert found["mib_at_the_end"] >= found["mib_at_a_tenth"] > 0
    assert "report of the training" in capsys.readouterr().out


@pytest.mark.slow
def test_imports_are_timed_without_what_was_imported_before():
    code = "import sys; assert 'json' in sys.modules; import time; time.sleep(0.2)"
    assert 0.2 <= startup.imports("import json", code)()["seconds"] < 5


@pytest.mark.slow
@pytest.mark.parametrize("micro_batch", [None, 1])
def test_two_processes_send_each_gradient_once_and_running_statistics(gan_config, micro_batch):
    """Whatever the number of parts, networks and losses; beside them a few counts of pixels."""
    config = gan_config(f"model['micro_batch'] = {micro_batch}\n")
    found = together(str(config), (32, 32), 2, 1, 2, None)()
    scalars = round((found["mib_all_reduced"] - found["mib_gradients"]) * 2**20)
    assert 0 <= scalars <= 64
    assert 0 < found["mib_broadcast"] < 0.1 * found["mib_gradients"]
    assert found["mib_others"] == 0
