"""Configs are read strictly. No data set exists here: each error comes before one is looked for."""

import copy

import pytest

from daseg.config.load import load_config
from daseg.engine.train import train
from daseg.utils.errors import ConfigError
from daseg.utils.options import parse_cfg_options


@pytest.fixture
def config(tiny_config, tmp_path):
    """The tiny config, on a data set that does not exist."""
    path = tiny_config()
    text = path.read_text()
    root = text.split("root='")[1].split("'")[0]
    path.write_text(text.replace(root, str(tmp_path / "nowhere")))
    return path


def child(config, text, base="./tiny.py"):
    path = config.with_name("child.py")
    path.write_text(f"_base_ = ['{base}']\n{text}\n")
    return path


def refused(path, match, options=None):
    """Training must stop at the config, whose data set does not exist."""
    with pytest.raises(ConfigError, match=match):
        train(path, work_dir=path.parent / "run", cfg_options=options)
    assert not (path.parent / "run").exists()


# Files


def test_a_missing_config_names_near_files(config):
    refused(config.with_name("tinny.py"), r"no config at .*tinny.py; did you mean .*tiny.py\?")


def test_a_folder_is_no_config(tmp_path):
    refused(tmp_path, r" is a folder: name a config in it")


def test_a_missing_config_below_a_missing_folder_does_not_search_the_disk(tmp_path):
    refused(tmp_path / "no/such/folder/x.py", r"no config at .*no/such/folder/x.py")


def test_a_missing_base_names_the_child_and_near_files(config):
    path = child(config, "", base="./tinnny.py")
    refused(path, r"child.py: its _base_ is missing: no config at .*tinnny.py; did you mean .*tiny")


def test_a_syntax_error_has_file_and_line(config):
    config.write_text("a = 1\nmodel = dict(\n")
    refused(config, r"tiny.py is not valid Python: line 2: '\(' was never closed")
    refused(
        child(config, "b = 2"), r"tiny.py is not valid Python: line 2"
    )  # the base, not the child


def test_an_unknown_variable_has_file_and_line(config):
    config.write_text("a = 1\n\nmodel = nothing\n")
    refused(config, r"tiny.py cannot be read: line 3: NameError: name 'nothing' is not defined")
    refused(child(config, "b = 2"), r"tiny.py cannot be read: line 3: NameError")


def test_only_python_files_are_configs(tmp_path):
    (tmp_path / "config.yaml").write_text("model: 1")
    refused(tmp_path / "config.yaml", "a config is a Python file, its name ends in .py")


def test_environment_variables_stand_in_configs(config, monkeypatch):
    config.write_text(config.read_text() + "\nwhere = '{{$SOME_FOLDER:standard}}'\n")
    assert load_config(config).where == "standard"
    monkeypatch.setenv("SOME_FOLDER", "elsewhere")
    assert load_config(config).where == "elsewhere"


def test_custom_imports_that_fail_say_which_module_and_why(config, monkeypatch):
    monkeypatch.syspath_prepend(config.parent)
    (config.parent / "half_written.py").write_text("x = = 1\n")
    text = config.read_text()
    config.write_text(text + "custom_imports = dict(imports=['half_written'])")
    refused(config, r"custom_imports: the module 'half_written' fails on import: SyntaxError")
    config.write_text(text + "custom_imports = dict(imports='not_there')")
    refused(config, r"the module 'not_there' fails.*No module named.*is its folder in PYTHONPATH")
    (config.parent / "a_script.py").write_text("raise SystemExit('usage: a_script FILE')\n")
    config.write_text(text + "custom_imports = dict(imports=['a_script'])")
    refused(config, r"the module 'a_script' fails on import: SystemExit: usage: a_script FILE")


def test_custom_imports_of_the_command_line_are_imported(config, monkeypatch):
    monkeypatch.syspath_prepend(config.parent)
    part = "from daseg.registry import HOOKS\nfrom mmengine.hooks import Hook\n"
    part += "@HOOKS.register_module()\nclass LateHook(Hook):\n    pass\n"
    (config.parent / "late_hooks.py").write_text(part)
    options = {"custom_hooks": [dict(type="LateHook")]}
    refused(config, "no hook is called 'LateHook'", options)
    load_config(config, {"custom_imports": dict(imports=["late_hooks"]), **options})
    refused(config, "'not_there' fails on import", {"custom_imports": dict(imports="not_there")})


# Helper variables


def test_helper_variables_are_legal(config):
    helpers = "crop_size = (32, 32)\ndata_root = 'x'\nmax_iters = 7\ntrain_pipeline = []\n"
    helpers += (
        "log_interval = 3\nworkers = 2\nlr = 0.1\nclasses = ['a']\ntest_dataset = dict(a=1)\n"
    )
    assert load_config(child(config, helpers)).max_iters == 7


def test_setting_a_bases_helper_again_is_an_error(config):
    path = child(config, "data = dict(root='elsewhere')")
    refused(path, r"child.py sets 'data' again, but a base has already computed")


def test_a_child_may_reuse_a_helpers_name_for_itself(config):
    text = "data = dict(type='FolderDataset', root='x', classes=['a'])\n"
    path = child(config, text + "train_dataloader = dict(dataset=data)")
    assert load_config(path).train_dataloader.dataset.root == "x"


# Overrides


@pytest.mark.parametrize(
    ("key", "match"),
    [
        ("nope", r"--cfg-options nope: overrides nothing, the config has no 'nope'"),
        (
            "modle.type",
            r"modle.type: overrides nothing, the config has no 'modle'; did you mean 'mod",
        ),
        (
            "model.segmentor.bakbone.depth",
            r"overrides nothing, model.segmentor has no 'bakbone'; did you mean 'backbone'\?",
        ),
        ("param_scheduler.1.power", r"param_scheduler is a list of 1; give an index below that"),
        ("param_scheduler.first.power", r"param_scheduler is a list of 1; give an index below"),
        ("data.root", r"'data' is a helper variable that the config has already computed"),
        ("data", r"'data' is a helper variable that the config has already computed"),
        (
            "train_cfg.max_itres",
            r"train_cfg.max_itres: IterTrainLoop has no argument 'max_itres'; d",
        ),
        (
            "train_dataloader.batchsize",
            r"not an argument of a dataloader; did you mean 'batch_size'",
        ),
        (
            "optim_wrapper.segmentr.type",
            r"optim_wrapper has no 'segmentr'; did you mean 'segmentor'",
        ),
        ("optim_wrapper.segmentor.clip", r"segmentor.clip: OptimWrapper has no argument 'clip'"),
        ("randomness.sed", r"randomness.sed: not an argument of 'randomness'; did you mean 'seed'"),
        ("train_cfg.max_iters.x", r"overrides nothing, train_cfg.max_iters has no 'x'"),
    ],
)
def test_an_override_that_overrides_nothing_is_an_error(config, key, match):
    refused(config, match, {key: 1})


def test_overrides_reach_dicts_lists_and_new_arguments(config):
    options = {
        "train_cfg.max_iters": 9,
        "param_scheduler.0.power": 2.0,
        "train_dataloader.dataset.pipeline.2.crop_size": (16, 16),
        "val_dataloader.dataset.num_samples": 3,
        "optim_wrapper.segmentor.clip_grad": dict(max_norm=1),
        "optim_wrapper.segmentor.lr_mult.aux_head": 10,
        "randomness.deterministic": True,
        "load_from": "x.pth",
    }
    cfg = load_config(config, copy.deepcopy(options))
    assert cfg.train_cfg.max_iters == 9
    assert cfg.param_scheduler[0].power == 2.0
    assert cfg.train_dataloader.dataset.pipeline[2].crop_size == (16, 16)
    assert cfg.val_dataloader.dataset.num_samples == 3
    assert cfg.optim_wrapper.segmentor.clip_grad.max_norm == 1
    assert cfg.optim_wrapper.segmentor.lr_mult == dict(head=10, aux_head=10)
    assert cfg.randomness.deterministic is True
    assert cfg.load_from == "x.pth"


def test_options_on_the_command_line_are_literals_or_text():
    pairs = ["a=1", "b=1e-3", "c=None", "d=true", "e=[1, 'x']", "f=lists/day.txt", "g=k=v", "h="]
    expected = dict(a=1, b=1e-3, c=None, d=True, e=[1, "x"], f="lists/day.txt", g="k=v", h="")
    assert parse_cfg_options(pairs) == expected


@pytest.mark.parametrize("pair", ["a", "=1", "a=[x,y]", "a=dict(type='X')", "a={b:1}"])
def test_broken_options_are_refused(pair):
    with pytest.raises(
        ConfigError, match="KEY=VALUE" if pair in ("a", "=1") else "not a Python lit"
    ):
        parse_cfg_options([pair])


# Schedules


def test_the_old_schedule_keeps_its_meaning(config):
    text = "param_scheduler = [dict(type='PolyLR'), dict(type='PolyLR', end=250001)]"
    config.write_text(config.read_text().replace("param_scheduler = [", "kept_list = ["))
    completed, stated = load_config(child(config, text)).param_scheduler
    assert (completed.end, completed.by_epoch) == (7, False)
    assert (stated.end, stated.by_epoch) == (250001, False)
    by_network = "param_scheduler = dict(segmentor=[dict(type='PolyLR', power=0.9)])"
    assert load_config(child(config, by_network)).param_scheduler.segmentor[0].end == 7


def test_every_schedule_counts_iterations(config):
    cfg = load_config(child(config, "param_scheduler = [dict(type='CosineAnnealingLR', T_max=6)]"))
    assert cfg.param_scheduler[0].by_epoch is False
    text = "param_scheduler = [dict(type='StepLR', step_size=1, by_epoch=True)]"
    refused(child(config, text), r"param_scheduler.0.by_epoch: training counts iterations")
