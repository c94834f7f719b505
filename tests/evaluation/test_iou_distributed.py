"""Two processes find what one does, though their sampler repeats images."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.dataset import DefaultSampler

from daseg.evaluation import IoUMetric

SIZE, BATCH = 7, 3  # on two ranks four images each: one is repeated, and each last batch is short
SCRIPT = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("this_test", sys.argv[1])
test = importlib.util.module_from_spec(spec)
spec.loader.exec_module(test)
test.worker(int(sys.argv[2]), sys.argv[3], sys.argv[4])
"""


def image(index: int) -> dict:
    generator = torch.Generator().manual_seed(index)
    label = torch.randint(0, 5, (6, 4 + index), generator=generator)
    label[0] = 255
    pred = torch.randint(0, 5, label.shape, generator=generator).to(torch.uint8)
    return dict(pred=pred, label=label, meta=dict(name=str(index)))


def count(collect_device: str) -> tuple[dict, list, int]:
    """Evaluate this rank's share; the numbers, the matrix on rank 0, the images it counted."""
    metric = IoUMetric(classes="abcde", collect_device=collect_device)
    loader = torch.utils.data.DataLoader(
        range(SIZE),
        batch_size=BATCH,
        sampler=DefaultSampler(range(SIZE), shuffle=False),
        collate_fn=list,
    )
    counted = 0
    for batch in loader:
        counted += len(batch)
        metric.process(None, [image(index) for index in batch])
    values = metric.evaluate(SIZE)
    result = metric.last_result
    return values, [] if result is None else result.matrix.tolist(), counted


def worker(rank: int, collect_device: str, out_dir: str) -> None:
    # A file as meeting point needs no port, which another test might hold.
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{out_dir}/meeting_point", rank=rank, world_size=2
    )
    values, matrix, counted = count(collect_device)
    found = dict(values=values, matrix=matrix, counted=counted)
    Path(out_dir, f"{rank}.json").write_text(json.dumps(found))
    torch.distributed.destroy_process_group()


def start(rank: int, collect_device: str, out_dir: Path) -> subprocess.Popen:
    arguments = [__file__, str(rank), collect_device, str(out_dir)]
    return subprocess.Popen([sys.executable, "-c", SCRIPT, *arguments], cwd=out_dir)


@pytest.mark.parametrize("collect_device", ["gpu", "cpu"])
def test_two_processes_equal_one(tmp_path, collect_device):
    processes = [start(rank, collect_device, tmp_path) for rank in range(2)]
    assert [process.wait(timeout=600) for process in processes] == [0, 0]
    first, second = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    values, matrix, counted = count(collect_device)
    assert counted == SIZE
    assert first["counted"] + second["counted"] == SIZE + 1  # else nothing was put to the test
    assert first["matrix"] == matrix
    assert first["values"] == second["values"] == values
    assert second["matrix"] == []  # only the main process computes and writes
