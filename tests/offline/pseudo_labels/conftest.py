"""A teacher, and what it predicts."""

import numpy as np
import pytest

import daseg
from daseg.offline import job


@pytest.fixture(autouse=True)
def _small_pictures(monkeypatch):
    monkeypatch.setattr(job, "ROWS", 1)


@pytest.fixture
def teacher(trained):
    return trained["config"], trained["checkpoint"]


@pytest.fixture(scope="module")
def probabilities(trained, tiny_data):
    """(12,3,32,48), as `daseg.predict` gives them."""
    segmentor = daseg.init_segmentor(trained["config"], trained["checkpoint"])
    paths = sorted((tiny_data / "images").iterdir())
    return np.stack([daseg.predict(segmentor, path, return_prob=True)[1] for path in paths])
