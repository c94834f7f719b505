"""What is recorded: one entry for each training, test and data set made by a network.

Every entry is a command that users have, of `tools/`, on a config of `configs/` or on a small one
with such a config as its base. It trains for `ITERATIONS` iterations on the embedded world.
"""

from dataclasses import dataclass

ITERATIONS = 5
# `{NAME}` in an option, an argument or a leaf is the folder of the entry NAME, `{configs}` that of
# the configs.
OPTIONS = [
    f"train_cfg.max_iters={ITERATIONS}",
    "default_hooks.logger.interval=1",
    "default_hooks.checkpoint.interval=3",
    "log_processor.window_size=1",
    "train_dataloader.num_workers=0",
    "train_dataloader.persistent_workers=False",
    "train_dataloader.batch_size=2",
]
VAL_OPTIONS = ["val_dataloader.num_workers=0"]
RANDOM_WEIGHTS = ["model.segmentor.backbone.weights=None"]


@dataclass(frozen=True)
class Entry:
    """One command and what is read of the files that it writes.

    Attributes:
        tool: Script of `tools/`, without ``.py``.
        config: Below `configs/`; the base of ``leaf``, if there is one.
        options: For ``--cfg-options``, behind the common ones of a training.
        arguments: Further ones of the tool.
        needs: Entries whose files it reads, beside those that it names as ``{NAME}``.
        leaf: Text of a config that has ``config`` as its base.
        world: Whether it runs with ``--world demo``.
        processes: Number of processes of a training.
    """

    tool: str
    config: str
    options: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    leaf: str = ""
    world: bool = True
    processes: int = 1


def train(config: str, *options: str, pretrained: bool = False, **more) -> Entry:
    """A training from random weights, unless from those that a package holds."""
    weights = [] if pretrained else RANDOM_WEIGHTS
    return Entry("train", config, (*OPTIONS, *VAL_OPTIONS, *weights, *options), **more)


def translation(config: str, *options: str, **more) -> Entry:
    """A training of CycleGAN, which has no validation; its own networks are random anyway."""
    return Entry("train", config, (*OPTIONS, *options), **more)


# ResNet-18 on small images of the embedded world, without --world: schedules, heads, normalisation
# and sizes as the config has them.
REAL = """
small = dict(backbone=dict(depth=18, weights=None))
model = dict(segmentor=small)
load, label, pack = dict(type='LoadImageFromFile'), dict(type='LoadLabel'), dict(type='PackSample')
resize = dict(type='ResizePIL', scale=(160, 96))
train_dataloader = dict(dataset=dict(
    source=dict(root='{world}/gta5', pipeline=[load, label, resize, pack]),
    target=dict(root='{world}/cityscapes', pipeline=[load, resize, pack])))
val_dataloader = dict(dataset=dict(root='{world}/cityscapes'))
"""
FEATURES = """
game = dict(type='FeatureAdversarial', weight=0.1, loss=dict(type='HingeGANLoss'),
            discriminator=dict(type='PixelDiscriminator', channels=16))
model = dict(norm_statistics='source', objectives=[
    dict(type='Supervised', aux_weight=0.1, loss=dict(type='OHEMCrossEntropyLoss')),
    game, dict(game, in_index=-2, gradient_penalty=0.1, name='fine'),
    dict(type='MaxSquare', weight=0.1)])
custom_hooks = [*_base_.custom_hooks, dict(type='AdaBNHook')]
"""
RECTIFIED = """
model = dict(objectives=[
    *_base_.model.objectives[:3],
    dict(type='RectifiedPseudoLabel', max_weight=7.0, ignore_border=3),
    dict(type='PseudoLabel', name='sym', weight=0.5,
         loss=dict(type='SymmetricCrossEntropyLoss'))])
"""
TRANSLATORS = """
model = dict(translator=dict(type='ReinhardTranslator'))
train_dataloader = dict(dataset=dict(translator=dict(type='HistogramTranslator')))
"""
VGG = """
model = dict(segmentor=dict(
    backbone=dict(_delete_=True, type='VGG16'),
    head=dict(_delete_=True, type='DeepLabV2Head', branches=2)),
    objectives=[dict(type='Supervised', loss=dict(type='DiceLoss'))])
train_pipeline = [*_base_.train_pipeline[:3],
    dict(type='RandomCrop', crop_size=(64, 96), cat_max_ratio=0.75),
    dict(type='PhotoMetricDistortion'), dict(type='RandAugment'), dict(type='PackSample')]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
"""
TIMM = """
model = dict(segmentor=dict(
    backbone=dict(_delete_=True, type='TimmBackbone', model_name='mobilenetv3_small_050',
                  frozen_affine=True),
    head=dict(_delete_=True, type='DeepLabV3Head', channels=32),
    inference=dict(type='SlideInference', crop_size=(96, 128), stride=(64, 96))))
"""
ADAPTSEG = "adaptseg/multi_vanilla.py"
SEMANTIC = "cyclegan/gta2cityscapes_semantic.py"
NO_RATE = "optim_wrapper.segmentor.optimizer.lr=0.0"
FIRST_STAGE = ["model.objectives.3.begin=2"]  # memory regularisation, within the few iterations

ENTRIES = {
    "multi_vanilla": train(ADAPTSEG, pretrained=True),
    "multi_vanilla_amp": train(ADAPTSEG, arguments=("--amp",)),
    "multi_vanilla_two_processes": train(ADAPTSEG, pretrained=True, processes=2),
    "multi_vanilla_teacher": train(
        ADAPTSEG,
        "model.teacher_momentum=0.2",
        "train_dataloader.batch_size=3",
        "model.micro_batch=2",
    ),
    "real_sizes": train(ADAPTSEG, leaf=REAL, world=False),
    "synthia_lsgan": train("adaptseg/synthia_single_lsgan.py"),
    "lsgan_b1": train("adaptseg/lsgan_b1.py"),
    "source_only": train("adaptseg/source_only.py"),
    "duplicates": train(
        ADAPTSEG, "optim_wrapper.segmentor.emulate_duplicate_groups=True", leaf=REAL, world=False
    ),
    "oracle": train("adaptseg/oracle.py"),
    "advent": train("advent/advent.py"),
    "minent": train("advent/minent.py"),
    "fda": train("fda/fda_b001.py"),
    "dacs": train("dacs/dacs.py"),
    "dacs_two_processes": train("dacs/dacs.py", "model.micro_batch=1", processes=2),
    "features": train("adaptseg/multi_vanilla.py", leaf=FEATURES),
    "translators": train("dacs/dacs.py", leaf=TRANSLATORS),
    "gc": train("style_transfer/gc_b1.py", *FIRST_STAGE),
    "gc_micro_batches": train(
        "style_transfer/gc_b1.py",
        *FIRST_STAGE,
        "model.micro_batch=1",
        "model.channels_last=False",
    ),
    "gc_two_processes": train("style_transfer/gc_b1.py", *FIRST_STAGE, processes=2),
    "gc_source_only": train("style_transfer/source_only.py"),
    # Iterations that change no weight: the same network on every machine.
    "gc_source_only_untrained": train("style_transfer/source_only.py", NO_RATE),
    "agc": train("style_transfer/agc_b1.py", needs=("translate_fourier",)),
    "multiaug": train(
        "augmentation/aagc_b2_multiaug.py", *FIRST_STAGE, needs=("translate_fourier",)
    ),
    "multiaug_untrained": train(
        "augmentation/aagc_b2_multiaug.py",
        *FIRST_STAGE,
        NO_RATE,
        "optim_wrapper.discriminators.optimizer.lr=0.0",
        needs=("translate_fourier",),
    ),
    "single": train(
        "single/aagc_b4_single.py", "model.micro_batch=1", needs=("translate_fourier",)
    ),
    "subset": train(
        "target_subset/aagc_b2_d500.py",
        "train_dataloader.dataset.target.num_samples=6",
        needs=("translate_fourier",),
    ),
    "student": train(
        "student/aagc_b2_student.py",
        "load_from={multiaug_untrained}/iter_5.pth",
        needs=("translate_fourier", "pseudo"),
    ),
    "student_online": train(
        "student/aagc_b2_online.py",
        "load_from={multiaug_untrained}/iter_5.pth",
        "custom_hooks.5.interval=2",
        needs=("translate_fourier",),
    ),
    "rectified": train(
        "student/aagc_b2_student_full.py",
        leaf=RECTIFIED,
        needs=("translate_fourier", "pseudo"),
    ),
    "cityscapes_seg": train("supervised/cityscapes_seg.py"),
    "deeplabv3plus": train("deeplabv3plus/deeplabv3plus_r101_cityscapes.py"),
    "demo": train("demo/source_only.py", world=False),
    # A network without norm layers: at the config's rate two steps are enough to amplify noise.
    "vgg": train(
        "demo/supervised.py",
        "optim_wrapper.segmentor.optimizer.lr=1e-4",
        leaf=VGG,
        world=False,
    ),
    "timm": train("demo/source_only.py", leaf=TIMM, world=False),
    "cyclegan": translation("cyclegan/gta2cityscapes.py"),
    "cyclegan_semantic": translation(
        SEMANTIC, "model.segmentor_weights={gc_source_only_untrained}/iter_5.pth"
    ),
    "resumed": Entry(
        "train", ADAPTSEG, (*OPTIONS, *VAL_OPTIONS), ("--resume",), needs=("multi_vanilla",)
    ),
    "test": Entry("test", ADAPTSEG, (), ("{multi_vanilla}/iter_5.pth",)),
    "test_tta": Entry("test", ADAPTSEG, (), ("{multi_vanilla}/iter_5.pth", "--tta")),
    "test_adabn": Entry("test", ADAPTSEG, (), ("{multi_vanilla}/iter_5.pth", "--adabn")),
    "test_mean": Entry(
        "test", ADAPTSEG, (), ("{multi_vanilla}/iter_5.pth", "{multi_vanilla}/iter_3.pth")
    ),
    "test_teacher": Entry("test", "dacs/dacs.py", (), ("{dacs}/iter_5.pth",)),
    "test_gc": Entry("test", "style_transfer/gc_b1.py", (), ("{gc}/iter_5.pth",)),
    "predict": Entry(
        "predict",
        ADAPTSEG,
        (),
        (
            "{multi_vanilla}/iter_5.pth",
            "{world}/cityscapes/leftImg8bit/test",
            "--train-ids",
            "--label-ids",
        ),
    ),
    "pseudo": Entry(
        "pseudo_label",
        ADAPTSEG,
        (),
        (
            "{multi_vanilla}/iter_5.pth",
            "--threshold",
            "class-balanced",
            "--confidence-map",
            "--audit",
        ),
    ),
    "pseudo_entropy": Entry(
        "pseudo_label",
        ADAPTSEG,
        (),
        (
            "{multi_vanilla}/iter_5.pth",
            "{multi_vanilla}/iter_3.pth",
            "--threshold",
            "entropy",
            "--tta",
        ),
    ),
    "translate": Entry("translate", SEMANTIC, (), ("{cyclegan_semantic}/iter_5.pth",)),
    # In tiles a translation may differ in the last bits; its own entry, so that it can be excepted.
    "translate_tiled": Entry(
        "translate", SEMANTIC, (), ("{cyclegan_semantic}/iter_5.pth", "--tile", "144")
    ),
    "translate_fourier": Entry(
        "translate", ADAPTSEG, (), ("--translator", "FourierTranslator", "beta=0.05")
    ),
    "translate_reinhard": Entry("translate", ADAPTSEG, (), ("--translator", "ReinhardTranslator")),
    "translate_histogram": Entry(
        "translate", ADAPTSEG, (), ("--translator", "HistogramTranslator")
    ),
    "translate_identity": Entry("translate", ADAPTSEG, (), ("--translator", "IdentityTranslator")),
    "study": Entry("study", "", ()),
    "world": Entry("make_demo", "", ()),
}
# Whose losses and mIoU `test_pins.py` compares: one of each family, objective and translator.
PORTABLE = (
    "multi_vanilla", "multi_vanilla_amp", "multi_vanilla_teacher", "real_sizes", "synthia_lsgan",
    "advent", "minent", "fda", "dacs", "dacs_two_processes", "features", "translators",
    "gc_micro_batches", "student", "student_online", "rectified", "vgg", "timm", "cyclegan",
    "cyclegan_semantic", "test", "test_tta", "test_adabn",
)  # fmt: skip
# Sensitive from the first iteration: bfloat16, and what learns pseudo-labels of a network that five
# iterations have trained.
SENSITIVE = ("multi_vanilla_amp", "student", "rectified")
# The last iteration that is compared, where it is not the second: a mixture of domains jumps where
# the label of a pixel does; the first step of Adam, the sign of a gradient, jumps for gradients
# near 0; and memory regularisation begins in the third.
LAST = dict(dacs=1, dacs_two_processes=1, translators=1, vgg=1, gc_micro_batches=3)
STUDY = """
title = 'Two rows'
seeds = [1]
options = {options!r}
rows = [
    dict(name='source_only', config='{configs}/adaptseg/source_only.py', group='all',
         cfg_options=options, baseline='source_only', oracle='oracle'),
    dict(name='oracle', config='{configs}/adaptseg/oracle.py', group='all', cfg_options=options,
         baseline='source_only', oracle='oracle')]
claims = [dict(title='Labels help', checks=['oracle > source_only'])]
"""
