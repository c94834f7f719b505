"""Several checkpoints as one: the mean of their networks' probabilities."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import daseg
from daseg.config.load import load_config
from daseg.engine.adabn import adapt_to_images
from daseg.engine.average import checkpoint_paths
from daseg.engine.checkpoint import read_checkpoint, write_checkpoint
from daseg.engine.evaluate import evaluate
from daseg.evaluation import load_card
from daseg.evaluation.confusion import confusion_matrix
from daseg.evaluation.protocol import ProtocolCard, compare
from daseg.registry import DATASETS
from daseg.utils.errors import CheckpointError, ConfigError
from daseg.weights.files import sha256_file

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def checkpoints(trained, tmp_path_factory) -> list[Path]:
    """The trained network, and one whose classifier was changed, of another seed."""
    other = read_checkpoint(trained["checkpoint"])
    generator = torch.Generator().manual_seed(0)
    for name, value in other["state_dict"].items():
        if value.is_floating_point() and "head" in name:
            value += 5 * value.abs().mean() * torch.randn(value.shape, generator=generator)
    other["meta"]["seed"] = 4
    path = tmp_path_factory.mktemp("other") / "iter_6.pth"
    write_checkpoint(other, path)
    return [trained["checkpoint"], path]


def probabilities(config: Path, checkpoint, image: Path, tta: bool = False) -> np.ndarray:
    segmentor = daseg.init_segmentor(config, checkpoint, tta=tta)
    return daseg.predict(segmentor, image, return_prob=True)[1]


@pytest.mark.parametrize("tta", [False, True])
def test_predicts_the_mean_of_the_probabilities(trained, checkpoints, tiny_data, tta):
    image = tiny_data / "images/03.png"
    each = [probabilities(trained["config"], c, image, tta) for c in checkpoints]
    mean = probabilities(trained["config"], checkpoints, image, tta)
    np.testing.assert_allclose(mean, (each[0] + each[1]) / 2, atol=1e-6)
    assert abs(each[0] - each[1]).max() > 0.05


def test_evaluates_the_mean_and_the_card_names_both(trained, checkpoints, tiny_data, tmp_path):
    found = evaluate(trained["config"], checkpoints, out=tmp_path)
    dataset = DATASETS.build(load_config(trained["config"]).test_dataloader.dataset)
    expected = np.zeros((3, 3), np.int64)
    networks = [daseg.init_segmentor(trained["config"], path) for path in checkpoints]
    for index in range(len(dataset)):
        image = tiny_data / f"images/{index:02d}.png"
        prob = sum(daseg.predict(network, image, return_prob=True)[1] for network in networks)
        label = dataset[index]["label"].numpy()
        known = label != 255
        np.add.at(expected, (label[known], prob.argmax(0)[known]), 1)
    assert np.array_equal(found.matrix, expected)
    single = evaluate(trained["config"], checkpoints[0], out=tmp_path / "single")
    assert not np.array_equal(found.matrix, single.matrix)
    card = json.loads((tmp_path / "protocol_card.json").read_text())
    assert card["weights"] == str(checkpoints[0])
    assert card["averaged_with"] == [[str(checkpoints[1]), sha256_file(checkpoints[1])]]
    assert card["num_networks"] == 2
    assert card["seed"] is None  # they differ
    assert card["iteration"] == 6
    assert card["checkpoint_choice"] == "last"
    text = (tmp_path / "protocol_card.txt").read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("weights:")]
    for path in checkpoints:
        assert f"{path} (sha256 {sha256_file(path)[:16]})" in line
    assert ", averaged with " in line


def test_a_mean_and_one_network_are_not_ranked(tmp_path):
    card = dict(config="c", config_sha256="0", weights="w", weights_sha256="1")
    mean = ProtocolCard(**card, averaged_with=[["v", "2"]], num_networks=2)
    assert compare([ProtocolCard(**card), mean]) == ["num_networks"]
    mean.save(tmp_path)
    assert load_card(tmp_path) == mean


def test_each_network_is_adapted_by_itself(tiny_config, tiny_data, tmp_path):
    """AdaBN of a mean is the mean of the adapted networks."""
    config = tiny_config()
    cfg = load_config(config)
    paths = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        network = daseg.init_segmentor(config)
        paths.append(tmp_path / f"{seed}.pth")
        torch.save(dict(state_dict=network.state_dict()), paths[-1])
    folder = tiny_data / "images"
    mean = evaluate(config, paths, out=tmp_path / "mean", adabn=folder)
    images = dict(
        type="FolderDataset",
        root=str(folder),
        image_dir=".",
        classes=["any"],
        labels=False,
        pipeline=cfg.test_dataloader.dataset.pipeline,
    )
    networks = [daseg.init_segmentor(config, path) for path in paths]
    for network in networks:
        adapt_to_images(network, images, cfg.test_dataloader)
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    matrix = 0
    for index in range(len(dataset)):
        sample = dataset[index]
        prob = sum(network.predict(sample["image"][None]) for network in networks)
        matrix = matrix + confusion_matrix(prob.argmax(1), sample["label"][None], 3)
    assert np.array_equal(mean.matrix, np.asarray(matrix))
    assert load_card(tmp_path / "mean").batch_norm.startswith("AdaBN over 12 images of")


def test_the_results_have_a_folder_of_their_own(trained, checkpoints, tmp_path):
    copies = [tmp_path / f"{index}.pth" for index in range(2)]
    for copy, path in zip(copies, checkpoints, strict=True):
        copy.write_bytes(path.read_bytes())
    evaluate(trained["config"], copies)
    assert (tmp_path / "test_0_mean_of_2/protocol_card.json").is_file()


@pytest.mark.slow
def test_the_tools_take_several(trained, checkpoints, tiny_data, tmp_path):
    image = tiny_data / "images/03.png"

    def run(tool: str, *arguments) -> None:
        command = [sys.executable, f"tools/{tool}.py", trained["config"], *checkpoints, *arguments]
        subprocess.run([str(part) for part in command], cwd=ROOT, check=True, capture_output=True)

    run("predict", image, "--out", tmp_path, "--train-ids")
    segmentor = daseg.init_segmentor(trained["config"], checkpoints)
    (written,) = (tmp_path / "train_ids").iterdir()
    assert np.array_equal(daseg.api.read_rgb(written)[..., 0], daseg.predict(segmentor, image))
    run("test", "--out", tmp_path / "test")
    assert load_card(tmp_path / "test").num_networks == 2


def test_errors_come_before_anything_is_built(trained, checkpoints, tmp_path):
    with pytest.raises(ConfigError, match=r"needs each of them once, got \['a.pth'\]"):
        checkpoint_paths(["a.pth", "b.pth", Path("a.pth")])
    with pytest.raises(ConfigError, match="needs each of them once, got none"):
        checkpoint_paths([])
    with pytest.raises(CheckpointError, match=r"none\.pth"):
        evaluate(trained["config"], [checkpoints[0], tmp_path / "none.pth"])
