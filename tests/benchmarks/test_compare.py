"""Two sides run in turn, each in a process of its own; nothing is judged by the clock here."""

import os

import pytest

import benchmark_sides as sides
from daseg.benchmarks.compare import Comparison, Settings, Side, run_comparisons
from daseg.benchmarks.peers import find_peers, peer_module
from daseg.utils.errors import ConfigError


def compared(comparison, **settings):
    record = run_comparisons("name", "Title", [comparison], Settings(**settings), "daseg ...")
    return record["comparisons"][0]


def test_sides_take_turns_in_their_own_processes(tmp_path):
    file, before = tmp_path / "order", dict(os.environ)
    ours = Side("a", sides.writes, dict(file=str(file), word="a", mib=300))
    peer = Side("b", sides.writes, dict(file=str(file), word="b", value=1.001))
    comparison = Comparison("work", ours, peer, same=dict(value=0.01), warmup=2)
    found = compared(comparison, repeats=3, threads=2)
    assert file.read_text() == "ab" * 5  # two of them before the timed ones
    assert [len(side["seconds"]) for side in found["sides"]] == [3, 3]
    assert [side["values"]["value"] for side in found["sides"]] == [1.0, 1.001]
    assert all(side["values"][key] == 2 for side in found["sides"] for key in ("torch", "omp"))
    held = [side["memory_mib"]["peak"] - side["memory_mib"]["ready"] for side in found["sides"]]
    assert 295 < held[0] < 330
    assert held[1] < 30
    assert dict(os.environ) == before


@pytest.mark.slow
def test_sides_that_do_different_work_are_not_compared(tmp_path):
    ours = Side("ours", sides.writes, dict(file=str(tmp_path / "x"), word="a"))
    peer = Side("theirs", sides.writes, dict(file=str(tmp_path / "x"), word="b", value=1.1))
    with pytest.raises(ConfigError, match=r"ours and theirs do different work: value is 1.0 and"):
        compared(Comparison("work", ours, peer, same=dict(value=0.01)), repeats=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (sides.refuses, r"the benchmark of it: there is nothing to run$"),
        (sides.fails, r"(?s)the benchmark of it: Traceback.*ValueError: broken in the run"),
        (sides.dies, r"the benchmark of it: its process ended early"),
    ],
)
def test_a_side_that_cannot_run(make, message):
    with pytest.raises(ConfigError, match=message):
        compared(Comparison("work", Side("it", make)))


@pytest.mark.slow
def test_a_run_may_measure_itself():
    own = Side("it", sides.tells_time, dict(seconds=[9.0, 1.0, 2.0]))
    found = compared(Comparison("work", own, repeats=2))
    assert found["sides"][0]["seconds"] == [1.0, 2.0]
    assert found["sides"][0]["values"] == {}


@pytest.mark.parametrize("wrong", [dict(repeats=0), dict(threads=0)])
def test_no_run_and_no_thread(wrong):
    with pytest.raises(ConfigError, match="at least 1 thread and 1 run"):
        compared(Comparison("work", Side("it", sides.fails)), **wrong)


def test_settings_that_a_benchmark_does_not_read():
    settings = Settings(size=(4, 2), tile=3, amp=True)
    with pytest.raises(ConfigError, match="daseg benchmark metric does not read amp, tile"):
        settings.refuse_unused("metric", frozenset(("size",)))
    Settings().refuse_unused("metric", frozenset())


def test_peers_are_found_by_their_files(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/train_gta2cityscapes_multi.py").touch()
    (tmp_path / "a/own_module.py").write_text("import no_such_package\n")
    found = find_peers([str(tmp_path / "a")])
    assert found == {"AdaptSegNet": tmp_path / "a"}
    settings = Settings(peers=found)
    side = settings.peer("AdaptSegNet", sides.writes, word="x")
    assert side == Side("AdaptSegNet", sides.writes, dict(word="x", path=str(tmp_path / "a")))
    assert settings.peer("DAFormer", sides.writes) is None
    with pytest.raises(ConfigError, match=r"--peer .*: no code of a known peer is there: Adapt"):
        find_peers([str(tmp_path)])
    with pytest.raises(ConfigError, match="are both AdaptSegNet"):
        find_peers([str(tmp_path / "a"), str(tmp_path / "a")])


def test_a_peer_that_cannot_be_imported(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    (tmp_path / "own_module.py").write_text("import no_such_package\n")
    with pytest.raises(ConfigError, match="cannot import own_module: No module named 'no_such"):
        peer_module(str(tmp_path), "own_module")
