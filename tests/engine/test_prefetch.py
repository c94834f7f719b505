"""Batches read ahead on a GPU, and given through elsewhere."""

from contextlib import nullcontext

import pytest
import torch

from daseg.engine.prefetch import Prefetcher, tensors_of


class FakeStream:
    """Notes which stream waits for which."""

    def __init__(self, name="side"):
        self.name, self.waited_for = name, []

    def wait_stream(self, other):
        self.waited_for.append(other.name)


def batches(read):
    """Numbered batches; notes which were read."""
    for number in range(4):
        read.append(number)
        yield dict(source=dict(image=torch.full((2,), number)), meta=[dict(name=str(number))])


def test_on_a_cpu_each_batch_is_read_when_it_is_asked_for():
    read = []
    loader = Prefetcher(batches(read), pytest.fail, torch.device("cpu"))
    first = next(loader)
    loader.read_ahead()
    assert read == [0]
    assert loader.copied is first
    assert [int(b["source"]["image"][0]) for b in loader] == [1, 2, 3]


def test_on_a_gpu_one_batch_is_copied_ahead_and_the_step_waits_for_the_copy(monkeypatch):
    """With streams that only note, and a copy that can be told from the batch."""
    step = FakeStream("step")
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: FakeStream())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: step)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    read, recorded = [], []
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda t, s: recorded.append((int(t[0]), s)))

    def copy(batch):
        return dict(source=dict(image=batch["source"]["image"] + 10), meta=batch["meta"])

    loader = Prefetcher(batches(read), copy, torch.device("cuda"))
    assert int(next(loader)["source"]["image"][0]) == 0
    assert int(loader.copied["source"]["image"][0]) == 10
    loader.read_ahead()
    loader.read_ahead()
    assert read == [0, 1]
    assert int(loader.copied["source"]["image"][0]) == 10, "the step's batch stays"
    assert int(next(loader)["source"]["image"][0]) == 1
    assert read == [0, 1]
    assert int(loader.copied["source"]["image"][0]) == 11
    assert step.waited_for == ["side", "side"]
    assert recorded == [(10, step), (11, step)]
    assert [int(batch["source"]["image"][0]) for batch in loader] == [2, 3]


def test_tensors_are_found_in_nested_containers():
    one, two, three = torch.zeros(1), torch.ones(1), torch.ones(2)
    assert list(tensors_of(dict(a=one, b=[dict(c=two), "no"], d=(three, None)))) == [
        one,
        two,
        three,
    ]
