"""What several tests share: a tiny data set on disk and a tiny config on it."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

# Before torch and numpy are imported, and for the processes that tests start: several threads make
# tiny networks slower, and tests run beside each other. OMP_NUM_THREADS=4 make test runs with four.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# The tests are those of the CPU, where a run repeats itself bit for bit, also on a machine with a
# GPU. Those of a GPU are marked `cuda`: `make test-gpu` runs them and no others.
os.environ.update({} if os.environ.get("DASEG_TEST_GPU") else {"CUDA_VISIBLE_DEVICES": ""})

import cv2
import numpy as np
import pytest

# What a script starts in the background ignores Ctrl-C, what nohup starts the end of a terminal; so
# would all that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

CLASSES = ("left", "right", "square")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests of a GPU where there is none, or where it is hidden."""
    import torch

    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("cuda"):
                item.add_marker(pytest.mark.skip(reason="needs a GPU, and make test-gpu"))


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What daseg works out once is kept in a folder of these tests."""
    os.environ["DASEG_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve images 32x48 of three classes: a left half, a right half, and a square."""
    root = tmp_path_factory.mktemp("tiny")
    rng = np.random.default_rng(0)
    for folder in ("images", "labels"):
        (root / folder).mkdir()
    for index in range(12):
        label = np.zeros((32, 48), np.uint8)
        label[:, 24:] = 1
        y, x = rng.integers(0, 20), rng.integers(0, 36)
        label[y : y + 10, x : x + 10] = 2
        colours = np.array([[200, 60, 60], [60, 200, 60], [60, 60, 200]])
        image = colours[label] + rng.normal(0, 20, (32, 48, 3))
        label[: 1 + 2 * index] = 255  # some have few labelled pixels: means must be weighted
        cv2.imwrite(str(root / f"images/{index:02d}.png"), np.clip(image, 0, 255).astype(np.uint8))
        cv2.imwrite(str(root / f"labels/{index:02d}.png"), label)
    return root


TINY_CONFIG = """
default_scope = 'daseg'
randomness = dict(seed=3)
log_processor = dict(by_epoch=False)
model = dict(
    type='DomainAdapter',
    segmentor=dict(
        type='Segmentor', num_classes=3,
        backbone=dict(type='ResNet', depth=18, norm={norm!r}),
        head=dict(type='DeepLabV3Head', channels=16, rates=(1, 2), norm={norm!r}, pool_norm=False,
                  dropout=0.1)),
    objectives=[dict(type='Supervised')])
data = dict(
    type='FolderDataset', root={root!r}, image_dir='images', label_dir='labels',
    classes=['left', 'right', 'square'])
train_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type='EndlessSampler'),
    collate_fn=dict(type='collate'),
    dataset=dict(**data, pipeline=[
        dict(type='LoadImageFromFile'), dict(type='LoadLabel'),
        dict(type='RandomCrop', crop_size=(32, 32)), dict(type='RandomFlip', prob=0.5),
        dict(type='PhotoMetricDistortion'), dict(type='PackSample')]))
val_dataloader = dict(
    batch_size=5, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='collate'),
    dataset=dict(**data, pipeline=[
        dict(type='LoadImageFromFile'), dict(type='LoadLabel'), dict(type='PackSample')]))
test_dataloader = val_dataloader
val_evaluator = dict(type='IoUMetric')
test_evaluator = val_evaluator
train_cfg = dict(type='IterTrainLoop', max_iters=6, val_interval=100)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    constructor='OptimizersByNetwork',
    segmentor=dict(optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=5e-4),
                   lr_mult=dict(head=10)))
param_scheduler = [dict(type='PolyDecay', power=0.9)]
default_hooks = dict(
    runtime_info=dict(type='TrainLogHook'),
    logger=dict(type='LoggerHook', interval=2, log_metric_by_epoch=False),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=3))
custom_hooks = [dict(type='RecordDataHook')]
tta = dict(type='MultiScaleFlip', scales=[1.0, 1.5], flip=True)
"""

# Adversarial adaptation with everything that a train step may have to do. The maps that a
# discriminator looks at differ in size: 32x32 in the source, 32x40 in the target.
GAN_CONFIG = """
custom_imports = dict(imports=['gan_parts'])
model.update(teacher_momentum=0.05, objectives=[
    dict(type='Supervised'),
    dict(type='OutputAdversarial', level='aux', weight=0.05, loss=dict(type='LSGANLoss'),
         discriminator=dict(type='PixelDiscriminator', channels=8)),
    dict(type='OutputAdversarial', weight=0.1, loss=dict(type='BCEGANLoss'), map='entropy',
         gradient_penalty=0.1, discriminator=dict(type='FCDiscriminator', channels=4)),
    dict(type='FeatureAdversarial', in_index=2, weight=0.1,
         discriminator=dict(type='PixelDiscriminator', channels=8)),
    dict(type='MemoryRegularization', begin=3)])
model['segmentor'].update(
    backbone=dict(type='SmallBackbone', norm={norm!r}),
    aux_head=dict(type='DeepLabV2Head', in_index=-2, dilations=(1, 2), branches=2))
load = [dict(type='LoadImageFromFile'), dict(type='LoadLabel')]
train_dataloader['sampler'] = dict(type='PairSampler')
train_dataloader['dataset'] = dict(
    type='DomainPair', source=train_dataloader['dataset'],
    target=dict(data, num_samples=7, pipeline=load + [
        dict(type='RandomCrop', crop_size=(32, 40)), dict(type='RandomFlip', prob=0.5),
        dict(type='PackSample')]))
optim_wrapper['segmentor']['lr_mult'] = dict(head=10, aux_head=10)
optim_wrapper['discriminators'] = dict(optimizer=dict(type='Adam', lr=1e-3, betas=(0.9, 0.99)))
custom_hooks = [dict(type='RecordDataHook'), dict(type='ReportHook'), dict(type='KeepRanks')]
"""
FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture
def gan_config(
    tiny_config: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    """Write a config that adapts a very small network; its parts are in fixtures/gan_parts.py."""
    before = os.environ.get("PYTHONPATH")  # for processes that a test starts
    path = [str(FIXTURES), str(FIXTURES.parents[1]), *([before] if before else [])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))

    def write(extra: str = "", norm: str = "bn", name: str = "gan") -> Path:
        return tiny_config(GAN_CONFIG.format(norm=norm) + extra, norm=norm, name=name)

    return write


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny_data: Path) -> dict[str, Path]:
    """A finished training of the tiny config: ``config``, ``work_dir``, ``checkpoint``."""
    from daseg.engine.train import train

    folder = tmp_path_factory.mktemp("trained")
    config = folder / "tiny.py"
    text = TINY_CONFIG.format(root=str(tiny_data), norm="gn")  # finer, or it would see one class
    config.write_text(text.replace("depth=18,", "depth=18, output_stride=8,"))
    options = {
        "train_cfg.val_interval": 2,
        "default_hooks.checkpoint.save_best": "mIoU",
        "default_hooks.checkpoint.interval": 2,
        "default_hooks.checkpoint.max_keep_ckpts": 2,
        "train_dataloader.dataset.num_samples": 5,
        "optim_wrapper.segmentor.lr_mult.head": 1,
    }
    train(config, work_dir=folder / "run", cfg_options=options)
    return dict(config=config, work_dir=folder / "run", checkpoint=folder / "run/iter_6.pth")


SMALL = """
custom_imports = dict(imports=['gan_parts'])
model['segmentor'].update(backbone=dict(type='SmallBackbone', norm='gn'))
train_cfg['max_iters'] = 2
default_hooks['checkpoint'].update(interval=1)
custom_hooks = []
"""


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory, tiny_data: Path) -> dict[str, Path]:
    """A training of two iterations whose checkpoints are small: ``config``, ``checkpoint``."""
    from daseg.engine.train import train

    folder = tmp_path_factory.mktemp("small")
    config = folder / "small.py"
    config.write_text(TINY_CONFIG.format(root=str(tiny_data), norm="gn") + SMALL)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FIXTURES))
        train(config, work_dir=folder / "run")
    return dict(config=config, checkpoint=folder / "run/iter_1.pth")


@pytest.fixture
def tiny_config(tmp_path: Path, tiny_data: Path) -> Callable[..., Path]:
    """Write a config that trains a small network on `tiny_data` in a second or two."""

    def write(extra: str = "", norm: str = "bn", name: str = "tiny") -> Path:
        path = tmp_path / f"{name}.py"
        path.write_text(TINY_CONFIG.format(root=str(tiny_data), norm=norm) + extra)
        return path

    return write


@pytest.fixture
def small_config(tiny_config: Callable[..., Path]) -> Callable[..., Path]:
    """Write a config as `tiny_config` does, of a network whose checkpoints are a thousandth."""

    def write(extra: str = "", norm: str = "bn", name: str = "tiny") -> Path:
        network = (
            "custom_imports = dict(imports=['gan_parts'])\n"
            f"model['segmentor']['backbone'] = dict(type='SmallBackbone', norm={norm!r})\n"
        )
        return tiny_config(network + extra, norm=norm, name=name)

    return write


# Two domains, two levels, two discriminators: for tests of adversarial training.
GAN = """
pair = dict(
    type='DomainPair',
    source=dict(**data, pipeline=[
        dict(type='LoadImageFromFile'), dict(type='LoadLabel'),
        dict(type='RandomCrop', crop_size=(32, 32)), dict(type='RandomFlip', prob=0.5),
        dict(type='PackSample')]),
    target=dict(
        type='FolderDataset', root=data['root'], image_dir='images',
        classes=['left', 'right', 'square'],
        pipeline=[
            dict(type='LoadImageFromFile'), dict(type='RandomCrop', crop_size=(32, 40)),
            dict(type='PackSample')]))
train_dataloader.update(dataset=pair, sampler=dict(type='PairSampler'))
model['segmentor'].update(aux_head=dict(
    type='DeepLabV2Head', in_index=-2, branches=2))
model['segmentor']['head'].update(dropout={dropout})
model['objectives'] = [
    dict(type='Supervised', aux_weight=0.1),
    dict(type='OutputAdversarial', level='aux', weight=0.02, gradient_penalty=0.1,
         discriminator=dict(type='FCDiscriminator', channels=4), loss=dict(type='LSGANLoss')),
    dict(type='OutputAdversarial', level='main', weight=0.1, map='entropy',
         discriminator=dict(type='PixelDiscriminator', channels=4)),
    dict(type='MemoryRegularization', weight=0.1, begin=3)]
optim_wrapper['discriminators'] = dict(optimizer=dict(type='Adam', lr=1e-3, betas=(0.9, 0.99)))
"""


@pytest.fixture
def two_domain_config(tiny_config: Callable[..., Path]) -> Callable[..., Path]:
    """Write a config as `tiny_config` does, with a target domain and two discriminators."""

    def write(extra: str = "", dropout: float = 0.0, name: str = "gan") -> Path:
        return tiny_config(GAN.format(dropout=dropout) + extra, norm="gn", name=name)

    return write
