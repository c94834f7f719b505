"""Class weights from counts, against hand-made numbers; the command that prints them."""

import math

import numpy as np
import pytest

from daseg.cli import main
from daseg.config.load import load_config
from daseg.datasets.class_weights import class_weights, training_counts
from daseg.utils.errors import ConfigError, DataError

# Two images of 100 labelled pixels; the third class is in one of them, the last in none.
COUNTS = np.array([[80, 20, 0, 0], [50, 10, 40, 0]])


def test_the_rules_by_hand():
    # Shares in the images that have the class: 130/200, 30/200, 40/100; their median is 0.4.
    median = [0.4 / 0.65, 0.4 / 0.15, 1.0, 10.0]
    assert class_weights(COUNTS).tolist() == pytest.approx(median)
    share = [0.65, 0.15, 0.2]
    enet = [1 / math.log(1.02 + p) for p in share]
    assert class_weights(COUNTS, "enet").tolist() == pytest.approx([*enet, 10])
    roots = [p**-0.5 for p in share]
    sqrt = [root / (sum(roots) / 3) for root in roots]
    assert class_weights(COUNTS, "sqrt", 5).tolist() == pytest.approx([*sqrt, 5])
    assert class_weights(COUNTS, "median", 2).tolist() == pytest.approx([0.4 / 0.65, 2, 1, 2])


def test_what_cannot_be_computed_is_said():
    with pytest.raises(DataError, match="no pixel of the training labels has a class"):
        class_weights(COUNTS * 0)
    with pytest.raises(ConfigError, match="rule is 'median', 'enet' or 'sqrt'"):
        class_weights(COUNTS, "mean")


def test_the_command_prints_a_line_for_the_config(trained, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["daseg", "class-weights", str(trained["config"])])
    main()
    counts, classes = training_counts(load_config(trained["config"]))
    assert classes == ("left", "right", "square")
    wanted = [round(float(weight), 3) for weight in class_weights(counts)]
    assert capsys.readouterr().out.splitlines()[-1] == f"class_weights={wanted}"
