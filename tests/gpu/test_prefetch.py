"""Batches copied to the GPU ahead of the step."""

import pytest
import torch

from daseg.datasets.domain_pair import PairPreprocessor
from daseg.engine.prefetch import Prefetcher

pytestmark = pytest.mark.cuda


def test_copies_ahead_equal_the_batches_beside_a_busy_stream():
    data = [dict(image=torch.full((1 << 22,), n, dtype=torch.uint8).pin_memory()) for n in range(6)]
    preprocessor = PairPreprocessor(non_blocking=True).to("cuda")
    loader = Prefetcher(iter(data), preprocessor.cast_data, torch.device("cuda"))
    work = torch.rand(2048, 2048, device="cuda")
    torch.cuda.synchronize()
    sums = []
    for number, batch in enumerate(loader):
        assert not batch["image"].is_cuda
        torch.cuda.set_sync_debug_mode("error")
        try:
            for _ in range(20):
                work = work @ work / 1024
            sums.append(loader.copied["image"].long().sum())
            if number + 1 < len(data):
                loader.read_ahead()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    assert [int(each) for each in sums] == [n << 22 for n in range(6)]
