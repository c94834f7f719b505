"""Scores of finished checkpoints without labels, and what they would choose."""

import json
import math

import cv2
import numpy as np
import pytest
import torch

from daseg.api import init_segmentor
from daseg.cli import main
from daseg.engine.score import Scored, choices, score, table
from daseg.utils.errors import ConfigError


def by_hand(config, checkpoint, folder, names):
    """Entropy, information and flip agreement, in numpy."""
    segmentor = init_segmentor(config, checkpoint)
    entropies, marginal, agree = [], [], []
    for name in names:
        rgb = cv2.imread(str(folder / name))[..., ::-1].transpose(2, 0, 1).copy()
        image = torch.from_numpy(rgb)[None]
        prob = segmentor.predict(image)[0].double().numpy()
        flipped = segmentor.predict(image.flip(3))[0].numpy()[..., ::-1]
        entropies.append(-(prob * np.log(np.maximum(prob, 1e-30))).sum(0))
        marginal.append(prob.reshape(len(prob), -1))
        agree.append(prob.argmax(0) == flipped.argmax(0))
    unit, mean = math.log(3), np.concatenate(marginal, 1).mean(1)
    entropy = np.mean(entropies) / unit
    return dict(
        entropy=entropy,
        information=-(mean * np.log(mean)).sum() / unit - entropy,
        flip_agreement=np.mean(agree),
    )


def test_scores_are_those_of_predictions(small_run, tiny_data, tmp_path, capsys, monkeypatch):
    config, checkpoint = small_run["config"], small_run["checkpoint"]
    folder = tiny_data / "images"
    (found,) = score(config, checkpoint, data=folder, images=4)
    expected = by_hand(config, checkpoint, folder, ["00.png", "03.png", "06.png", "09.png"])
    assert found.scores == pytest.approx(expected, rel=1e-4)
    out = tmp_path / "scores.json"
    words = ["daseg", "score", str(config), str(checkpoint), "--data", str(folder)]
    monkeypatch.setattr("sys.argv", [*words, "--images", "4", "--device", "cpu", "--out", str(out)])
    main()
    assert "entropy" in capsys.readouterr().out
    written = json.loads(out.read_text())
    assert written["scores"][str(checkpoint)] == pytest.approx(found.scores)
    assert written["shares"][str(checkpoint)] == found.shares
    assert sum(found.shares.values()) == pytest.approx(1)
    assert written["choices"] == dict.fromkeys(found.scores, str(checkpoint))
    with pytest.raises(ConfigError, match="--images is at least 1, not 0"):
        score(config, checkpoint, data=folder, images=0)
    with pytest.raises(ConfigError, match=r"not trained on a DomainPair"):
        score(config, checkpoint)


def test_each_score_chooses_its_best_and_classes_that_nobody_predicts_are_named():
    all_seen, gone = dict(road=0.5, sky=0.5), dict(road=1.0, sky=0.000009)
    scored = [
        Scored("a.pth", dict(entropy=0.2, information=0.5, flip_agreement=0.9), all_seen),
        Scored("a.pth --adabn", dict(entropy=0.1, information=0.4, flip_agreement=0.95), all_seen),
        Scored("b.pth", dict(entropy=0.3, information=0.6, flip_agreement=0.95), gone),
    ]
    assert choices(scored) == dict(
        entropy="a.pth --adabn", information="b.pth", flip_agreement="a.pth --adabn"
    )
    rows = table(scored).splitlines()
    assert [row.count("*") for row in rows[3:6]] == [0, 2, 1]
    assert [row.split("|")[-2].strip() for row in rows[3:6]] == ["2 of 2", "2 of 2", "1 of 2"]
    assert rows[7:] == ["never predicted by b.pth: sky"]
