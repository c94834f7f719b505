"""What was found in one data set, in words and numbers."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from prettytable import PrettyTable

from daseg.ops.labels import IGNORE

_BAR = 24  # characters of the longest bar


@dataclass(eq=False)
class Report:
    """What was found in one data set.

    Attributes:
        title: Which data set.
        classes: Name of each train id.
        count: Number of samples that were read.
        sizes: How many images have which (width, height).
        pixels: Number of labelled pixels of each train id, (256,); 255 = ignore.
        images: Number of images that have a pixel of each train id, (256,).
        problems: A line for each thing that cannot be used, or makes a wrong number.
        notes: A line for each thing that is unusual and may be meant.
        resized: Labels of another size than their image, which the pipeline resizes.
        sound: Name of a sample without problems; "" where there is none.
        published: Whether classes and ids are those of a published data set, which daseg knows.
    """

    title: str
    classes: Sequence[str] = ()
    count: int = 0
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    pixels: np.ndarray = field(default_factory=lambda: np.zeros(256, np.int64))
    images: np.ndarray = field(default_factory=lambda: np.zeros(256, np.int64))
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    resized: int = 0
    sound: str = ""
    published: bool = False

    @property
    def absent(self) -> list[str]:
        """Classes without a pixel."""
        return [name for name, n in zip(self.classes, self.pixels, strict=False) if not n]

    def __str__(self) -> str:
        problems = f"{len(self.problems)} problem{'s' * (len(self.problems) != 1)}"
        lines = [f"{self.title}: {self.count} sample{'s' * (self.count != 1)}, {problems}"]
        sizes = [f"{w}x{h} ({n})" for (w, h), n in self.sizes.most_common(5)]
        more = f" and {len(self.sizes) - 5} more" if len(self.sizes) > 5 else ""
        lines.append(f"  image sizes (width x height): {', '.join(sizes) or 'none'}{more}")
        if self.resized:
            lines.append(f"  labels resized to their image: {self.resized}")
        lines.append(self._histogram())
        lines += [f"  note: {line}" for line in self.notes]
        return "\n".join([*lines, *(f"  PROBLEM {line}" for line in self.problems)])

    def _histogram(self) -> str:
        total = self.pixels.sum()
        if not total:
            return "  no labels were read"
        # Bars are of the classes' shares, so that many ignored pixels do not make them short.
        largest = max(self.pixels[: len(self.classes)].max(initial=0), 1)
        table = PrettyTable(["class", "share of pixels (%)", "images", ""], align="r")
        table.align["class"] = table.align[""] = "l"
        for index, name in enumerate(self.classes):
            count = int(self.pixels[index])
            bar = "#" * max(round(_BAR * count / largest), count > 0)
            share = f"{100 * count / total:.3f}" if count else "-"
            table.add_row([name, share, int(self.images[index]), bar])
        share = f"{100 * self.pixels[IGNORE] / total:.3f}"
        table.add_row(["(ignored)", share, int(self.images[IGNORE]), ""])
        return table.get_string()
