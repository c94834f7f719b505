"""A small world, and how it converts sizes and counts of a config."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

Size = tuple[int, int]
# A length and an area in pixels, a window (height, width), a number of iterations, iterations
# between two events, a number of classes or a list of one entry for each.
UNITS = ("pixels", "area", "window", "iterations", "interval", "classes")


@dataclass(frozen=True)
class World:
    """The settings of a small world, which replace those of a config: the variables of its file.

    Attributes:
        name: Its name, which names the folders of its runs.
        size: (width, height) at which it trains where the real one does at 1024x512.
        num_classes: Number of classes.
        root: Folder of its images.
        datasets: By the type of a real data set: ``images``, how many it has, which ``num_samples``
            is a part of; and what stands for it in the splits ``train``, ``val`` and ``test``, and
            as ``translated``, where its images lie in another folder than its labels. That is the
            config of a data set with its number of ``images``; its texts may name ``{root}``,
            ``{translated}`` and ``{pseudo_labels}``.
        max_iters: Length of every training.
        least_interval: Fewest iterations between two validations, checkpoints or pictures.
        least_batch: Fewest images in a batch.
        highest_lr: Learning rate of the segmentor that is not exceeded.
        highest_adam_lr: The same where its optimizer is one of Adam's kind.
        least_lr: Learning rate of the segmentor that SGD does not fall short of.
        lr_mult: Factors of the segmentor's rate by the name of a part, as in a config: for heads
            that have to learn faster than the backbone. Those of the configs are not used.
        parts: By the type of a part, of its base class, or its kind: what becomes of its arguments;
            see `daseg.worlds.parts`.
        models: By the type of a model, fields that have other values where it is trained.
        lr_factors: By name of a network other than the segmentor, the factor of its learning rate.
        warm_ups: Types of schedulers after which the segmentor bears ``highest_lr``.
        crop_multiple: Sides of crops are multiples of this.
        variable: Environment variable that names another ``root``; with ``_TRANSLATED`` and
            ``_PSEUDO_LABELS`` appended, the other two folders.
        translated: Folder of the source's images in the target's look, which the user makes.
        pseudo_labels: Folder of the target's pseudo-labels, which the user makes.
        if_missing: What to do where ``root`` is not there.
    """

    name: str
    size: Size
    num_classes: int
    root: str
    datasets: Mapping[str, Any]
    max_iters: int
    least_interval: int
    least_batch: int
    highest_lr: float
    parts: Mapping[str, Any] = field(default_factory=dict)
    models: Mapping[str, Any] = field(default_factory=dict)
    lr_factors: Mapping[str, float] = field(default_factory=dict)
    warm_ups: Sequence[str] = ()
    crop_multiple: int = 1
    highest_adam_lr: float = 0.001
    least_lr: float = 0.0
    lr_mult: Mapping[str, float] = field(default_factory=dict)
    variable: str = ""
    translated: str = "{root}/translated"
    pseudo_labels: str = "{root}/pseudo_labels"
    if_missing: str = ""

    def with_model(self, kind: str | None) -> "World":
        """The world as it is where a model of this type is trained."""
        own = dict(self.models.get(kind or "", {}))
        if "lr_factors" in own:
            own["lr_factors"] = {**self.lr_factors, **own["lr_factors"]}
        return replace(self, **own)

    def convert(self, value: Any, unit: str, ratio: float | None) -> Any:
        """What a value stands for in this world.

        Args:
            value: A number, or a list of numbers.
            unit: What it counts: one of `UNITS`.
            ratio: The length of a training here for that of the config; None where there is none.

        Raises:
            ValueError: A list has not an entry for each class.
        """
        if unit == "classes":
            if isinstance(value, (list, tuple)) and len(value) != self.num_classes:
                raise ValueError(
                    f"has {len(value)} entries, but the world has {self.num_classes} classes"
                )
            return value if isinstance(value, (list, tuple)) else self.num_classes
        if unit == "window":
            return self.cropped(value)
        if isinstance(value, (list, tuple)):
            numbers = [self.convert(each, unit, ratio) for each in value]
            return sorted(set(numbers)) if unit == "iterations" else numbers
        if unit in ("iterations", "interval"):
            least, factor = (self.least_interval if unit == "interval" else 1), ratio or 1.0
        elif unit == "pixels":
            least, factor = 1, self.size[0] / 1024
        else:
            least, factor = 0, self.size[0] * self.size[1] / (1024 * 512)
        return max(min(least, value), int(value * factor + 0.5))

    def resized(self, size: Size) -> Size:
        """The size (width, height) for images that are really resized to ``size``.

        The world's shape stays: the width decides.
        """
        return _even(self.size[0] * size[0] / 1024), _even(self.size[1] * size[0] / 1024)

    def cropped(self, size: Size) -> Size:
        """The window (height, width) for one of ``size`` (height, width)."""
        return _even(self.size[1] * size[0] / 512), _even(self.size[0] * size[1] / 1024)


def _even(number: float) -> int:
    return max(2, 2 * round(number / 2))
