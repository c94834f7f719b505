"""The pictures of a translation: which images, and the decibels worked out by hand."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from daseg.hooks import TranslationPicturesHook
from daseg.hooks.translation_pictures import psnr
from daseg.utils.errors import ConfigError


def test_psnr():
    images = torch.zeros(2, 3, 4, 4)
    others = torch.stack([torch.full((3, 4, 4), 25.5), torch.full((3, 4, 4), 2.55)])
    # Errors of a tenth and a hundredth of the range: 20 and 40 dB.
    assert psnr(images, others) == pytest.approx(30)
    half = images.clone()
    half[:, :, :2] = 255  # half of the pixels are as wrong as can be: 10 log10(2)
    assert psnr(images, half) == pytest.approx(10 * math.log10(2))
    assert psnr(images, images) == 100


class Domain:
    """Images that are recognised by their value, and a count of those that were read."""

    def __init__(self, length):
        self.length, self.read = length, []

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        self.read.append(index)
        return dict(image=torch.full((3, 8, 8), index, dtype=torch.uint8))


class Model(nn.Module):
    """Adds to the source, takes from the target, and not quite as much back."""

    def translate(self, image, direction):
        self.modes = [*getattr(self, "modes", []), self.training]
        return image.float() + (10 if direction == "source_to_target" else -12)


def make_runner(folder, pair, model):
    scalars = []
    runner = SimpleNamespace(
        train_dataloader=SimpleNamespace(dataset=pair),
        bare_model=model,
        model=model,
        max_iters=5,
        work_dir=str(folder),
        logger=SimpleNamespace(info=lambda text: scalars.append(text)),
        visualizer=SimpleNamespace(
            add_scalars=lambda values, step: scalars.append((step, values)), _vis_backends={}
        ),
    )
    return runner, scalars


def test_fixed_images_at_intervals_and_at_the_end(tmp_path):
    pair = SimpleNamespace(source=Domain(10), target=Domain(2))
    model = Model().train()
    runner, scalars = make_runner(tmp_path, pair, model)
    hook = TranslationPicturesHook(interval=3, images=4, shown=2)
    hook.before_train(runner)
    assert pair.source.read == [0, 2, 5, 7]
    assert pair.target.read == [0, 1]
    for number in range(5):
        hook.after_train_iter(runner, number)
    assert pair.source.read == [0, 2, 5, 7], "read once"
    assert sorted(p.name for p in (tmp_path / "pictures").iterdir()) == ["iter_3.png", "iter_5.png"]
    steps = [entry for entry in scalars if isinstance(entry, tuple)]
    assert [step for step, _ in steps] == [3, 5]
    decibels = 10 * math.log10(255**2 / 2**2)  # there 10, back 12
    for _, values in steps:
        assert values["psnr_cycle_source"] == pytest.approx(decibels)
        assert values["psnr_cycle_target"] == pytest.approx(decibels)
    assert scalars[-1] == (
        f"iteration 5: fixed images there and back: source {decibels:.2f} dB, "
        f"target {decibels:.2f} dB"
    )
    assert not any(model.modes)
    assert model.training


def test_where_it_cannot_work_it_says_so(tmp_path):
    hook = TranslationPicturesHook()
    alone, _ = make_runner(tmp_path, Domain(3), Model())
    pair = SimpleNamespace(source=Domain(1), target=Domain(1))
    other, _ = make_runner(tmp_path, pair, nn.Linear(1, 1))
    for runner in (alone, other):
        with pytest.raises(ConfigError, match="watches a CycleGAN learn from a DomainPair"):
            hook.before_train(runner)
    for name in ("interval", "images", "shown"):
        with pytest.raises(ConfigError, match=f"{name} is at least 1, not 0"):
            TranslationPicturesHook(**{name: 0})
