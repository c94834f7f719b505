"""The course of an adaptation: what is drawn, in which colours, and what is missing."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from daseg.utils.errors import DataError
from daseg.visualization import plot_observatory

ROOT = Path(__file__).parents[2]
PALETTE = dict(classes=["road", "sky"], palette=[[200, 30, 60], [10, 180, 120]])


@pytest.fixture
def run(tmp_path):
    """A run whose predictions are one quarter road and three quarters sky."""
    folder = tmp_path / "run"
    log = folder / "1/vis_data/scalars.json"
    log.parent.mkdir(parents=True)
    rows = []
    for step in range(10, 101, 10):
        shares = {"predicted_share/road": 0.25, "predicted_share/sky": 0.75}
        rows.append(dict(source_entropy=0.2, **shares, step=step))
        accuracies = dict(disc_acc_source_aux=0.9, disc_acc_target_aux=0.8)
        losses = dict(loss_seg=1.5, loss_adv=0.0007)
        rows.append(dict(losses, **accuracies, target_entropy=0.3, lr=0.1, iter=step, step=step))
    rows.append(dict(mIoU=30.0, step=100))
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "classes.json").write_text(json.dumps(PALETTE))
    return folder


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def count(picture, colour):
    return int((np.abs(picture - colour).sum(-1) == 0).sum())


def test_shares_are_areas_in_the_classes_colours(run, tmp_path):
    log = run / "1/vis_data/scalars.json"
    for given, out in ((run, tmp_path / "a.png"), (log, tmp_path / "b.png")):
        plot_observatory(given, out)
        picture = pixels(out)
        road, sky = (count(picture, colour) for colour in PALETTE["palette"])
        assert road > 10_000
        assert sky / road == pytest.approx(3, rel=0.1)


def test_shares_at_validations_are_drawn_where_the_training_has_none(run, tmp_path):
    log = run / "1/vis_data/scalars.json"
    log.write_text(log.read_text().replace("predicted_share", "labelfree_share"))
    plot_observatory(run, tmp_path / "o.png")
    road, sky = (count(pixels(tmp_path / "o.png"), colour) for colour in PALETTE["palette"])
    assert sky / road == pytest.approx(3, rel=0.1)


def test_a_loss_of_entropy_is_a_loss_alone(run, tmp_path):
    log = run / "1/vis_data/scalars.json"
    log.write_text(log.read_text().replace('"loss_adv"', '"loss_entropy"'))
    plot_observatory(run, tmp_path / "o.png")
    picture = pixels(tmp_path / "o.png")
    lower_left = picture[picture.shape[0] // 2 :, : picture.shape[1] // 2]
    assert count(lower_left, (255, 127, 14)) > 100
    assert count(lower_left, (44, 160, 44)) == 0  # a third line


def test_the_curves_are_drawn(run, tmp_path):
    plot_observatory(run, tmp_path / "o.png")
    picture = pixels(tmp_path / "o.png")
    height, width = picture.shape[0] // 2, picture.shape[1] // 2
    quarters = picture[:height, :width], picture[:height, width:], picture[height:, :width]
    for quarter in quarters:  # each has two lines, in matplotlib's first two colours
        for colour in ((31, 119, 180), (255, 127, 14)):
            assert count(quarter, colour) > 100


@pytest.mark.parametrize("losses", [(1.0, -0.01), (0.0, 2.0)])
def test_losses_that_a_logarithm_cannot_show(tmp_path, losses):
    log = tmp_path / "scalars.json"
    rows = [dict(loss_adv=loss, step=step) for step, loss in enumerate(losses)]
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    plot_observatory(log, tmp_path / "o.png")
    assert count(pixels(tmp_path / "o.png"), (31, 119, 180)) > 100


def test_a_log_without_any_of_it(tmp_path):
    (tmp_path / "scalars.json").write_text('{"mIoU": 3.0, "step": 1}\n')
    with pytest.raises(DataError, match="neither losses nor what ObservatoryHook logs"):
        plot_observatory(tmp_path / "scalars.json", tmp_path / "o.png")
    with pytest.raises(DataError, match="holds no training log"):
        plot_observatory(tmp_path, tmp_path / "o.png")


@pytest.mark.parametrize("content", ["{", "[]", '{"classes": ["a"], "palette": []}'])
def test_broken_colours_name_the_file(run, tmp_path, content):
    (run / "classes.json").write_text(content)
    with pytest.raises(DataError, match=r"classes\.json cannot be read as classes and their"):
        plot_observatory(run, tmp_path / "o.png")


def test_colours_are_made_up_where_there_are_none(run, tmp_path):
    (run / "classes.json").unlink()
    plot_observatory(run, tmp_path / "o.png")
    assert count(pixels(tmp_path / "o.png"), (128, 0, 0)) > 10_000  # PASCAL VOC's first


def plot(*arguments):
    command = [sys.executable, "tools/plot_curves.py", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_the_tool_draws_it_beside_the_curves(run, tmp_path):
    done = plot(run, "--out", tmp_path / "c.png", "--observatory", tmp_path / "o.png")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "c.png").is_file()
    assert f"the observatory is {tmp_path / 'o.png'}" in done.stdout
    assert count(pixels(tmp_path / "o.png"), PALETTE["palette"][0]) > 10_000


def test_the_tool_shows_one_run(run, tmp_path):
    done = plot(run, run, "--out", tmp_path / "c.png", "--observatory", tmp_path / "o.png")
    assert done.returncode == 2
    assert "--observatory shows one run, not 2" in done.stderr
