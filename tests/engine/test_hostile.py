"""Checkpoints that were made to do harm: nothing runs, nothing loads but what is right.

Each file goes through every door that weights come in by. It is refused with one message, or what
is loaded are the weights of the good checkpoint that it was made of.
"""

import resource
import sys
import warnings

import pytest
import torch

from daseg.api import init_segmentor
from daseg.backbones.weights import load_weights
from daseg.compat.convert import convert_file
from daseg.config.load import load_config
from daseg.engine.evaluate import evaluate
from daseg.engine.train import train
from daseg.offline.pseudo_labels.pseudo_label import pseudo_label
from daseg.offline.translation.translate import translate
from daseg.segmentor import build_segmentor
from daseg.utils.errors import UserError
from daseg.weights.strict import read_checkpoint
from hostile import harmless, write_all

MEMORY = 1 << 30  # bytes that reading all files may take, beside what is there
# What only a resumed run reads: elsewhere the weights of these files are right.
TRAINING_STATE = ("no_", "hub_", "optimizer_", "scheduler", "raw_twice")
# In which nothing is wrong that a resumed run reads: a folder is no checkpoint of a run.
RESUMABLE = ("raw_twice", "hub_info_observatory", "folder")


@pytest.fixture(scope="module")
def small(small_run, tmp_path_factory):
    """A config and its checkpoint; hostile files made of it, by name; the mark they would leave."""
    folder = tmp_path_factory.mktemp("hostile")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of kinds of tensors that torch gives up
        files = write_all(folder, small_run["checkpoint"], folder / "MARK")
    config, good = small_run["config"], small_run["checkpoint"]
    return dict(config=config, good=good, files=files, mark=folder / "MARK")


def weights_of(path):
    state = read_checkpoint(path)["state_dict"]
    return {k.removeprefix("segmentor."): v for k, v in state.items()}


def outcome(function, *arguments, **options):
    """The message of a refusal, or None where there is none; all else is a failure."""
    try:
        function(*arguments, **options)
    except UserError as error:
        message = str(error)
        assert len(message) < 5000
        return message
    return None


def test_there_are_more_than_a_hundred(small):
    assert len(small["files"]) > 150


def test_none_runs_or_loads_other_weights(small):
    """Through `init_segmentor`, all of them; memory is bounded."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    expected, loaded, messages = weights_of(small["good"]), [], {}
    for name, path in small["files"].items():
        try:
            segmentor = init_segmentor(small["config"], path)
        except UserError as error:
            messages[path] = str(error)
            continue
        loaded.append(name)
        for key, value in segmentor.state_dict().items():
            assert torch.equal(value, expected[key]), (name, key)
    assert all(str(path) in message for path, message in messages.items())
    assert all(name.startswith(TRAINING_STATE) for name in loaded), loaded
    assert not small["mark"].exists()
    unit = 1 if sys.platform == "darwin" else 1024
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit
    assert grown < MEMORY


def test_a_checkpoint_that_only_looks_odd_is_loaded(small, tmp_path):
    torch.save(harmless(torch.load(small["good"], weights_only=True)), tmp_path / "odd.pth")
    segmentor, expected = (
        init_segmentor(small["config"], tmp_path / "odd.pth"),
        weights_of(small["good"]),
    )
    assert all(torch.equal(v, expected[k]) for k, v in segmentor.state_dict().items())


def doors(small, path, tmp_path, pair):
    """What each way to use a checkpoint says of a file; None where it is used."""
    config, name = small["config"], path.stem
    network = build_segmentor(load_config(config))
    work_dir = tmp_path / f"resumed_{name}"
    work_dir.mkdir()
    (work_dir / "iter_1.pth").symlink_to(path)
    start = {"load_from": str(path), "train_cfg.max_iters": 1}
    return dict(
        resume=outcome(train, config, work_dir=work_dir, resume=True),
        load_from=outcome(train, config, work_dir=tmp_path / f"from_{name}", cfg_options=start),
        test=outcome(evaluate, config, path, out=tmp_path / f"test_{name}"),
        label=outcome(pseudo_label, config, path, out=tmp_path / f"labels_{name}", limit=1),
        translate=outcome(translate, pair, path, out=tmp_path / f"translated_{name}"),
        convert=outcome(convert_file, "adaptsegnet", path, tmp_path / f"{name}.pth", network),
        backbone=outcome(load_weights, network.backbone, str(path)),
    )


def check_doors(small, names, tmp_path, pair):
    """Send files through all doors; where one is refused depends on what the door reads of it."""
    for name in names:
        path = small["files"][name]
        said = doors(small, path, tmp_path, pair)
        shown = {door: message and message[:200] for door, message in said.items()}
        print(name, shown)
        weights = outcome(init_segmentor, small["config"], path)
        assert said["translate"], (name, shown)
        assert said["convert"], (name, shown)
        for door in ("load_from", "test", "label"):
            assert bool(said[door]) == bool(weights), (name, shown)
        assert said["resume"] or name in RESUMABLE, (name, shown)
    assert not small["mark"].exists()


@pytest.mark.slow
def test_some_through_all_doors(small, tmp_path, pair_config):
    names = ["pipe", "call_os_system", "tensor_nan", "meta_iter_0", "optimizer_int"]
    check_doors(small, names, tmp_path, pair_config())


@pytest.mark.slow
@pytest.mark.parametrize("part", range(8))
def test_all_through_all_doors(part, small, tmp_path, pair_config):
    check_doors(small, list(small["files"])[part::8], tmp_path, pair_config())
