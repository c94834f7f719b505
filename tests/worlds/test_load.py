"""Worlds of others: their files, their tables of parts, and what is wrong with them."""

import inspect
from pathlib import Path

import pytest
from mmengine import Config
from torch import nn

from daseg.config.load import load_config
from daseg.config.look_up import find
from daseg.config.work_dirs import default_work_dir
from daseg.registry import HEADS
from daseg.utils.errors import ConfigError
from daseg.utils.hints import hint
from daseg.worlds import load
from daseg.worlds.apply import use_world
from daseg.worlds.load import add_world, load_world, world_names
from daseg.worlds.parts import shrink
from daseg.worlds.world import World

CONFIG = "configs/adaptseg/multi_lsgan.py"
NO_WEIGHTS = {"model.segmentor.backbone.weights": None}


@pytest.fixture(autouse=True)
def _no_traces(monkeypatch):
    monkeypatch.setattr(load, "_added", dict(load._added))
    for name in ("DASEG_DEMO", "DASEG_DUSK", "DASEG_CAMVID", "RAIN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def world_file(tmp_path):
    def write(text: str, name: str = "rain") -> Path:
        path = tmp_path / f"{name}.py"
        path.write_text(text)
        return path

    return write


def small(parts: dict, **settings) -> World:
    """Half the width and a quarter of the area of the real world, 5 classes, 100 iterations."""
    given = dict(least_interval=10, least_batch=1, highest_lr=1.0, max_iters=100)
    given |= dict(size=(512, 256), num_classes=5, root="r", datasets={}, parts=parts)
    return World("small", **(given | settings))


def shrunk(node: dict, parts: dict, ratio: float | None = 0.01) -> dict:
    shrink(node, small(parts), ratio)
    return node


def test_another_world_is_given_by_its_file(world_file, monkeypatch):
    path = world_file(
        "extends, root, variable, num_classes = 'demo', 'data/rain', 'RAIN', 7\n"
        "if_missing = 'make it rain in {root}'\n"
        "parts = dict(backbone=dict(_delete_=True, depth=18))\n"
    )
    monkeypatch.setenv("RAIN", str(path.parent / "wet"))
    cfg = load_config(CONFIG, NO_WEIGHTS, world=str(path))
    assert cfg.model.segmentor.num_classes == 7
    assert cfg.model.segmentor.backbone.type == "ResNet"
    assert cfg.model.segmentor.backbone.depth == 18
    assert cfg.train_cfg.max_iters == 120  # the embedded world's
    source = cfg.train_dataloader.dataset.source
    assert source.root == f"{path.parent}/wet/gta5"
    assert hint(source.root) == f"; make it rain in {path.parent}/wet"
    assert f"--world {path} --out" in hint(f"{path.parent}/wet/gta5_translated")
    assert default_work_dir(CONFIG, str(path)) == "work_dirs/rain/adaptseg_multi_lsgan"
    left = path.with_name("left.py")
    left.write_text(f"{cfg.pretty_text}\nworld = {str(path)!r}\n")
    again = load_config(left, world="rain")  # a run's own config is in the world already
    assert again.train_cfg == cfg.train_cfg


def test_a_plugin_names_a_world(world_file):
    add_world("rain", world_file("extends, max_iters = 'demo', 77\n"))
    assert {"demo", "camvid", "rain"} <= set(world_names())
    assert load_config(CONFIG, NO_WEIGHTS, world="rain").train_cfg.max_iters == 77
    assert load_world("demo").max_iters == 120


def test_a_plugin_may_replace_a_world_and_extend_it(world_file):
    add_world("demo", world_file("extends, max_iters = 'demo', 77\n"))
    assert (load_world("demo").max_iters, load_world("demo").num_classes) == (77, 19)


@pytest.mark.parametrize(("text", "message"), [
    ("extends, max_iter = 'demo', 5", "max_iter is not a setting of a world; did you mean 'max"),
    ("extends = 'demo'\nhelper = 3", "helper is not a setting of a world; a helper's name begins"),
    ("extends, size = 'demo', 5", r"rain\.py: size is 5, not tuple\[int, int\]"),
    ("size = (4, 2)", r"rain\.py: it has no 'num_classes'"),
    ("extends = 'dmeo'", "no config at worlds/dmeo"),
    ("extends, root = 'demo', '{rot}'", r"rain\.py: 'rot'"),
    ("extends = 'demo'\nparts = dict(LSGANLos=dict(a=1))", "parts.LSGANLos: .* mean 'LSGANLoss'"),
    ("extends = 'demo'\nparts = dict(losss=dict(a=1))", "parts.losss: .* did you mean 'loss'"),
    ("extends = 'demo'\nparts = dict(SlideInference=5)", "parts.SlideInference is 5, not dict"),
    ("extends = 'demo'\nparts = dict(loss=dict(a=dict(unit='pixel')))", "mean 'pixels'"),
    ("extends = 'demo'\nmodels = dict(CycleGAN=dict(max_iter=1))", "models.CycleGAN.max_iter: no"),
    ("extends = 'demo'\nmodels = dict(CycleGAN=dict(max_iters='1'))", "max_iters is '1', not int"),
    ("extends = 'demo'\ndatasets = dict(GTA5=dict(images='x'))", "GTA5.images is 'x', not int"),
])  # fmt: skip
def test_what_is_wrong_in_a_file_is_named(world_file, text, message):
    with pytest.raises(ConfigError, match=message):
        load_world(world_file(text))


def test_a_file_that_is_not_there_is_no_world(tmp_path):
    with pytest.raises(ConfigError, match=r"--world .*gone\.py: there is no such world"):
        load_config(CONFIG, world=str(tmp_path / "gone.py"))


def test_what_counts_something_is_converted_by_its_unit():
    rules = dict(
        rates=dict(unit="pixels"),
        stride=dict(unit="area"),
        crop_size=dict(unit="window"),
        begin=dict(unit="iterations"),
        iterations=dict(unit="iterations"),
        interval=dict(unit="interval"),
        rare=dict(unit="interval"),
        num_classes=dict(unit="classes"),
    )
    part = dict(type="LSGANLoss", rates=(1, 5, 12), stride=100, crop_size=(512, 100), begin=150)
    part |= dict(iterations=[900, 910, 2000], interval=400, rare=5, num_classes=19)
    assert shrunk(part, dict(LSGANLoss=rules)) == dict(
        type="LSGANLoss",
        rates=[1, 3, 6],  # halved, 2.5 up
        stride=25,
        crop_size=(256, 50),
        begin=2,  # 1.5
        iterations=[9, 20],  # each moment once
        interval=10,  # 4 is less than the least
        rare=5,  # never more than it was
        num_classes=5,
    )
    assert shrunk(dict(type="LSGANLoss", begin=150), dict(LSGANLoss=rules), None)["begin"] == 150


def test_the_other_rules():
    rules = dict(
        a=dict(factor=0.25, default=64),
        b=dict(at_most=6, default=9),
        c=dict(at_most=6),
        d=dict(remove=True),
        e=dict(if_given="package"),
        f=dict(if_given="package"),
        end=dict(unit="iterations", after="begin", offset=1),
        g=dict(type="ResNet"),
    )
    given = dict(type="LSGANLoss", a=32, c=4, d=1, e="x", begin=50, end=101)
    assert shrunk(given, dict(LSGANLoss=rules)) == dict(
        type="LSGANLoss",
        a=8,
        b=6,
        c=4,
        e="package",
        f=None,
        begin=50,
        end=52,
        g=dict(type="ResNet"),
    )
    assert shrunk(dict(type="LSGANLoss"), dict(LSGANLoss=rules))["a"] == 16


class Base(nn.Module):
    """A part."""


class Derived(Base):
    """A part that inherits from another."""


def test_the_nearest_entry_holds(monkeypatch):
    for part in (Base, Derived):
        monkeypatch.setitem(HEADS.module_dict, part.__name__, part)
    table = dict(head=dict(a=1, b=1, c=1), Base=dict(b=2, c=2), Derived=dict(c=3))
    assert shrunk(dict(type="Derived"), table) == dict(type="Derived", a=1, b=2, c=3)
    assert shrunk(dict(type="Base"), table) == dict(type="Base", a=1, b=2, c=2)
    assert shrunk(dict(type="DeepLabV2Head"), table) == dict(type="DeepLabV2Head", a=1, b=1, c=1)
    assert shrunk(dict(type="LSGANLoss"), table) == dict(type="LSGANLoss")
    nested = dict(a=[dict(type="Derived", b=dict(type="Base"))])
    assert shrunk(nested, dict(Base=dict(x=1)))["a"][0]["b"] == dict(type="Base", x=1)


def test_a_part_is_put_in_the_place_of_another_unless_its_type_is_listed():
    table = dict(backbone=dict(type="ResNet", depth=18, keep=["frozen"]))
    vgg = dict(type="VGG16", frozen=True, weights="x")
    assert shrunk(dict(vgg), table) == dict(type="ResNet", depth=18, frozen=True)
    table["VGG16"] = dict(weights=None)
    assert shrunk(dict(vgg), table) == dict(type="VGG16", frozen=True, weights=None)


def test_defaults_in_the_packaged_tables_are_the_parts_own():
    checked = 0
    for world in ("demo", "camvid"):
        for kind, entry in load_world(world).parts.items():
            for name, rule in entry.items():
                if isinstance(rule, dict) and "default" in rule:
                    stated = inspect.signature(find(kind, None)).parameters[name].default
                    assert stated == rule["default"], (kind, name)
                    checked += 1
    assert checked >= 10


def test_a_config_without_a_training_is_left_its_counts():
    cfg = Config(dict(model=dict(type="Segmentor", num_classes=19), custom_hooks=[
        dict(type="ObservatoryHook", interval=700)]))  # fmt: skip
    use_world(cfg, "camvid")
    assert cfg.model.num_classes == 11
    assert cfg.custom_hooks[0].interval == 700


def test_size_and_length_of_a_world_are_options():
    world = load_world("camvid:size=480x360,max_iters=2000,highest_lr=0.02")
    plain = load_world("camvid")
    assert (world.size, world.max_iters, world.highest_lr) == ((480, 360), 2000, 0.02)
    assert world.datasets == plain.datasets
    assert world.with_model("CycleGAN").max_iters == 2000  # the file has another length for it
    assert world.with_model("CycleGAN").least_batch == plain.with_model("CycleGAN").least_batch
    folder = default_work_dir(CONFIG, "camvid:size=480x360,max_iters=2000")
    assert folder == "work_dirs/camvid_size_480x360_max_iters_2000/adaptseg_multi_lsgan"


def test_a_config_in_a_world_of_another_size_and_length():
    small = load_config("dacs/dacs", world="camvid")
    large = load_config("dacs/dacs", world="camvid:size=480x360,max_iters=320")
    assert small.train_cfg.max_iters * 2 == large.train_cfg.max_iters == 320
    crops = [cfg.train_dataloader.dataset.target.pipeline[2].crop_size for cfg in (small, large)]
    assert [2 * side for side in crops[0]] == list(crops[1])


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ("sise=480x360", r"'sise' is no option of a world, .*did you mean 'size'"),
        ("size=", "'size' is no option of a world, or has no value"),
        ("size=480", r"option size=480 is WIDTHxHEIGHT"),
        ("max_iters=many", "option max_iters=many is a whole number"),
        ("max_iters=-1", "option max_iters=-1 is a whole number, above 0"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(options, match):
    with pytest.raises(ConfigError, match=match):
        load_world(f"camvid:{options}")


def test_the_world_with_a_pyramid_has_another_main_head_and_trains_longer():
    demo, pyramid = (load_config("adaptseg/multi_vanilla", world=w) for w in ("demo", "pyramid"))
    assert pyramid.model.segmentor.pop("head") == dict(type="FPNHead")
    assert demo.model.segmentor.pop("head").type == "DeepLabV2Head"
    assert pyramid.model.segmentor.backbone.pop("output_stride") == 32
    assert demo.model.segmentor.backbone.pop("output_stride") == 16
    assert pyramid.model == demo.model
    assert (pyramid.train_cfg.max_iters, demo.train_cfg.max_iters) == (240, 120)
    assert pyramid.test_dataloader == demo.test_dataloader


def test_the_world_at_dusk_is_another_folder_of_the_pyramids(monkeypatch):
    pyramid, dusk = (load_config("adaptseg/multi_vanilla", world=w) for w in ("pyramid", "dusk"))
    assert dusk.train_dataloader.dataset.source.root == "data/demo_dusk/gta5"
    assert dusk.test_dataloader.dataset.root == "data/demo_dusk/cityscapes"
    assert dusk.model.segmentor == pyramid.model.segmentor
    assert "lr_mult" not in pyramid.optim_wrapper.segmentor
    assert dusk.optim_wrapper.segmentor.optimizer.lr == 0.01
    assert dusk.optim_wrapper.segmentor.lr_mult == dict(head=10)
    assert (dusk.train_cfg.max_iters, dusk.train_cfg.val_interval) == (120, 60)
    assert load_world("dusk").size == (192, 96)
    monkeypatch.setenv("DASEG_DUSK", "elsewhere")
    assert load_world("dusk").root == "elsewhere"
    assert hint("elsewhere/gta5").endswith("daseg make-demo --root elsewhere --light dusk")


def test_the_rates_of_the_world_at_dusk_are_those_of_sgd():
    both = [load_config("daformer/gta5_mitb5", world=w) for w in ("pyramid", "dusk")]
    pyramid, dusk = (cfg.optim_wrapper.segmentor for cfg in both)
    assert dusk == pyramid
    assert dusk.optimizer.type == "AdamW"
