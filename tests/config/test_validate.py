"""Everything wrong with a config is found before anything is built, with its place."""

import pytest
from mmengine import Config

from daseg.config.arguments import accepted_arguments, arguments_of
from daseg.config.validate import validate
from daseg.engine.train import train
from daseg.registry import BACKBONES, KINDS, all_names
from daseg.utils.errors import ConfigError


@pytest.fixture
def load(tiny_config):
    """The tiny config as a dict, after one replacement in its text."""

    def load(old: str = "", new: str = "") -> dict:
        text = tiny_config().read_text()
        assert old in text
        return Config.fromstring(text.replace(old, new, 1) if old else text + new, ".py")._cfg_dict

    return load


REPLACEMENTS = [
    # (in the config, instead, the message)
    (
        "type='DomainAdapter'",
        "type='DomainAdaptor'",
        r"model: no model .*did you mean 'DomainAdapter",
    ),
    (
        "type='ResNet'",
        "type='ResNeXt'",
        r"model.segmentor.backbone: no backbone is called 'ResNeXt'",
    ),
    ("type='ResNet'", "type='DeepLabV3Head'", r"'DeepLabV3Head' is a head"),
    ("depth=18", "dept=18", r"backbone.dept: ResNet has no argument 'dept'; did you mean 'depth'"),
    ("channels=16", "chanels=16", r"head.chanels: DeepLabV3Head has no argument 'chanels'"),
    (
        "dict(type='Supervised')",
        "dict(type='Supervised', loss=dict(type='CrossEntropyLoss', ignor_index=3))",
        r"model.objectives.0.loss.ignor_index: .*did you mean 'ignore_index'",
    ),
    (
        "dict(type='Supervised')",
        "dict(type='Supervised', loss=dict(type='DeepLabV3Head'))",
        r"model.objectives.0.loss: no loss is called 'DeepLabV3Head'; 'DeepLabV3Head' is a head",
    ),
    (
        "type='FolderDataset'",
        "type='FolderDatset'",
        r"dataset: no dataset .*did you mean 'FolderData",
    ),
    ("image_dir=", "img_dir=", r"train_dataloader.dataset.img_dir: FolderDataset has no argument"),
    ("prob=0.5", "prb=0.5", r"train_dataloader.dataset.pipeline.3.prb: RandomFlip has no argument"),
    (
        "dict(type='RandomFlip', prob=0.5)",
        "dict(type='RandomApply', prob=0.5, transforms=[dict(type='RandomFlip', prb=0.5)])",
        r"pipeline.3.transforms.0.prb: RandomFlip has no argument 'prb'",
    ),
    (
        "dict(type='RandomFlip', prob=0.5)",
        "dict(type='RandomApply', prob=0.5, transforms=[dict(type='RandomFlp', prob=0.5)])",
        r"pipeline.3.transforms.0: nothing is registered as 'RandomFlp'; did you mean 'RandomFlip'",
    ),
    ("crop_size=(32, 32)", "crop_size=(0, 32)", r"train_dataloader.dataset.pipeline.2: .*crop"),
    (
        "type='EndlessSampler'",
        "type='EndlesSampler'",
        r"no data sampler .*did you mean 'EndlessSamp",
    ),
    ("type='collate'", "type='colate'", r"collate_fn: no function .*did you mean 'collate'"),
    ("batch_size=2", "batchsize=2", r"train_dataloader.batchsize: .*did you mean 'batch_size'"),
    ("type='IoUMetric'", "type='IoU'", r"val_evaluator: no metric is called 'IoU'.*IoUMetric"),
    ("max_iters=6", "max_itrs=6", r"train_cfg.max_itrs: IterTrainLoop has no argument 'max_itrs'"),
    (
        "type='ValLoop'",
        "type='ValLop'",
        r"val_cfg: no loop is called 'ValLop'; did you mean 'ValLo",
    ),
    (
        "type='SGD'",
        "type='SDG'",
        r"optim_wrapper.segmentor.optimizer: no optimizer is called 'SDG'",
    ),
    ("lr=0.01", "lrr=0.01", r"segmentor.optimizer.lr: missing(.|\n)*optimizer.lrr: SGD has no arg"),
    ("momentum=0.9", "momntum=0.9", r"optimizer.momntum: SGD has no argument 'momntum'; did you m"),
    ("lr_mult=", "lr_mlt=", r"optim_wrapper.segmentor.lr_mlt: .*did you mean 'lr_mult'"),
    ("constructor='Opt", "constructr='Opt", r"optim_wrapper.constructor: missing"),
    (
        "segmentor=dict(optimizer=dict(",
        "segmentor=dict(optimzer=dict(",
        r"segmentor.optimizer: mis",
    ),
    ("type='PolyDecay'", "type='PoliDecay'", r"param_scheduler.0: no .*'PolyDecay'"),
    ("power=0.9", "powr=0.9", r"param_scheduler.0.powr: PolyDecay has no argument 'powr'; did y"),
    (
        "[dict(type='PolyDecay', power=0.9)]",
        "dict(segmentr=[dict(type='PolyDecay')])",
        r"param_scheduler.segmentr: optim_wrapper has no network of this name; did you",
    ),
    (
        "[dict(type='PolyDecay', power=0.9)]",
        "dict(segmentor=[dict(type='PolyDecay', powr=1)])",
        r"param_scheduler.segmentor.0.powr: PolyDecay has no argument 'powr'",
    ),
    ("type='LoggerHook'", "type='LogerHook'", r"default_hooks.logger: no hook .*'LoggerHook'"),
    (
        "interval=3)",
        "intervall=3)",
        r"default_hooks.checkpoint.intervall: CheckpointHook has no ar",
    ),
    (
        "    checkpoint=",
        "    chekpoint=",
        r"default_hooks.chekpoint: not a default hook; did you m",
    ),
    (
        "type='RecordDataHook'",
        "type='RecordHook'",
        r"custom_hooks.0: no hook is called 'RecordHook'",
    ),
    ("seed=3", "sed=3", r"randomness.sed: not an argument of 'randomness'; did you mean 'seed'"),
    ("flip=True", "flips=True", r"tta.flips: MultiScaleFlip has no argument 'flips'; did you mean"),
    ("model = dict(", "modle = dict(", r"modle: .*did you mean 'model'(.|\n)*model: missing"),
    (
        "train_dataloader =",
        "train_dataloder =",
        r"train_dataloder: .*did you mean 'train_dataloader",
    ),
    (
        "type='ResNet', depth=18",
        "type='TimmBackbone'",
        r"model.segmentor.backbone.model_name: missing; TimmBackbone needs it",
    ),
    (", root=", ", label_root=", r"train_dataloader.dataset.root: missing; FolderDataset needs it"),
    ("crop_size=(32, 32)", "tries=3", r"pipeline.2.crop_size: missing; RandomCrop needs it"),
    ("max_iters=6, ", "", r"train_cfg.max_iters: missing; IterTrainLoop needs it"),
    ("max_iters=6", "max_iters='abc'", r"train_cfg.max_iters: .* whole number .* 1, not 'abc'"),
    ("max_iters=6", "max_iters=True", r"train_cfg.max_iters: .* whole number .* not True"),
    ("max_iters=6", "max_iters=6.0", r"train_cfg.max_iters: .* whole number .* not 6.0"),
    ("val_interval=100", "val_interval=0", r"train_cfg.val_interval: .* at least 1, not 0"),
    ("batch_size=2", "batch_size='x'", r"train_dataloader.batch_size: .* at least 1, not 'x'"),
    ("batch_size=2", "batch_size=0", r"train_dataloader.batch_size: .* at least 1, not 0"),
    ("batch_size=5", "batch_size=None", r"val_dataloader.batch_size: .* at least 1, not None"),
    ("num_workers=0", "num_workers=-1", r"train_dataloader.num_workers: .* at least 0, not -1"),
    (
        "sampler=dict(type='EndlessSampler')",
        "sampler=None",
        r"train_dataloader.sampler: missing; use dict\(type='EndlessSampler'\)",
    ),
    (
        "sampler=dict(type='EndlessSampler'),",
        "",
        r"train_dataloader.sampler: missing; use dict\(type='EndlessSampler'\)",
    ),
    (
        "sampler=dict(type='DefaultSampler', shuffle=False),",
        "",
        r"val_dataloader.sampler: missing; use dict\(type='DefaultSampler', shuffle=False\)",
    ),
    (
        "collate_fn=dict(type='collate'),",
        "",
        r"train_dataloader.collate_fn: missing; use dict\(type='collate'\)",
    ),
    ("test_cfg = dict(type='TestLoop')", "test_cfg = 3", r"test_cfg: has to be a dict, not 3"),
    ("log_processor", "log_procesor", r"log_procesor: not a key that anything reads; did you mean"),
]


@pytest.mark.parametrize(("old", "new", "match"), REPLACEMENTS)
def test_a_mistake_is_named_with_its_place(load, old, new, match):
    with pytest.raises(ConfigError, match=match):
        validate(load(old, new))


@pytest.mark.parametrize(
    ("env_cfg", "match"),
    [
        ("dist_cfg=dict(backend='gloo')", r"env_cfg.dist_cfg.backend: .*; it has timeout"),
        ("dist_cfg=dict(timeout='1h')", r"env_cfg.dist_cfg.timeout: .* whole number .* not '1h'"),
        ("dist_cfg='nccl'", r"env_cfg.dist_cfg: has to be a dict, not 'nccl'"),
        (
            "mp_cfg=dict(start='fork')",
            r"env_cfg.mp_cfg.start: .*it has mp_start_method, opencv",
        ),
    ],
)
def test_settings_of_the_environment_that_nobody_reads(load, env_cfg, match):
    with pytest.raises(ConfigError, match=match):
        validate(load(new=f"\nenv_cfg = dict({env_cfg})\n"))
    validate(load(new="\nenv_cfg = dict(dist_cfg=dict(timeout=60))\n"))


@pytest.mark.parametrize("name", ["GTA5", "SYNTHIA", "Cityscapes", "CamVid"])
@pytest.mark.parametrize("argument", ["classes", "palette", "layout", "reader"])
def test_what_a_data_set_gives_to_its_base_is_no_argument_of_it(load, name, argument):
    cfg = load()
    cfg["train_dataloader"]["dataset"] = dict(type=name, root="x", labels=False)
    validate(cfg)
    cfg["train_dataloader"]["dataset"][argument] = []
    with pytest.raises(ConfigError, match=rf"dataset.{argument}: {name} has no argument"):
        validate(cfg)


def test_a_data_set_needs_its_root(load):
    cfg = load()
    cfg["train_dataloader"]["dataset"] = dict(type="MixedDataset", datasets=[dict(type="GTA5")])
    with pytest.raises(ConfigError, match=r"dataset.datasets.0.root: missing; GTA5 needs it"):
        validate(cfg)


def test_a_helper_variable_need_not_be_complete(load):
    validate(load(new="\nsource = dict(dataset=dict(type='GTA5'))\n"))


def test_a_part_of_somebody_else_may_complete_the_parts_inside_it(load):
    @BACKBONES.register_module()
    class Wrapping:
        def __init__(self, backbone):
            self.backbone = BACKBONES.build(backbone, depth=18)

    try:
        cfg = load()
        segmentor = cfg["model"]["segmentor"]
        segmentor["backbone"] = dict(type="Wrapping", backbone=dict(type="ResNet"))
        validate(cfg)
        segmentor["backbone"] = dict(type="Wrapping")
        with pytest.raises(ConfigError, match=r"backbone.backbone: missing; Wrapping needs it"):
            validate(cfg)
    finally:
        BACKBONES.module_dict.pop("Wrapping")


def test_the_tiny_config_itself_is_right(load):
    validate(load())


@pytest.mark.parametrize(
    "key", ["modle", "models", "train_dataloder", "optim_wraper", "parm_scheduler"]
)
def test_a_misspelt_key_beside_the_right_one_of_a_base_is_found_too(load, key):
    with pytest.raises(ConfigError, match=rf"{key}: not a key that anything reads; did you mean"):
        validate(load(new=f"\n{key} = dict(a=1)\n"))


def test_all_mistakes_are_listed_at_once_and_in_the_same_order(load):
    cfg = load("depth=18", "dept=18, styl='caffe', a_b=1")
    cfg["trian_cfg"] = {}
    with pytest.raises(ConfigError) as caught:
        validate(cfg)
    lines = str(caught.value).splitlines()
    assert lines[0] == "4 in the config:"
    assert [line.split(":")[0].strip() for line in lines[1:]] == [
        "trian_cfg",
        "model.segmentor.backbone.a_b",
        "model.segmentor.backbone.dept",
        "model.segmentor.backbone.styl",
    ]


def test_changing_the_type_without_delete_is_found(tiny_config, tmp_path):
    tiny_config()
    path = tmp_path / "child.py"
    head = "type='DeepLabV2Head', branches=2"
    path.write_text(f"_base_ = ['./tiny.py']\nmodel = dict(segmentor=dict(head=dict({head})))\n")
    with pytest.raises(ConfigError, match=r"head.rates: DeepLabV2Head has no .*add _delete_=True"):
        train(path, work_dir=tmp_path / "run")


def test_a_config_that_cannot_be_trained_says_what_it_lacks(tiny_config, tmp_path):
    config = tiny_config("del optim_wrapper\n")
    with pytest.raises(ConfigError, match="cannot be trained: it has no optim_wrapper"):
        train(config, work_dir=tmp_path / "run")


def test_accepted_arguments_follow_keyword_arguments_to_the_base_class():
    class Base:
        def __init__(self, a, *, b=1):
            pass

    class Child(Base):
        def __init__(self, c, **options):
            super().__init__(**options)

    class Open:
        def __init__(self, a, **anything):
            pass

    assert accepted_arguments(Child) == {"a", "b", "c"}
    assert accepted_arguments(Open) is None
    assert accepted_arguments(lambda x, y=1: None) == {"x", "y"}


class Parent:
    def __init__(self, place, a, *, b, c=1):
        pass


class Giving(Parent):
    """Gives ``place`` and ``b`` itself."""

    def __init__(self, d, **options):
        super().__init__("here", b=d, **options)


class Changing(Parent):
    """May add anything to its options."""

    def __init__(self, d, **options):
        options.setdefault("b", d)
        super().__init__("here", **options)


class Keeping(Parent):
    """Does not hand its options on."""

    def __init__(self, **options):
        super().__init__(1, 2, b=3)
        self.options = options


def test_what_a_constructor_gives_to_its_base_is_neither_legal_nor_required():
    assert arguments_of(Giving) == ({"d", "a", "c"}, {"d", "a"})
    # Nothing is known for certain here, so that no argument may be called wrong or missing.
    assert arguments_of(Changing) == ({"d", "place", "a", "b", "c"}, {"d"})
    assert arguments_of(Keeping) == ({"place", "a", "b", "c"}, set())


def test_required_arguments_of_the_parts_of_other_packages():
    found = {
        name: set(arguments_of(KINDS["scheduler"].get(name)).required)
        for name in all_names(KINDS["scheduler"])
        if name.endswith("LR")
    }
    needs = {name: needed - {"optimizer"} for name, needed in found.items()}
    assert {name: needed for name, needed in needs.items() if needed} == {
        "CosineRestartLR": {"periods"},
        "ExponentialLR": {"gamma"},
        "MultiStepLR": {"milestones"},
        "StepLR": {"step_size"},
    }
