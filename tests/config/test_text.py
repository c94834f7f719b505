"""The config that a run leaves is the config of the run, for every tool and for resuming it."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from mmengine import Config

from daseg.config.load import load_config
from daseg.config.text import config_text
from daseg.engine.train import train
from daseg.utils.errors import ConfigError
from processes import ROOT
from runs import assert_same_weights

ODD = dict(
    ids={0: 1, 7: 255},
    mixed={(1, 2): 3, None: 4, True: "x"},
    names={"a-b": 1, "class": 2, "two words": dict(inner=[1, {5: (6,)}])},
    one=(1,),
    none=None,
    empty=[(), [], {}],
    large=float("inf"),
    small=-float("inf"),
    tiny=5e-324,
    words="ä \" ' \\ \n {{$HOME:x}} {{ fileDirname }} {{_base_.one}} \udcff",
    long="x" * 400,
    raw=b"\xff\x00",
    some={3, 1, 2},
    count=range(2, 9),
)


def read(tmp_path: Path, text: str) -> Config:
    (tmp_path / "read.py").write_text(text, encoding="utf-8")
    return Config.fromfile(tmp_path / "read.py")


def test_nothing_is_lost(tmp_path):
    got = read(tmp_path, config_text(ODD))._cfg_dict.to_dict()
    assert got == ODD
    assert [type(got[key]) for key in ODD] == [type(value) for value in ODD.values()]
    assert list(got) == list(ODD)


def test_what_is_no_literal_becomes_one(tmp_path):
    given = dict(path=Path("/a/b"), number=np.float64(0.1), array=np.arange(3), kind=dict)
    got = read(tmp_path, config_text(given))
    assert (got.path, got.number, got.array, got.kind) == ("/a/b", 0.1, [0, 1, 2], "builtins.dict")


def test_an_object_is_named_and_not_lost_silently():
    text = config_text(dict(part=dict(inner=[object()])))
    assert text.startswith("# No text gives the object at part.inner.0: this file cannot be run.")


def test_lines_are_short_where_they_can_be(tmp_path):
    text = config_text(dict(a=[dict(key="value" * 5, other=[number]) for number in range(6)]))
    assert max(map(len, text.splitlines())) <= 100
    assert read(tmp_path, text).a[5].other == [5]


def test_a_schedule_whose_type_is_no_name_is_written_as_it_is():
    cfg = dict(train_cfg=dict(max_iters=6), param_scheduler=[dict(type=["PolyDecay"], end=6)])
    last = config_text(cfg).splitlines()[-1]
    assert last == "param_scheduler = [dict(type=['PolyDecay'], end=6)]"


def test_what_is_completed_is_left_out_of_a_file_and_shown_where_it_is_printed(tiny_config):
    cfg = load_config(tiny_config())
    assert "end=" not in config_text(
        dict(param_scheduler=cfg.param_scheduler, train_cfg=cfg.train_cfg)
    )
    assert "by_epoch=False" not in config_text(dict(param_scheduler=cfg.param_scheduler))
    assert "end=6" in config_text(cfg._cfg_dict, completed=True)
    own = load_config(tiny_config("param_scheduler[0]['end'] = 5\n"))
    assert "end=5" in config_text(own._cfg_dict)


@pytest.fixture(scope="module")
def left(tmp_path_factory, tiny_data) -> Path:
    """The config that a training of two iterations has left in its work dir, with an id_map."""
    from tests.conftest import TINY_CONFIG

    folder = tmp_path_factory.mktemp("left")
    text = TINY_CONFIG.format(root=str(tiny_data), norm="gn") + (
        "for loader in (train_dataloader, val_dataloader):\n"
        "    loader['dataset']['id_map'] = {0: 0, 1: 1, 2: 2}\n"
        "del loader\n"
    )
    (folder / "mine.py").write_text(text)
    train(folder / "mine.py", work_dir=folder / "run", cfg_options={"train_cfg.max_iters": 2})
    return folder / "run/mine.py"


def test_it_is_the_same_config_and_trains_the_same_run(left, tmp_path):
    cfg = load_config(left)
    assert dict(cfg.train_dataloader.dataset.id_map) == {0: 0, 1: 1, 2: 2}
    train(left, work_dir=tmp_path / "again")
    assert_same_weights(left.parent / "iter_2.pth", tmp_path / "again/iter_2.pth")


def test_it_resumes_in_its_own_work_dir(left):
    with pytest.raises(ConfigError, match="holds a run already"):
        train(left)
    train(left, resume=True, cfg_options={"train_cfg.max_iters": 3})
    assert (left.parent / "iter_3.pth").is_file()
    assert load_config(left).param_scheduler[0].end == 3  # with the length, as in any config


def test_a_checkpoint_names_it(left, tmp_path):
    from daseg.engine.checkpoint import read_checkpoint

    text = read_checkpoint(left.parent / "iter_2.pth")["meta"]["cfg"]
    (tmp_path / "of_checkpoint.py").write_text(text)
    assert load_config(tmp_path / "of_checkpoint.py").train_cfg.max_iters == 2


def run(monkeypatch: pytest.MonkeyPatch, tool: str, *arguments: object) -> None:
    """Run a tool in this process; it has to end without an error."""
    monkeypatch.setattr(sys, "argv", [tool, *map(str, arguments)])
    runpy.run_path(str(ROOT / "tools" / f"{tool}.py"), run_name="__main__")


def test_tools_take_it(left, tmp_path, tiny_data, monkeypatch):
    weights, images = left.parent / "iter_2.pth", tiny_data / "images"
    monkeypatch.chdir(tmp_path)
    run(monkeypatch, "train", left, "--print-config")
    run(monkeypatch, "test", left, weights, "--out", "test")
    run(monkeypatch, "predict", left, weights, images / "00.png", "--out", "predicted")
    run(monkeypatch, "pseudo_label", left, weights, "--data", tiny_data, "--out", "pseudo")
    run(monkeypatch, "browse_data", left, "--out", "sheet.png")
    run(monkeypatch, "panel", "--out", "panel.png", "--model", "mine", left, weights)
    with pytest.raises(SystemExit) as checked:  # 1: some image of the data has few labels
        run(monkeypatch, "check_data", left, "--workers", "0")
    assert checked.value.code in (0, 1)
    made = "test/results.json predicted/overlay pseudo/manifest.json sheet.png panel.png"
    for name in made.split():
        assert (tmp_path / name).exists(), name


def test_in_a_world_it_is_in_that_world_already(left, tmp_path, capsys):
    inside = tmp_path / "inside.py"
    inside.write_text(left.read_text() + "world = 'demo'\n")
    before = load_config(inside)._cfg_dict.to_dict()
    assert load_config(inside, world="demo", show_changes=True)._cfg_dict.to_dict() == before
    assert "is in the world 'demo' already" in capsys.readouterr().err
    with pytest.raises(ConfigError, match=r"--world camvid: .* was written by a run in the world"):
        load_config(inside, world="camvid")
