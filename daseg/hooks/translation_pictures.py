"""Pictures of a translation during its training, and the error of its cycle."""

from pathlib import Path
from typing import Any

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from daseg.hooks.backends import show_picture
from daseg.registry import HOOKS
from daseg.utils.errors import ConfigError
from daseg.utils.writable import refuse_links
from daseg.visualization import contact_sheet, save_sheet

TITLES = ("{0}", "in the look of the {1}", "and back")
OTHER = dict(source="target", target="source")


@HOOKS.register_module()
class TranslationPicturesHook(Hook):
    """Draw fixed training images, translated and translated back; log the error of the cycle.

    ``pictures/iter_N.png`` in the work dir, and TensorBoard, show for each domain the image, its
    translation and its translation back. The log has ``psnr_cycle_source`` and
    ``psnr_cycle_target``: the peak signal-to-noise ratio in decibels of images translated and back,
    mean over the images; more is closer. It is no measure of how the translation looks.

    The images are spread evenly over each data set, cropped as in training, and always the same.

    Args:
        interval: Iterations between two pictures; the last iteration has one, too.
        images: Number of images of each domain.
        shown: How many of them are drawn.
    """

    def __init__(self, interval: int = 1000, *, images: int = 4, shown: int = 2) -> None:
        for name, value in dict(interval=interval, images=images, shown=shown).items():
            if value < 1:
                raise ConfigError(f"TranslationPicturesHook: {name} is at least 1, not {value}")
        self.interval, self.images, self.shown = interval, images, shown
        self.fixed: dict[str, Tensor] = {}

    def before_train(self, runner: Runner) -> None:
        """Read the images.

        Raises:
            ConfigError: The training data has no two domains, or the model does not translate.
        """
        refuse_links(Path(runner.work_dir, "pictures"), runner.work_dir)
        pair = runner.train_dataloader.dataset
        if not hasattr(pair, "target") or not hasattr(runner.bare_model, "translate"):
            raise ConfigError(
                "TranslationPicturesHook watches a CycleGAN learn from a DomainPair: leave the "
                "hook out of custom_hooks"
            )
        if not is_main_process():
            return
        for name in OTHER:
            dataset = getattr(pair, name)
            count = min(self.images, len(dataset))
            places = [index * len(dataset) // count for index in range(count)]
            self.fixed[name] = torch.stack([dataset[place]["image"] for place in places])

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        """Draw and measure at the interval and at the end."""
        done = batch_idx + 1
        if not is_main_process() or (done % self.interval and done != runner.max_iters):
            return
        rows = {domain: _there_and_back(runner.bare_model, domain, self.fixed) for domain in OTHER}
        runner.model.train()
        values = {f"psnr_cycle_{name}": psnr(row[0], row[2]) for name, row in rows.items()}
        runner.visualizer.add_scalars(values, step=done)
        self._draw(runner, rows, done)
        shown = ", ".join(f"{name} {values[f'psnr_cycle_{name}']:.2f} dB" for name in rows)
        runner.logger.info(f"iteration {done}: fixed images there and back: {shown}")

    def _draw(self, runner: Runner, rows: dict[str, list[Tensor]], iteration: int) -> None:
        titles = [title.format(name, OTHER[name]) for name in rows for title in TITLES]
        columns = [
            [i.clamp(0, 255).round().byte().permute(1, 2, 0).numpy() for i in images[: self.shown]]
            for row in rows.values()
            for images in row
        ]
        path = Path(runner.work_dir) / "pictures" / f"iter_{iteration}.png"
        sheet = contact_sheet(
            list(zip(*columns, strict=True)), headings=titles, title=f"iteration {iteration}"
        )
        save_sheet(sheet, path)
        show_picture(runner, sheet, "translations", iteration)


def _there_and_back(model: Any, domain: str, fixed: dict[str, Tensor]) -> list[Tensor]:
    """Images of a domain, translated, translated back: (N,3,H,W) each, 0..255, on the CPU."""
    model.eval()
    there, back = f"{domain}_to_{OTHER[domain]}", f"{OTHER[domain]}_to_{domain}"
    found = []
    for image in fixed[domain].split(1):  # one at a time, for memory
        translated = model.translate(image, there)
        found.append([image.float(), translated.cpu(), model.translate(translated, back).cpu()])
    return [torch.cat(images) for images in zip(*found, strict=True)]


def psnr(images: Tensor, others: Tensor) -> float:
    """Peak signal-to-noise ratio of images (N,3,H,W), 0..255, in decibels; mean over the images.

    ``10 log10(255^2 / mean squared error)``; equal images get 100 dB instead of infinity.
    """
    error = (images - others).square().flatten(1).mean(1)
    return float((10 * torch.log10(255**2 / error)).clamp(max=100).mean())
