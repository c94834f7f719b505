"""The switch into a small world: what it changes, what it leaves, what it refuses."""

import inspect

import numpy as np
import pytest
from mmengine import Config

from daseg.api import init_segmentor
from daseg.config.load import load_config
from daseg.engine.train import train
from daseg.registry import DATASETS
from daseg.utils.errors import ConfigError, DataError
from daseg.utils.hints import hint
from daseg.worlds import load
from daseg.worlds.apply import changes, use_world
from daseg.worlds.drawing import make_world

# With round numbers of their own, so that tuning the worlds does not concern the tests.
ROUND = "extends, size, max_iters, least_interval = {name!r}, {size}, 600, 100"
SIZES = dict(demo=(384, 192), camvid=(320, 240))


@pytest.fixture(autouse=True)
def _round_worlds(monkeypatch, tmp_path):
    for name, size in SIZES.items():
        path = tmp_path / f"{name}.py"
        path.write_text(ROUND.format(name=name, size=size))
        monkeypatch.setitem(load._added, name, path)


TARGET = dict(type="Cityscapes", root="data/cityscapes", split="train")


@pytest.fixture(autouse=True)
def _usual_places(monkeypatch):
    for name in ("DASEG_DEMO", "DASEG_CAMVID"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_TRANSLATED", raising=False)


def config(**changed) -> Config:
    """A config of a long adversarial training, as far as the switch reads it."""
    pair = dict(
        type="DomainPair",
        source=dict(type="GTA5", root="data/gta5", label_root="data/gta5", list_file="names.txt"),
        target=TARGET | dict(labels=False, num_samples=1000, subset_seed=3),
    )
    val = dict(batch_size=1, num_workers=4, dataset=TARGET | dict(split="val"))
    base = dict(
        model=dict(
            type="DomainAdapter",
            segmentor=dict(
                type="Segmentor",
                num_classes=19,
                to_bgr=True,
                mean=(1, 2, 3),
                std=(1, 1, 1),
                backbone=dict(
                    type="ResNet", depth=101, frozen_affine=True, update_stats=False, weights="x"
                ),
                head=dict(type="DeepLabV2Head", branches=2),
                inference=dict(type="SlideInference", crop_size=(512, 512), stride=(256, 256)),
            ),
            objectives=[dict(type="MemoryRegularization", weight=0.1, begin=15000)],
        ),
        helper="already computed",
        train_dataloader=dict(batch_size=2, num_workers=4, dataset=pair),
        val_dataloader=val,
        test_dataloader=val,
        val_evaluator=dict(type="IoUMetric", subset_means=["mIoU13"]),
        train_cfg=dict(type="IterTrainLoop", max_iters=120000, val_interval=40000),
        optim_wrapper=dict(
            constructor="OptimizersByNetwork",
            segmentor=dict(optimizer=dict(type="SGD", lr=2.5e-4), lr_mult=dict(head=10)),
            discriminators=dict(optimizer=dict(type="Adam", lr=1e-4)),
        ),
        param_scheduler=dict(
            segmentor=[
                dict(type="LinearRamp", begin=0, end=5000),
                dict(type="PolyDecay", begin=20000, end=240000),
            ],
            discriminators=[dict(type="PolyLR", end=120001), dict(type="LinearLR", end=5001)],
        ),
        default_hooks=dict(
            logger=dict(type="LoggerHook", interval=50),
            checkpoint=dict(type="CheckpointHook", interval=60000),
        ),
        custom_hooks=[
            dict(type="RecordDataHook"),
            dict(type="EMAHook", interval=1),
            dict(type="ObservatoryHook", interval=2000, picture_interval=40000, patience=500),
        ],
    )
    return Config(base | changed)


def in_world(name: str, **changed) -> Config:
    cfg = config(**changed)
    use_world(cfg, name)
    return cfg


def test_the_data_of_the_embedded_world():
    cfg = in_world("demo")
    pair = cfg.train_dataloader.dataset
    assert pair.source == dict(type="GTA5", root="data/demo/gta5")
    assert pair.target == dict(
        type="Cityscapes",
        root="data/demo/cityscapes",
        split="train",
        labels=False,
        num_samples=101,  # 1000 / 2975 of 300
        subset_seed=3,
    )
    assert cfg.val_dataloader.dataset.split == "val"
    assert cfg.test_dataloader.dataset.split == "test"
    assert (cfg.train_dataloader.num_workers, cfg.train_dataloader.batch_size) == (1, 4)  # of 2
    loader = config().train_dataloader.to_dict() | dict(batch_size=9)
    assert in_world("demo", train_dataloader=loader).train_dataloader.batch_size == 9


def test_the_data_of_camvid(monkeypatch):
    monkeypatch.setenv("DASEG_CAMVID", "/photos")
    cfg = in_world("camvid")
    pair = cfg.train_dataloader.dataset
    day = dict(type="CamVid", root="/photos", list_file="lists/day_train.txt")
    assert pair.source == day
    assert pair.target == day | dict(
        list_file="lists/dusk_train.txt", labels=False, num_samples=21, subset_seed=3
    )
    lists = [cfg[f"{split}_dataloader"].dataset.list_file for split in ("val", "test")]
    assert lists == ["lists/day_val.txt", "lists/dusk_test.txt"]
    assert cfg.model.segmentor.num_classes == 11
    assert cfg.val_evaluator == dict(type="IoUMetric")


def test_few_samples_stay_at_least_one_and_mixed_data_are_changed_each():
    few = TARGET | dict(num_samples=3)
    mixed = dict(type="MixedDataset", datasets=[few, dict(type="SYNTHIA", root="data/synthia")])
    dataset = in_world("camvid", train_dataloader=dict(dataset=mixed)).train_dataloader.dataset
    dusk, day = dataset.datasets
    assert (dusk.num_samples, dusk.list_file) == (1, "lists/dusk_train.txt")
    assert day.list_file == "lists/day_train.txt"


def test_random_weights_stay_random():
    random = config().model.segmentor.to_dict() | dict(backbone=dict(type="ResNet", depth=18))
    assert in_world("demo", model=dict(segmentor=random)).model.segmentor.backbone.weights is None


def test_the_network():
    model = in_world("demo").model
    assert model.segmentor.backbone == dict(
        type="EfficientNetLite0",
        output_stride=16,
        weights="package",
        frozen_affine=True,
        update_stats=False,
    )
    assert (model.segmentor.mean, model.segmentor.std) == ((127,) * 3, (128,) * 3)
    assert model.segmentor.to_bgr is False
    assert model.segmentor.head == dict(type="DeepLabV2Head", branches=2)
    window = model.segmentor.inference
    assert (window.crop_size, window.stride) == ((192, 192), (96, 96))


def test_dilations_of_heads_with_batch_norm_shrink_with_the_images():
    """384 pixels stand for 1024: (6, 12, 18) * 3 / 8 = (2.25, 4.5, 6.75)."""
    segmentor = config().model.segmentor.to_dict() | dict(
        head=dict(type="DeepLabV3PlusHead"), aux_head=dict(type="DeepLabV3Head", rates=(1, 24))
    )
    segmentor = in_world("demo", model=dict(segmentor=segmentor)).model.segmentor
    assert segmentor.head.rates == [2, 5, 7]
    assert segmentor.aux_head.rates == [1, 9]


def test_what_is_counted_in_iterations_and_in_pixels():
    cfg = in_world("demo")
    assert dict(cfg.train_cfg) == dict(type="IterTrainLoop", max_iters=600, val_interval=200)
    segmentor, discriminators = cfg.param_scheduler.segmentor, cfg.param_scheduler.discriminators
    assert [(s.begin, s.get("end")) for s in segmentor] == [(0, 25), (100, None)]
    assert discriminators == [dict(type="PolyLR"), dict(type="LinearLR", end=26)]
    assert cfg.model.objectives == [dict(type="MemoryRegularization", weight=0.1, begin=75)]
    assert cfg.default_hooks.checkpoint.interval == 300
    assert cfg.default_hooks.logger.interval == 20
    assert [hook.get("interval") for hook in cfg.custom_hooks] == [None, 1, 100]
    assert (cfg.custom_hooks[2].picture_interval, cfg.custom_hooks[2].patience) == (200, 100)
    loss = dict(type="BalancedCrossEntropyLoss", num_classes=19, rare_pixels=4096)
    model = config().model.to_dict() | dict(objectives=[dict(type="Supervised", loss=loss)])
    changed = in_world("camvid", model=model).model.objectives[0].loss
    assert (changed.num_classes, changed.rare_pixels) == (11, 600)  # 4096 * 76800 / 524288
    assert changed.hard_percent == 0  # from all pixels


def test_the_segmentor_learns_as_fast_as_its_heads_and_the_discriminators_faster():
    rates = in_world("demo").optim_wrapper
    assert rates.segmentor.optimizer.lr == 0.01  # after a warm-up
    assert "lr_mult" not in rates.segmentor
    assert rates.discriminators.optimizer.lr == pytest.approx(5 * 1e-4)
    wrapper = config().optim_wrapper.to_dict()
    decay = [dict(type="PolyDecay")]
    for lr, expected in [(2.5e-4, 2.5e-3), (0.5, 0.01)]:
        wrapper["segmentor"]["optimizer"]["lr"] = lr
        for schedule in (decay, dict(segmentor=decay, discriminators=[dict(type="LinearRamp")])):
            cfg = in_world("demo", optim_wrapper=wrapper, param_scheduler=schedule)
            assert cfg.optim_wrapper.segmentor.optimizer.lr == pytest.approx(expected)


def test_helper_variables_are_left_out_and_changes_are_listed():
    cfg, before = in_world("demo"), config()
    assert "helper" not in cfg
    assert "helper" in before
    lines = changes(before._cfg_dict.to_dict(), cfg._cfg_dict.to_dict()).splitlines()
    assert "  train_cfg.max_iters: 120000 -> 600" in lines
    assert "  train_dataloader.dataset.source.list_file: names.txt -> -" in lines
    assert "  param_scheduler.segmentor.0.end: 5000 -> 25" in lines
    assert "  optim_wrapper.segmentor.lr_mult.head: 10 -> -" in lines
    assert not [line for line in lines if "helper" in line]


def test_a_wrong_world_names_near_ones():
    with pytest.raises(ConfigError, match=r"--world dmeo: there is no such world; .*'demo'"):
        use_world(config(), "dmeo")
    with pytest.raises(
        ConfigError, match=r"there are camvid, demo, dusk, pyramid, and any other is .* path"
    ):
        use_world(config(), "xyz")


def test_a_config_of_the_world_itself_is_refused(monkeypatch):
    monkeypatch.setenv("DASEG_DEMO", "/w/demo")
    near = dict(dataset=TARGET | dict(root="/w/demo2/cityscapes"))
    in_world("demo", train_dataloader=near)  # another folder of a similar name
    own = dict(dataset=TARGET | dict(root="/w/demo/cityscapes"))
    with pytest.raises(ConfigError, match=r"of this world already .*leave --world out"):
        in_world("demo", train_dataloader=own)


@pytest.mark.parametrize(("dataset", "message"), [
    (dict(type="FolderDataset", root="mine"), "nothing to put in the place of .*FolderDataset"),
    (TARGET | dict(label_root="data/pseudo"), "the labels of Cityscapes at data/pseudo"),
])  # fmt: skip
def test_data_without_a_counterpart_are_refused(dataset, message):
    with pytest.raises(ConfigError, match=message):
        in_world("camvid", train_dataloader=dict(dataset=dataset))


def test_weights_for_each_class_of_another_world_are_refused():
    loss = dict(type="CrossEntropyLoss", class_weights=[1.0] * 19)
    model = config().model.to_dict() | dict(objectives=[dict(type="Supervised", loss=loss)])
    in_world("demo", model=model)
    place = r"model\.objectives\.0\.loss\.class_weights has 19 entries, .* has 11 classes"
    with pytest.raises(ConfigError, match=place):
        in_world("camvid", model=model)


def test_overrides_come_after_the_world():
    options = {"train_cfg.max_iters": 7, "model.segmentor.backbone.weights": None}
    cfg = load_config("configs/adaptseg/source_only.py", options, world="demo")
    assert cfg.train_cfg.max_iters == 7
    assert cfg.param_scheduler[0].end == 7  # with the training


def test_printing_shows_the_result_and_what_changed(capsys):
    train("configs/adaptseg/source_only.py", world="demo", print_config=True)
    out, err = capsys.readouterr()
    assert "EfficientNetLite0" in out
    assert "work_dirs/demo/adaptseg_source_only" in out
    assert "--world demo has changed in configs/adaptseg/source_only.py:" in err
    assert "model.segmentor.backbone.type: ResNet -> EfficientNetLite0" in err


@pytest.mark.parametrize(("world", "advice"), [
    ("demo", "draw the embedded world first: daseg make-demo --root gone/demo"),
    ("camvid", "environment variable DASEG_CAMVID"),
])  # fmt: skip
def test_missing_images_say_how_to_get_them(world, advice, monkeypatch):
    monkeypatch.setenv(f"DASEG_{world.upper()}", f"gone/{world}")
    dataset = in_world(world).train_dataloader.dataset.source
    with pytest.raises(DataError, match=advice):
        DATASETS.build(dataset)


def test_a_wrong_path_inside_of_a_world_does_not_make_one_draw_it_again(monkeypatch, tmp_path):
    monkeypatch.setenv("DASEG_DEMO", str(tmp_path))
    assert hint(tmp_path / "nothere") == ""
    monkeypatch.setenv("DASEG_DEMO", str(tmp_path / "gone"))
    assert "daseg make-demo" in hint(tmp_path / "gone/gta5")


def test_translated_images_are_the_worlds_own_with_the_labels_of_its_source(monkeypatch):
    pair = config().train_dataloader.dataset.to_dict()
    pair["source"] = dict(type="GTA5", root="data/translated", label_root="data/gta5")
    monkeypatch.setenv("DASEG_DEMO", "gone/demo")
    monkeypatch.setenv("DASEG_CAMVID_TRANSLATED", "gone/dusk")
    for world, folder, labels in [
        ("demo", "gone/demo/gta5_translated", "gone/demo/gta5"),
        ("camvid", "gone/dusk", "data/camvid"),
    ]:
        changed = in_world(world, train_dataloader=dict(dataset=pair))
        source = changed.train_dataloader.dataset.source
        assert (source.root, source.label_root) == (folder, labels)
        with pytest.raises(DataError, match=f"translate the source .* --out {folder}"):
            DATASETS.build(source)
    monkeypatch.setenv("DASEG_DEMO_TRANSLATED", "elsewhere")
    changed = in_world("demo", train_dataloader=dict(dataset=pair))
    assert changed.train_dataloader.dataset.source.root == "elsewhere"
    with pytest.raises(ConfigError, match=r"of this world already \(elsewhere\)"):
        in_world("demo", train_dataloader=changed.train_dataloader.to_dict())


def test_a_segmentor_of_a_world_has_its_classes_and_sizes():
    options = {"model.segmentor.backbone.weights": None}
    segmentor = init_segmentor(
        "configs/adaptseg/multi_vanilla.py", world="camvid", cfg_options=options
    )
    assert segmentor.classes[:2] == ("sky", "building")
    assert segmentor.preprocess(np.zeros((360, 480, 3), np.uint8)).shape == (240, 320, 3)


@pytest.mark.slow
def test_a_misspelt_key_is_found_in_a_world_too(tmp_path):
    path = tmp_path / "typo.py"
    real = load_config("configs/adaptseg/source_only.py")
    path.write_text(real.pretty_text + "\nmodle = dict(a=1)\n")
    with pytest.raises(ConfigError, match="modle: not a key that anything reads"):
        load_config(path, world="demo")


def test_the_worlds_count_their_images_right():
    """`num_samples` must never ask for more than there are."""
    drawn = {k: p.default for k, p in inspect.signature(make_world).parameters.items()}
    demo, camvid = (load.load_world(load._packaged(name)) for name in ("demo", "camvid"))
    game, city = demo.datasets["GTA5"], demo.datasets["Cityscapes"]
    counts = [drawn[f"num_{name}"] for name in ("source", "target", "val", "test")]
    parts = (game["train"], city["train"], city["val"], city["test"])
    assert [part["images"] for part in parts] == counts
    assert np.isclose(demo.size[0] / demo.size[1], drawn["size"][0] / drawn["size"][1])
    assert np.isclose(camvid.size[0] / camvid.size[1], 480 / 360)
