"""The benchmark of reading: direct and prepared roads do the same work."""

from daseg.benchmarks import data
from daseg.benchmarks.compare import Settings


def test_the_roads_give_the_same(monkeypatch):
    monkeypatch.setattr(data, "COUNT", 2)
    monkeypatch.setattr(data, "FILE_SIZE", (96, 64))
    found = data.compare(Settings(size=(64, 32)))
    assert [each.target for each in found] == [0.55, 0.55, 0.1, 0.1, 0.1, 0.1]
    runs = [each.ours.make(**each.ours.arguments)() for each in found]
    assert runs[0] == runs[2] == runs[4]
    assert runs[1] == runs[3] == runs[5]
    assert runs[0]["labelled"] > 0
