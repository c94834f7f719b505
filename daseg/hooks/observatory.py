"""Statistics and pictures of the predictions during an adaptation."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from daseg.hooks.backends import show_picture
from daseg.hooks.watch import ACCURACY, Watch
from daseg.objectives import View
from daseg.ops.colours import default_palette
from daseg.ops.logits import class_pixels, entropy
from daseg.ops.resize import resize, size_of
from daseg.registry import HOOKS
from daseg.utils.errors import ConfigError
from daseg.utils.files import atomic_write_text
from daseg.utils.writable import refuse_links
from daseg.visualization import contact_sheet, save_sheet
from daseg.visualization.sheet import Cell

HEADINGS = ("image", "label", "prediction", "entropy: black 0, certain; yellow 1, uniform")
KEY = "observatory"  # of the message hub, which travels in the checkpoint


@HOOKS.register_module()
class ObservatoryHook(Hook):
    """Log the entropy and class shares of the predictions, warn, and draw pictures.

    Logged are means over an interval of the predictions in training mode, at the head's resolution:
    ``source_entropy`` and ``target_entropy``, the mean entropy divided by the log of the number of
    classes, from 0 (certain) to 1 (uniform); and ``predicted_share/<class>``, each class's share of
    the target's pixels. A domain on which the segmentor does not run is left out. The hook waits
    for the device only once an interval.

    It warns, once until the state ends:

    - when a discriminator has won (right in more than 99 % on both domains) or lost (in 52 % or
      less on average) for ``patience`` iterations in a row;
    - when a class with more than 0.1 % of the source's labels has less than 0.001 % of the target's
      predictions over an interval, after the first ``patience`` iterations.

    Pictures of the first image of each domain go to ``pictures/iter_N.png`` in the work dir and to
    TensorBoard. With several processes, the first one uses its own part of each batch.

    Args:
        interval: Iterations between two reports.
        picture_interval: Iterations between two pictures; the last iteration is drawn too. None: no
            pictures.
        patience: See above.
    """

    def __init__(
        self, interval: int = 50, picture_interval: int | None = 500, *, patience: int = 500
    ) -> None:
        given = dict(interval=interval, picture_interval=picture_interval, patience=patience)
        for name, value in given.items():
            if value is not None and value < 1:
                raise ConfigError(f"ObservatoryHook: {name} is at least 1, not {value}")
        self.interval = interval
        self.picture_interval = picture_interval
        self.patience = patience
        self.classes: list[str] = []
        self.palette: list[list[int]] = []
        self.watch = Watch()
        self._forget()

    def _forget(self) -> None:
        self.pending: list[dict[str, Tensor]] = []
        self.first = 0
        self.pixels: Tensor | None = None  # (2,K): labelled in the source, predicted in the target

    def before_train(self, runner: Runner) -> None:
        """Read the names of the classes; restore the counts of a resumed run."""
        refuse_links(Path(runner.work_dir, "pictures"), runner.work_dir)
        known = getattr(runner.train_dataloader.dataset, "metainfo", {})
        count = runner.bare_segmentor.num_classes
        self.classes = list(known.get("classes", ()))
        if len(self.classes) != count:
            self.classes = [f"class {index}" for index in range(count)]
        self.palette = [list(colour) for colour in known.get("palette", ())]
        if len(self.palette) != count:
            self.palette = default_palette(count)
        text = runner.message_hub.runtime_info.get(KEY)
        self.watch = Watch.from_text(text) if text else Watch()
        self._forget()
        if is_main_process():  # for the plot of the logged shares
            content = json.dumps(dict(classes=self.classes, palette=self.palette))
            atomic_write_text(Path(runner.work_dir) / "classes.json", content + "\n")

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict[str, Any] | None = None,
        outputs: Mapping[str, Any] | None = None,
    ) -> None:
        """Measure the iteration; report, draw and save at their intervals."""
        if not is_main_process():
            return
        views = _views(runner)
        iteration = batch_idx + 1
        if not self.pending:
            self.first = iteration
        self._look(views, outputs or {})
        last = iteration == runner.max_iters
        if last or iteration % self.interval == 0:
            self._report(runner, iteration)
        if self.picture_interval and (last or iteration % self.picture_interval == 0):
            self._draw(runner, views, iteration)

    def hand_on(self, runner: Runner) -> None:
        """Fetch what is pending, for a checkpoint."""
        if is_main_process():
            self._fetch(runner)

    def after_train(self, runner: Runner) -> None:
        """Save what is pending: the last checkpoint of an early stop is written afterwards."""
        self._fetch(runner)

    @torch.no_grad()
    def _look(self, views: Mapping[str, View], outputs: Mapping[str, Any]) -> None:
        """Measure on the device, without waiting for it."""
        values = {n: torch.as_tensor(v) for n, v in outputs.items() if ACCURACY.fullmatch(n)}
        for domain, view in views.items():
            if view.has_run:
                values[f"{domain}_entropy"] = entropy(view.output.logits).mean()
        self.pending.append(values)
        source, target = views.get("source"), views.get("target")
        label = None if source is None else source.label
        if target is not None and target.has_run and label is not None:
            maps = (label, target.output.logits.argmax(1))
            counts = torch.stack([class_pixels(each, len(self.classes)) for each in maps])
            self.pixels = counts if self.pixels is None else self.pixels + counts

    def _fetch(self, runner: Runner) -> None:
        """Copy what is pending from the device, warn, and save the state for a checkpoint."""
        names = [list(values) for values in self.pending]
        tensors = [value.float() for values in self.pending for value in values.values()]
        fetched = iter(torch.stack(tensors).tolist() if tensors else [])
        for iteration, own in enumerate(names, start=self.first):
            values = {name: next(fetched) for name in own}
            for alarm in self.watch.add(values, iteration, self.patience):
                runner.logger.warning(alarm)
        if self.pixels is not None:
            self.watch.add_pixels(*self.pixels.tolist())
        self._forget()
        runner.message_hub.update_info(KEY, self.watch.to_text())

    def _report(self, runner: Runner, iteration: int) -> None:
        self._fetch(runner)
        values, alarms = self.watch.report(self.classes, iteration, self.patience)
        for alarm in alarms:
            runner.logger.warning(alarm)
        if "target_entropy" in values:  # the log's next line shows it, and writes it down
            runner.message_hub.update_scalar("train/target_entropy", values["target_entropy"])
        own = {n: v for n, v in values.items() if n.startswith(("source_entropy", "predicted"))}
        if own:
            runner.visualizer.add_scalars(own, step=iteration)
        runner.message_hub.update_info(KEY, self.watch.to_text())

    def _draw(self, runner: Runner, views: Mapping[str, View], iteration: int) -> None:
        shown = [view for view in views.values() if view.has_run]
        sheet = contact_sheet(
            [pictures_of(view) for view in shown],
            headings=HEADINGS,
            # Where there is one domain, it need not be a source.
            captions=[[view.domain] for view in shown] if "target" in views else (),
            title=f"iteration {iteration}",
            classes=self.classes,
            palette=self.palette,
        )
        save_sheet(sheet, Path(runner.work_dir) / "pictures" / f"iter_{iteration}.png")
        show_picture(runner, sheet, "domains", iteration)


@torch.no_grad()
def pictures_of(view: View) -> list[Cell]:
    """The first image of a view; its label, where it may have one; its prediction and entropy."""
    logits = resize(view.output.logits[:1].float(), size_of(view.image), view.align_corners)
    label = None if view.domain == "target" else view.label
    image = view.image[0].permute(1, 2, 0).clamp(0, 255).round().byte()
    maps = (None if label is None else label[0], logits.argmax(1)[0], entropy(logits)[0])
    return [each if each is None else each.cpu().numpy() for each in (image, *maps)]


def _views(runner: Runner) -> Mapping[str, View]:
    views = getattr(runner.bare_model, "views", None)
    if not views:
        raise ConfigError(
            f"ObservatoryHook: {type(runner.bare_model).__name__} keeps no `views` of its train "
            "step, as DomainAdapter does: leave the hook out of custom_hooks"
        )
    return views
