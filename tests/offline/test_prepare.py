"""`daseg prepare`: what a config reads, resumed after a kill, used by a run."""

import json
import os
import signal
import subprocess
import sys

import pytest
import torch

from daseg.config.load import load_config
from daseg.datasets.prepared.use import use_prepared
from daseg.engine.train import train
from daseg.offline import prepare as module
from daseg.offline.prepare import prepare
from daseg.registry import DATASETS
from daseg.utils.errors import ConfigError, DataError


def run(config, out, **options):
    return list(prepare(config, out=out, workers=0, shard_size=5, **options))


def test_each_data_set_of_a_config_once(two_domain_config, tmp_path):
    config, out = two_domain_config(), tmp_path / "out"
    done = run(config, out)
    # The source; the target, without labels; and val and test, which are the source's steps again.
    assert [(each.samples, each.made) for each in done] == [(12, 3), (12, 3)]
    assert [each.made for each in run(config, out)] == [0, 0]
    settings = [json.loads((d.folder / "prepared.json").read_text())["settings"] for d in done]
    assert [each["labels"] for each in settings] == [True, False]


def test_a_training_is_the_same(two_domain_config, tmp_path):
    config, out = two_domain_config(), tmp_path / "out"
    run(config, out)
    states = []
    for name, options in (("direct", {}), ("quick", {"prepared": str(out)})):
        options = {"train_cfg.max_iters": 2, **options}
        runner = train(config, work_dir=tmp_path / name, cfg_options=options)
        assert (runner.train_dataloader.dataset.source.prepared is None) == (name == "direct")
        states.append(torch.load(tmp_path / name / "iter_2.pth", weights_only=True)["state_dict"])
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_a_killed_run_goes_on(tiny_config, tmp_path):
    config, out = tiny_config(), tmp_path / "out"
    code = (
        "import os, signal; from daseg.offline import prepare as p; real = p.write_shard\n"
        "def write(dataset, steps, rows, path, **options):\n"
        "    if rows.start == 5: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return real(dataset, steps, rows, path, **options)\n"
        f"p.write_shard = write; list(p.prepare({str(config)!r}, out={str(out)!r}, workers=0, "
        "shard_size=5))"
    )
    killed = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    (done,) = run(config, out)
    assert (done.made, done.shards) == (2, 3)
    whole = run(config, tmp_path / "again")[0].folder
    for path in sorted(whole.glob("*.tar")):
        assert path.read_bytes() == (done.folder / path.name).read_bytes()


def test_a_changed_image_alone_is_made_anew(tiny_config, tiny_data, tmp_path):
    config, out = tiny_config(), tmp_path / "out"
    run(config, out)
    os.utime(tiny_data / "images/07.png")
    assert run(config, out)[0].made == 1


def test_another_form_is_refused_and_overwritten(tiny_config, tmp_path):
    config, out = tiny_config(), tmp_path / "out"
    run(config, out)
    with pytest.raises(DataError, match=r"was prepared otherwise \(compress differ: \[False\]"):
        run(config, out, compress=True)
    assert run(config, out, compress=True, overwrite=True)[0].made == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(shard_size=0), "--shard-size is at least 1"),
        (dict(split="all of it"), "--split is train, val, test or all"),
    ],
)
def test_mistakes(tiny_config, tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        list(prepare(tiny_config(), out=tmp_path / "out", workers=0, **options))


def test_pseudo_labels_are_refused(two_domain_config, tmp_path):
    config = two_domain_config("pair['pseudo_labels'] = 'somewhere'\n")
    with pytest.raises(ConfigError, match="pseudo-labels change with each round"):
        run(config, tmp_path / "out")


def test_one_line_reaches_every_data_set(two_domain_config, tmp_path):
    out = tmp_path / "out"
    run(two_domain_config(), out)
    loader = load_config(two_domain_config())._cfg_dict["train_dataloader"]
    use_prepared(loader["dataset"], out)
    pair = DATASETS.build(loader["dataset"])
    assert pair.source.prepared is not None
    assert pair.target.prepared is not None
    assert "label" not in pair[0]["target"]


def test_workers_write_the_same(tiny_config, tmp_path):
    one = run(tiny_config(), tmp_path / "one")[0].folder
    (done,) = prepare(tiny_config(), out=tmp_path / "two", workers=2, shard_size=5)
    for path in sorted(one.glob("*.tar")):
        assert path.read_bytes() == (done.folder / path.name).read_bytes()
    assert module.MANIFEST in os.listdir(done.folder)


def test_webdataset_streams_the_shards(tiny_config, tmp_path):
    webdataset = pytest.importorskip("webdataset")
    folder = run(tiny_config(), tmp_path / "out")[0].folder
    urls = [str(path) for path in sorted(folder.glob("*.tar"))]
    stream = webdataset.WebDataset(urls, shardshuffle=False, empty_check=False).decode("l8")
    samples = list(stream)
    assert [sample["__key__"] for sample in samples] == [f"{row:08d}" for row in range(12)]
    assert samples[0]["image.npy"].shape == (32, 48, 3)
    assert samples[0]["json"]["name"] == "00"
