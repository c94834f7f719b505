"""Whole runs on a GPU: resumed exactly where kernels are told to be, tested, and used."""

import shutil

import numpy as np
import pytest
import torch

import daseg
from daseg.engine.evaluate import evaluate
from daseg.engine.train import train
from daseg.offline.pseudo_labels.pseudo_label import pseudo_label
from runs import labels_in, same_run

pytestmark = pytest.mark.cuda
EXACT = {"randomness.deterministic": True}


@pytest.fixture
def fixed_sums(monkeypatch: pytest.MonkeyPatch):
    """What `randomness.deterministic` needs, put back after the test."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    yield
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.deterministic = False


@pytest.mark.usefixtures("fixed_sums")
def test_a_resumed_run_equals_an_uninterrupted_one(gan_config, tmp_path):
    config = gan_config()
    whole = train(config, work_dir=tmp_path / "whole", cfg_options=EXACT)
    assert next(whole.model.parameters()).is_cuda
    (tmp_path / "resumed").mkdir()
    shutil.copy(tmp_path / "whole/iter_3.pth", tmp_path / "resumed")
    train(config, work_dir=tmp_path / "resumed", resume=True, cfg_options=EXACT)
    same_run(tmp_path / "whole/iter_6.pth", tmp_path / "resumed/iter_6.pth")


def test_a_test_a_prediction_and_pseudo_labels_are_those_of_the_cpu(trained, tiny_data, tmp_path):
    """But for pixels where two classes are as probable as each other, to rounding."""
    config, checkpoint = trained["config"], trained["checkpoint"]
    result = evaluate(config, checkpoint, out=tmp_path / "cuda")
    networks = {d: daseg.init_segmentor(config, checkpoint, d) for d in ("cpu", "cuda")}
    pixels = right = 0
    for number in range(12):
        path = tiny_data / f"images/{number:02d}.png"
        cpu, cuda = (daseg.predict(network, path) for network in networks.values())
        assert np.mean(cpu != cuda) < 0.01
        label = np.asarray(daseg.datasets.files.io.read_ids(tiny_data / f"labels/{number:02d}.png"))
        pixels += int((label != 255).sum())
        right += int((cuda == label).sum())
    assert result.pixAcc == pytest.approx(right / pixels, abs=0.01)
    for device in ("cpu", "cuda"):
        pseudo_label(config, checkpoint, out=tmp_path / device / "labels", device=device)
    found = [labels_in(tmp_path / device / "labels") for device in ("cpu", "cuda")]
    assert np.mean(found[0] != found[1]) < 0.01


def test_mixed_precision_trains_and_resumes(gan_config, tmp_path):
    options = {"train_cfg.max_iters": 3}
    train(gan_config(), work_dir=tmp_path / "run", amp=True, cfg_options=options)
    runner = train(gan_config(), work_dir=tmp_path / "run", amp=True, resume=True)
    assert runner.iter == 6
    assert (tmp_path / "run/iter_6.pth").is_file()
