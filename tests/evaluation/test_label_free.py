"""Scores without labels, against numpy and against what they are by definition."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from daseg.evaluation import LabelFreeScores

K = 5
SCRIPT = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("this_test", sys.argv[1])
test = importlib.util.module_from_spec(spec)
spec.loader.exec_module(test)
test.worker(int(sys.argv[2]), sys.argv[3])
"""


def probabilities(seed, count, size=(4, 6), scale=3.0):
    generator = torch.Generator().manual_seed(seed)
    return (scale * torch.randn(count, K, *size, generator=generator)).softmax(1)


def test_against_numpy_over_batches_of_different_sizes():
    scores, batches = LabelFreeScores(K), []
    for seed, (count, size) in enumerate([(2, (4, 6)), (1, (3, 3)), (3, (2, 7))]):
        batch = [probabilities(10 * seed + n, count, size) for n in range(3)]
        scores.add(*batch)
        batches.append([b.double().permute(0, 2, 3, 1).reshape(-1, K).numpy() for b in batch])
    prob, flipped, other = (np.concatenate(part) for part in zip(*batches, strict=True))
    entropy = -(prob * np.log(prob)).sum(1).mean() / np.log(K)
    mean = prob.mean(0)
    marginal = -(mean * np.log(mean)).sum() / np.log(K)
    same = [(prob.argmax(1) == each.argmax(1)).mean() for each in (flipped, other)]
    assert scores.result() == pytest.approx(
        dict(
            entropy=entropy,
            information=marginal - entropy,
            flip_agreement=same[0],
            teacher_agreement=same[1],
        ),
        rel=1e-5,
    )
    assert all(0 < value < 1 for value in scores.result().values())
    shares = np.bincount(prob.argmax(1), minlength=K) / len(prob)
    assert scores.shares() == pytest.approx(shares.tolist())


def one_hot(classes):
    return torch.nn.functional.one_hot(torch.tensor(classes), K).permute(0, 3, 1, 2).float()


def test_sure_of_all_classes_alike_of_one_class_and_of_nothing():
    everything, one = one_hot([[[0, 1, 2, 3, 4]]]), one_hot([[[2] * 5]])
    nothing = torch.full((1, K, 1, 5), 1 / K)
    cases = {(0, 1, 0.2): (everything, one), (0, 0, 1): (one, one), (1, 0, 1): (nothing, nothing)}
    for expected, maps in cases.items():
        scores = LabelFreeScores(K)
        scores.add(*maps)
        found = scores.result()
        assert list(found) == ["entropy", "information", "flip_agreement"]
        assert tuple(found.values()) == pytest.approx(expected, abs=1e-6)


def worker(rank: int, out_dir: str) -> None:
    torch.set_num_threads(1)
    meeting = f"file://{out_dir}/meeting_point"
    torch.distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=3)
    scores = LabelFreeScores(K)
    for seed in [(0, 1), (2,), ()][rank]:  # the last process has no images
        scores.add(*(probabilities(10 * seed + n, 1 + seed) for n in range(3)))
    Path(out_dir, f"{rank}.json").write_text(json.dumps(scores.result()))
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_processes_find_what_one_does(tmp_path):
    command = [sys.executable, "-c", SCRIPT, __file__]
    processes = [
        subprocess.Popen([*command, str(rank), str(tmp_path)], cwd=tmp_path) for rank in range(3)
    ]
    alone = LabelFreeScores(K)
    for seed in range(3):
        alone.add(*(probabilities(10 * seed + n, 1 + seed) for n in range(3)))
    assert [process.wait(timeout=600) for process in processes] == [0, 0, 0]
    for rank in range(3):
        assert json.loads((tmp_path / f"{rank}.json").read_text()) == pytest.approx(alone.result())
