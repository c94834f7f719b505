"""What several models predict on the same test images."""

from pathlib import Path

import numpy as np

from daseg.api import init_segmentor, predict
from daseg.config.load import load_config
from daseg.datasets.files.io import read_rgb
from daseg.datasets.pipeline import require_whole
from daseg.engine.class_check import check_same, names_of
from daseg.registry import DATASETS
from daseg.utils.errors import ConfigError
from daseg.visualization.figures import check_picture
from daseg.visualization.sheet import panel


def show_models(
    models: list[tuple[str, str | Path, str | Path]],
    out: str | Path,
    *,
    num: int = 6,
    device: str = "cpu",
    world: str | None = None,
) -> None:
    """Draw image, label and each model's prediction for images spread over the test set.

    Args:
        models: Name, config and checkpoint of each model; the first config's test set is shown.
        out: The picture file.
        num: Number of images.
        device: Where the models run.
        world: Take the configs as they are in this small world.

    Raises:
        ConfigError: The first config has no test set, or the classes of the models differ.
    """
    check_picture(out)
    if num < 1:
        raise ConfigError(f"--num {num}: at least one image is drawn")
    cfg = load_config(models[0][1], world=world)
    if cfg.get("test_dataloader") is None:
        raise ConfigError(f"{models[0][1]} has no test_dataloader to take images from")
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    chosen = np.linspace(0, len(dataset) - 1, min(num, len(dataset))).round().astype(int)
    paths = [dataset.samples[i].image for i in chosen]
    samples = [dataset[int(i)] for i in chosen]
    require_whole([sample["meta"] for sample in samples])
    labels = [sample.get("label") for sample in samples]
    segmentors = {
        name: init_segmentor(config, weights, device, world=world)
        for name, config, weights in models
    }
    for name, config, weights in models:
        whose = f"{name} ({weights}, {config}) has"
        check_same(
            segmentors[name].classes, names_of(dataset), whose, f"the test set {dataset} has"
        )
    if len({segmentor.classes for segmentor in segmentors.values()}) > 1:
        raise ConfigError("the models have different classes; show them in panels of their own")
    first = next(iter(segmentors.values()))
    panel(
        [read_rgb(path, dataset.max_value) for path in paths],
        [None if label is None else label.numpy() for label in labels],
        {name: [predict(model, path) for path in paths] for name, model in segmentors.items()},
        first.palette,
        out,
        classes=first.classes,
    )
