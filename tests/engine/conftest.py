"""A source and a target to translate between, a config on them, and its checkpoint."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

PAIR = """
default_scope = 'daseg'
randomness = dict(seed=5)
small = dict(type='ResNetGenerator', channels=4, blocks=1)
critic = dict(type='PixelDiscriminator', channels=4)
model = dict(
    type='CycleGAN', source_to_target=small, target_to_source=small,
    disc_source=dict(critic, in_channels=3), disc_target=dict(critic, in_channels=3))
load, pack = dict(type='LoadImageFromFile'), dict(type='PackSample')
names = ['left', 'right', 'square']
train_dataloader = dict(
    batch_size=1, num_workers=0, sampler=dict(type='PairSampler'),
    collate_fn=dict(type='collate'),
    dataset=dict(
        type='DomainPair',
        source=dict(
            type='FolderDataset', root={source!r}, classes=names,
            pipeline=[load, dict(type='ResizePIL', scale={scale}),
                      dict(type='RandomCrop', crop_size=(8, 8)),
                      dict(type='RandomFlip', prob=0.5), pack]),
        target=dict(
            type='FolderDataset', root={target!r}, image_dir='photos', classes=names,
            pipeline=[load, pack])))
"""


@pytest.fixture
def target_root(tmp_path: Path) -> Path:
    """Five photographs 20x30 of one colour each: a translation shows which one was looked at."""
    root = tmp_path / "target"
    (root / "photos").mkdir(parents=True)
    for number in range(5):
        photo = np.full((20, 30, 3), 50 * number, np.uint8)
        cv2.imwrite(str(root / f"photos/{number}.png"), photo)
    return root


@pytest.fixture
def pair_config(
    tmp_path: Path, tiny_data: Path, target_root: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    """Write a config of a CycleGAN from `tiny_data` (32x48) to the photographs."""
    from daseg.offline.translation import sheet

    monkeypatch.setattr(sheet, "ROWS", 1)  # pictures take longer than all the rest

    def write(extra: str = "", source: Path = tiny_data, scale: tuple[int, int] = (48, 32)) -> Path:
        path = tmp_path / "pair.py"
        text = PAIR.format(source=str(source), target=str(target_root), scale=scale)
        path.write_text(text + extra)
        return path

    return write


@pytest.fixture
def pair_weights(tmp_path: Path) -> Callable[..., Path]:
    """Write a checkpoint of the config's model, of lively random weights."""

    def write(seed: int = 0, name: str = "iter_7.pth") -> Path:
        from daseg.generators import ResNetGenerator

        torch.manual_seed(seed)
        network = ResNetGenerator(channels=4, blocks=1)
        for module in network.modules():
            if isinstance(module, (torch.nn.Conv2d, torch.nn.ConvTranspose2d)):
                torch.nn.init.kaiming_normal_(module.weight)
        torch.nn.init.normal_(network.last.weight, std=0.05)  # far from where tanh is flat
        state = {f"source_to_target.{key}": value for key, value in network.state_dict().items()}
        path = tmp_path / name
        torch.save(dict(meta=dict(iter=7), state_dict=state), path)
        return path

    return write
