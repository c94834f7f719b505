"""How often classes occur, and how often a sampler draws for them, as a figure."""

from pathlib import Path

import numpy as np

from daseg.datasets.rare_classes import RareClasses
from daseg.visualization.figures import new_figure, save_figure


def plot_classes(rare: RareClasses, path: str | Path) -> None:
    """Draw each class's share of the labelled pixels, and how often samples are drawn for it.

    Shares are on a logarithmic scale. Behind a class's name is its number of images.
    """
    order = np.argsort(rare.shares, kind="stable")[::-1]
    names = [f"{rare.classes[i]} ({len(rare.images[i])})" for i in order]
    figure = new_figure(9, 1.5 + 0.25 * len(order))
    left, right = figure.subplots(1, 2, sharey=True)
    left.barh(names, 100 * rare.shares[order], color="tab:blue")
    left.set(xscale="log", xlabel="share of labelled pixels (%)", ylabel="class (images)")
    right.barh(names, 100 * rare.probability[order], color="tab:orange")
    right.set(xlabel="samples drawn for it (%)")
    for axes in (left, right):
        axes.grid(axis="x", alpha=0.3)
    save_figure(figure, path)
