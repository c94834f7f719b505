"""What is built to test, predict and label: a segmentor, and nothing of its training."""

import numpy as np
import pytest
import torch

import daseg
from daseg.engine.evaluate import evaluate
from daseg.engine.runner import Runner
from daseg.engine.train import train
from daseg.objectives import Supervised
from daseg.offline.pseudo_labels.pseudo_label import pseudo_label
from daseg.utils.errors import ConfigError
from runs import labels_in


@pytest.fixture
def without_training(monkeypatch):
    """No objective can be built."""

    def broken(self, *args, **kwargs):
        raise RuntimeError("an objective was built")

    monkeypatch.setattr(Supervised, "__init__", broken)


def test_testing_predicting_and_labelling_build_no_objective(
    without_training, trained, tiny_data, tmp_path, monkeypatch
):
    config, checkpoint = trained["config"], trained["checkpoint"]
    models = []
    test = Runner.test
    monkeypatch.setattr(Runner, "test", lambda self: models.append(self.model) or test(self))
    found = evaluate(config, checkpoint, out=tmp_path / "test")
    segmentor = daseg.init_segmentor(config, checkpoint)
    own, tested = (dict(m.named_parameters()) for m in (segmentor, models[0].segmentor))
    assert all(torch.equal(own[name], value) for name, value in tested.items())
    assert len(list(models[0].parameters())) == len(tested) == len(own)
    pseudo_label(config, checkpoint, out=tmp_path / "labels", workers=0)
    predicted = [
        daseg.predict(segmentor, path) for path in sorted((tiny_data / "images").iterdir())
    ]
    assert np.array_equal(labels_in(tmp_path / "labels"), predicted)
    assert found.matrix.sum(0).argmax() == np.bincount(np.ravel(predicted)).argmax()


def test_a_training_does_build_it(without_training, trained, tmp_path):
    with pytest.raises(ConfigError, match="an objective was built"):
        train(trained["config"], work_dir=tmp_path)
