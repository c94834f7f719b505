"""AdaBN: batch norm statistics against hand-made ones; its evaluation; its hook."""

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine import Config
from torch import nn

from daseg.api import init_segmentor
from daseg.backbones import ResNet
from daseg.datasets.firewall import TargetBatch
from daseg.engine.adabn import adapt_batch_norm, spread_batches, target_images
from daseg.engine.checkpoint import read_checkpoint
from daseg.engine.evaluate import evaluate
from daseg.engine.train import train
from daseg.evaluation.protocol import RANKING_FIELDS
from daseg.hooks import AdaBNHook
from daseg.offline.pseudo_labels.pseudo_label import pseudo_label
from daseg.utils.errors import ConfigError, DataError, LabelFirewallError
from processes import environment, free_port

ROOT = Path(__file__).parents[2]
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
PAIR = """
load = [dict(type='LoadImageFromFile'), dict(type='LoadLabel')]
pack = [dict(type='RandomCrop', crop_size=(32, 32)), dict(type='PackSample')]
train_dataloader['sampler'] = dict(type='PairSampler')
train_dataloader['dataset'] = dict(
    type='DomainPair', source=dict(data, pipeline=load + pack),
    target=dict(data, root={target!r}, pipeline=load + pack))
custom_hooks.append(dict(type='AdaBNHook'))
"""


@pytest.fixture(scope="module")
def run(trained, tiny_data, tmp_path_factory):
    """A training on the tiny data and a darker target without a label file; AdaBN at its end."""
    folder = tmp_path_factory.mktemp("adabn")
    target = folder / "target"
    (target / "images").mkdir(parents=True)
    for file in (tiny_data / "images").iterdir():
        cv2.imwrite(str(target / "images" / file.name), cv2.imread(str(file)) // 3)
    config = folder / "pair.py"
    text = trained["config"].read_text().replace("norm='gn'", "norm='bn'")
    config.write_text(text + PAIR.format(target=str(target)))
    options = {"optim_wrapper.segmentor.lr_mult.head": 1}
    runner = train(config, work_dir=folder / "run", cfg_options=options)
    return SimpleNamespace(config=config, dir=folder / "run", target=target, runner=runner)


def batches(*sizes, channels=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (channels, 3, 4)
    return [
        TargetBatch(image=k + 3 * torch.randn(n, *shape, generator=generator))
        for k, n in enumerate(sizes)
    ]


def hand_made(arrays):
    """Mean over batches, weighted by images, of each channel's mean and unbiased variance."""
    sizes = [len(a) for a in arrays]
    means = [a.mean((0, 2, 3)) for a in arrays]
    variances = [a.var((0, 2, 3), ddof=1) for a in arrays]
    return np.average(means, 0, sizes), np.average(variances, 0, sizes)


def check(layer, arrays):
    mean, variance = hand_made(arrays)
    np.testing.assert_allclose(layer.running_mean, mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer.running_var, variance, rtol=1e-5)


def test_equal_batches_give_the_mean_of_their_statistics():
    network = nn.Sequential(nn.BatchNorm2d(2))
    network[0].running_mean.fill_(7.0)  # what was there has no part in it
    loader = batches(4, 4, 4)
    assert adapt_batch_norm(network, loader) == 12
    arrays = [batch["image"].numpy() for batch in loader]
    check(network[0], arrays)
    mean = np.mean([a.mean((0, 2, 3)) for a in arrays], 0)
    np.testing.assert_allclose(network[0].running_mean, mean, rtol=1e-5)
    cumulative = nn.BatchNorm2d(2, momentum=None)
    for batch in loader:
        cumulative(batch["image"])
    torch.testing.assert_close(network[0].running_var, cumulative.running_var)


def test_every_image_counts_alike_in_unequal_batches():
    network = nn.Sequential(nn.BatchNorm2d(2))
    loader = batches(4, 1)
    assert adapt_batch_norm(network, loader) == 5
    check(network[0], [batch["image"].numpy() for batch in loader])


def test_a_later_layer_sees_batches_normalised_by_their_own_statistics():
    network = nn.Sequential(nn.BatchNorm2d(2), nn.Dropout(0.9), nn.ReLU(), nn.BatchNorm2d(2))
    loader = batches(3, 3)
    adapt_batch_norm(network, loader)
    inner = []
    for batch in loader:
        x = batch["image"].numpy().astype(np.float64)
        x = x - x.mean((0, 2, 3), keepdims=True)
        inner.append(np.maximum(x / np.sqrt((x**2).mean((0, 2, 3), keepdims=True) + 1e-5), 0))
    check(network[3], inner)


def test_nothing_else_changes():
    network = nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2), nn.Dropout(), nn.BatchNorm2d(2))
    network[3].eval()
    network[1].momentum = 0.25
    before = {name: p.clone() for name, p in network.named_parameters()}
    adapt_batch_norm(network, batches(2))
    assert [m.training for m in network] == [True, True, True, False]
    assert (network[1].momentum, network[3].momentum) == (0.25, 0.1)
    for name, parameter in network.named_parameters():
        assert torch.equal(parameter, before[name])
        assert parameter.grad is None
        assert parameter.requires_grad


def test_modes_and_momenta_come_back_after_an_error():
    network = nn.Sequential(nn.BatchNorm2d(2), nn.Conv2d(5, 1, 1))
    with pytest.raises(RuntimeError, match="channels"):
        adapt_batch_norm(network, batches(2))
    assert network.training
    assert network[0].momentum == 0.1


def test_a_layer_that_does_not_run_keeps_what_it_has():
    class Half(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.unused = nn.BatchNorm2d(2), nn.BatchNorm2d(2)
            self.unused.running_mean.fill_(5.0)

        def forward(self, image):
            return self.used(image)

    network = Half()
    adapt_batch_norm(network, batches(2))
    assert network.unused.running_mean.tolist() == [5.0, 5.0]


def test_statistics_that_training_keeps_frozen_are_adapted_too():
    network = ResNet(depth=18, update_stats=False).train()
    adapt_batch_norm(network, [dict(image=torch.randn(2, 3, 32, 32))])
    assert not network.bn1.training
    assert network.bn1.running_mean.abs().min() > 0


def test_no_batch_norm_names_what_there_is():
    with pytest.raises(ConfigError, match=r"no batch norm .*layers: GroupNorm, LayerNorm\)"):
        adapt_batch_norm(nn.Sequential(nn.GroupNorm(1, 2), nn.LayerNorm(2)), batches(2))
    with pytest.raises(ConfigError, match=r"running statistics.*layers: BatchNorm2d\)"):
        adapt_batch_norm(nn.BatchNorm2d(2, track_running_stats=False), batches(2))
    with pytest.raises(ConfigError, match=r"its norm layers: none"):
        adapt_batch_norm(nn.ReLU(), batches(2))


def test_one_value_a_channel_asks_for_larger_batches():
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(2))
    with pytest.raises(ConfigError, match=r"one value a channel.*test_dataloader.batch_size=4"):
        adapt_batch_norm(network, batches(1))
    assert adapt_batch_norm(network, batches(2)) == 2


def test_no_image_is_an_error():
    with pytest.raises(DataError, match="no image to take the statistics of"):
        adapt_batch_norm(nn.BatchNorm2d(2), [])


def test_the_label_is_not_read():
    batch = batches(2)[0]
    adapt_batch_norm(nn.BatchNorm2d(2), [batch])  # a TargetBatch refuses
    with pytest.raises(LabelFirewallError):
        batch["label"]


def test_batches_are_even_and_from_everywhere():
    assert spread_batches(10, 4) == [[0, 3, 6, 9], [1, 4, 7], [2, 5, 8]]
    assert spread_batches(5, 4) == [[0, 2, 4], [1, 3]]  # not 4 and 1
    assert spread_batches(10, 2, max_images=5) == [[0, 6], [2, 8], [4]]
    assert spread_batches(3, 8, max_images=100) == [[0, 1, 2]]


def test_the_images_are_the_targets_through_the_tests_pipeline_without_labels():
    def config(dataset):
        test = dict(dataset=dict(type="A", pipeline=["test"]))
        return Config(dict(train_dataloader=dict(dataset=dataset), test_dataloader=test))

    city = dict(type="Cityscapes", root="r", pipeline=["train"])
    found = target_images(config(dict(type="DomainPair", source={}, target=city)))
    assert found == dict(type="Cityscapes", root="r", pipeline=["test"], labels=False)
    mixed = dict(type="MixedDataset", datasets=[city, city])
    found = target_images(config(dict(type="DomainPair", source={}, target=mixed)))
    assert [(d["pipeline"], d["labels"]) for d in found["datasets"]] == [(["test"], False)] * 2
    folder = target_images(config(city), "photos")
    assert (folder["root"], folder["labels"], folder["pipeline"]) == ("photos", False, ["test"])
    with pytest.raises(ConfigError, match=r"not trained on a DomainPair.*--adabn DIR"):
        target_images(config(city))
    with pytest.raises(ConfigError, match=r"val_dataloader.dataset.pipeline says; it is missing"):
        target_images(config(city), "photos", like="val_dataloader")


def adapted_by_hand(run):
    """PyTorch's own cumulative average over the batches of the tiny config's test loader."""
    segmentor = init_segmentor(run.config, run.dir / "iter_6.pth")
    norms = [m for m in segmentor.modules() if isinstance(m, nn.BatchNorm2d)]
    for layer in norms:
        layer.reset_running_stats()
        layer.momentum = None
        layer.train()
    files = sorted((run.target / "images").iterdir())
    images = [rgb(file) for file in files]
    with torch.no_grad():
        for first in range(3):  # 12 images in batches of 5: 3 of 4 each
            segmentor(torch.stack(images[first::3]))
    return segmentor.eval()


def rgb(file):
    return torch.from_numpy(cv2.imread(str(file))[..., ::-1].transpose(2, 0, 1).copy())


def matrix_of(segmentor, data):
    matrix = np.zeros((3, 3), int)
    for file in sorted((data / "images").iterdir()):
        label = cv2.imread(str(data / "labels" / file.name), cv2.IMREAD_UNCHANGED)
        pred = segmentor.predict(rgb(file)[None]).argmax(1)[0].numpy()
        np.add.at(matrix, (label[label < 255], pred[label < 255]), 1)
    return matrix


def card_of(folder):
    return json.loads((folder / "protocol_card.json").read_text())


def test_an_evaluation_with_adapted_statistics(run, tiny_data, tmp_path):
    checkpoint, folder = run.dir / "iter_6.pth", run.target / "images"
    adapted = evaluate(run.config, checkpoint, adabn=True)
    expected = matrix_of(adapted_by_hand(run), tiny_data)
    moved = np.abs(expected - adapted.matrix).sum()
    assert moved <= 0.001 * expected.sum()  # rounding may decide between two classes
    plain = matrix_of(init_segmentor(run.config, checkpoint), tiny_data)
    assert np.abs(plain - adapted.matrix).sum() > 0.1 * plain.sum()
    from_folder = evaluate(run.config, checkpoint, adabn=folder, out=tmp_path)
    assert np.array_equal(adapted.matrix, from_folder.matrix)

    out = run.dir / "test_iter_6_adabn"
    where = "AdaBN over 12 images of {} in batches of 5"
    assert card_of(out)["batch_norm"] == where.format(run.target)
    assert card_of(tmp_path)["batch_norm"] == where.format(folder)
    lines = (out / "protocol_card.txt").read_text().splitlines()
    assert len(lines) == 10
    assert "batch norm: AdaBN over 12 images" in "\n".join(lines)
    assert "batch_norm" not in RANKING_FIELDS


def test_an_evaluation_without_it_says_so(trained, tmp_path):
    evaluate(trained["config"], trained["checkpoint"], out=tmp_path)
    assert card_of(tmp_path)["batch_norm"] == "training's"


def test_a_folder_that_is_not_there_is_named(trained, tmp_path):
    with pytest.raises(DataError, match=r"root nowhere does not exist"):
        evaluate(trained["config"], trained["checkpoint"], adabn="nowhere", out=tmp_path)


def test_the_hook_keeps_the_adapted_network_beside_the_trained_one(run):
    own = read_checkpoint(run.dir / "iter_6.pth")["state_dict"]
    left = run.runner.bare_model.state_dict()
    assert all(torch.equal(own[key], left[key]) for key in own)
    written = read_checkpoint(run.dir / "adabn_iter_6.pth")
    assert not {"optimizer", "param_schedulers"} & written.keys()
    adapted = written["state_dict"]
    changed = {key for key in own if not torch.equal(own[key], adapted[key])}
    assert changed == {key for key in own if key.endswith(STATISTICS)}
    for name, buffer in adapted_by_hand(run).named_buffers():
        if name.endswith(("running_mean", "running_var")):
            torch.testing.assert_close(adapted[f"segmentor.{name}"], buffer, rtol=1e-4, atol=1e-5)


def test_the_hook_measures_the_adapted_network_apart_from_the_trained_one(run):
    (log,) = run.dir.glob("*/vis_data/scalars.json")
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    (measured,) = [row for row in rows if "adabn_mIoU" in row]
    assert measured["step"] == 6
    assert [row["step"] for row in rows if "mIoU" in row] == [6]  # the training's own alone
    result = evaluate(run.config, run.dir / "adabn_iter_6.pth")
    assert 100 * result.mIoU == pytest.approx(measured["adabn_mIoU"])
    card = card_of(run.dir / "test_adabn_iter_6")
    assert card["batch_norm"] == f"AdaBN over 12 images of {run.target} in batches of 5"
    assert card["checkpoint_choice"] == "last"


def test_the_hook_takes_a_data_set_of_its_own(run, tmp_path):
    own = run.runner.cfg.train_dataloader.dataset.target
    own = dict(own, pipeline=[own.pipeline[0], own.pipeline[-1]])
    hook = AdaBNHook(own, max_images=4, batch_size=2)
    run.runner._work_dir = str(tmp_path)
    hook.after_train(run.runner)
    meta = read_checkpoint(tmp_path / "adabn_iter_6.pth")["meta"]
    assert meta["batch_norm"] == f"AdaBN over 4 images of {run.target} in batches of 2"


def test_what_cannot_be_done_afterwards_is_said_before_the_training(run, trained):
    hook = AdaBNHook()
    cfg = Config.fromfile(trained["config"])
    model = SimpleNamespace(evaluated_network=nn.BatchNorm2d(2))
    with pytest.raises(ConfigError, match="not trained on a DomainPair"):
        hook.before_train(SimpleNamespace(bare_model=model, cfg=cfg))
    model = SimpleNamespace(evaluated_network=nn.GroupNorm(1, 2))
    with pytest.raises(ConfigError, match=r"no batch norm .*GroupNorm"):
        hook.before_train(SimpleNamespace(bare_model=model, cfg=run.runner.cfg))
    with pytest.raises(ConfigError, match="max_images is at least 1, not 0"):
        AdaBNHook(max_images=0)
    with pytest.raises(ConfigError, match="batch_size is at least 1, not -1"):
        AdaBNHook(batch_size=-1)


@pytest.mark.slow
def test_two_processes_measure_what_one_does(run, tmp_path):
    port = str(free_port())
    env = environment(MASTER_PORT=port)
    command = ["tools/dist_test.sh", run.config, run.dir / "iter_6.pth", "2", "--adabn"]
    command += ["--out", tmp_path / "two"]
    subprocess.run([*map(str, command)], cwd=ROOT, env=env, check=True)
    evaluate(run.config, run.dir / "iter_6.pth", adabn=True, out=tmp_path / "one")
    one, two = ((tmp_path / name / "results.json").read_text() for name in ("one", "two"))
    assert one == two
    assert card_of(tmp_path / "one")["batch_norm"] == card_of(tmp_path / "two")["batch_norm"]


def test_the_network_that_a_test_has_adapted_is_kept(run, tmp_path):
    checkpoint, kept = run.dir / "iter_6.pth", tmp_path / "kept.pth"
    adapted = evaluate(run.config, checkpoint, adabn=True, out=tmp_path / "a", keep=kept)
    again = evaluate(run.config, kept, out=tmp_path / "b")
    assert np.array_equal(adapted.matrix, again.matrix)
    assert card_of(tmp_path / "b")["batch_norm"] == card_of(tmp_path / "a")["batch_norm"]
    own, made = read_checkpoint(checkpoint), read_checkpoint(kept)
    assert made["state_dict"].keys() == own["state_dict"].keys()
    assert made["meta"]["iter"] == 6
    assert "optimizer" not in made
    # Pseudo-labels of it are those that the same option gives there.
    for name, path, adabn in (("kept", kept, False), ("option", checkpoint, True)):
        pseudo_label(run.config, path, out=tmp_path / name, workers=0, limit=3, adabn=adabn)
    pictures = sorted((tmp_path / "kept/labels").glob("*.png"))
    assert len(pictures) == 3
    for picture in pictures:
        other = tmp_path / "option" / picture.relative_to(tmp_path / "kept")
        assert np.array_equal(cv2.imread(str(picture), 0), cv2.imread(str(other), 0))
    with pytest.raises(DataError, match="batch_norm"):
        pseudo_label(run.config, checkpoint, out=tmp_path / "option", workers=0, limit=3)


def test_what_cannot_be_kept_is_refused(run, tmp_path):
    checkpoint = run.dir / "iter_6.pth"
    with pytest.raises(ConfigError, match="that --adabn makes of a single checkpoint"):
        evaluate(run.config, checkpoint, out=tmp_path, keep=tmp_path / "kept.pth")
    with pytest.raises(ConfigError, match="is the checkpoint that is tested"):
        evaluate(run.config, checkpoint, out=tmp_path, adabn=True, keep=checkpoint)
