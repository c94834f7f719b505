"""daseg from Python: build a trained segmentor and run it on images."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
import torch
from mmengine import Config
from PIL import Image

from daseg.datasets.classes import Classes, classes_of
from daseg.datasets.files import io
from daseg.datasets.load_image import loader_of
from daseg.datasets.pipeline import Pipeline
from daseg.datasets.pixels import rgb_of, rounded
from daseg.ops.colours import default_palette
from daseg.segmentor import Segmentor, build_segmentor, without_initial_weights
from daseg.utils.errors import ConfigError


def init_segmentor(
    config: str | Path,
    checkpoint: str | Path | Sequence[str | Path] | None = None,
    device: str | torch.device = "cpu",
    *,
    tta: bool = False,
    cfg_options: dict[str, Any] | None = None,
    world: str | None = None,
) -> Segmentor:
    """Build the segmentor of a config, in eval mode.

    Args:
        config: The config file.
        checkpoint: Its weights; without them the network has its initial ones. Of several files,
            `predict` gives the mean of their networks' probabilities.
        device: Where it runs.
        tta: Predict with the config's test-time augmentation.
        cfg_options: Overrides by dotted key.
        world: Take the config as it is in a small world: "demo" or "camvid".

    Returns:
        The segmentor. Its ``classes`` and ``palette`` are those that the checkpoint was trained
        on; else those of the config's data sets, where the number fits and they are known without
        reading files; else the classes are numbered.

    Raises:
        ConfigError: The config is wrong, or there is no such device.
        CheckpointError: The checkpoint cannot be read or does not fit.
    """
    from daseg.config.load import load_config
    from daseg.engine.average import checkpoint_paths, load_networks
    from daseg.engine.evaluate import use_tta

    cfg = load_config(config, cfg_options, world=world)
    if checkpoint is not None:
        without_initial_weights(cfg.model)
    if tta:
        use_tta(cfg)
    device = usable_device(device)
    segmentor = build_segmentor(cfg).to(device).eval()
    meta: dict[str, Any] = {}
    if checkpoint is not None:
        meta = load_networks(segmentor, checkpoint_paths(checkpoint))[1][0]
    segmentor.classes, segmentor.palette = _classes(meta, cfg, segmentor.num_classes)
    segmentor.preprocess = test_resizing(cfg)
    segmentor.max_value = largest_value(cfg)
    return segmentor


def usable_device(device: str | torch.device) -> torch.device:
    """The device of this name; a `ConfigError` where it cannot be used."""
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        there = ", ".join(["cpu", *(f"cuda:{n}" for n in range(torch.cuda.device_count()))])
        message = f"the device {str(device)!r} cannot be used: {reason}; there are: {there}"
        raise ConfigError(message) from error
    return found


def _classes(meta: dict[str, Any], cfg: Config, count: int) -> Classes:
    """Names and colours: of the checkpoint's data set, else of the config's, else numbered."""
    known = meta.get("dataset_meta") or {}
    if len(known.get("classes", ())) == count:
        return tuple(known["classes"]), known.get("palette") or default_palette(count)
    for split in ("train", "val", "test"):
        found = classes_of((cfg.get(f"{split}_dataloader") or {}).get("dataset"))
        if found is not None and len(found[0]) == count:
            return found
    return tuple(f"class {index}" for index in range(count)), default_palette(count)


def test_resizing(cfg: Config) -> Callable[[np.ndarray], np.ndarray] | None:
    """What the config's test pipeline does to an image between loading and packing it.

    Returns:
        A function of an RGB image (H,W,3), or None where the config does not test or does nothing.
        It raises a `ConfigError` where the pipeline does more than stretch the image.
    """
    pipeline = Pipeline(test_steps(cfg))
    if not pipeline.transforms:
        return None

    def resize_as_in_testing(pixels: np.ndarray) -> np.ndarray:
        if pixels.dtype != np.uint8:  # PIL resizes no colour pictures of another type
            pixels = rounded(pixels)
        return pipeline.resized(np.ascontiguousarray(pixels[..., ::-1]))[..., ::-1]

    return resize_as_in_testing


def test_steps(cfg: Config) -> list[dict[str, Any]]:
    """The transforms of the config's test pipeline between loading and packing."""
    loader = cfg.get("test_dataloader") or cfg.get("val_dataloader") or {}
    steps = loader.get("dataset", {}).get("pipeline", [])
    ends = ("LoadImageFromFile", "LoadLabel", "PackSample")
    return [step for step in steps if step["type"] not in ends]


def largest_value(cfg: Config) -> int | None:
    """The ``max_value`` that the config's test pipeline reads 16-bit images with."""
    loader = cfg.get("test_dataloader") or cfg.get("val_dataloader") or {}
    load = loader_of(Pipeline(loader.get("dataset", {}).get("pipeline") or []).transforms)
    return None if load is None else load.max_value


@overload
def predict(
    segmentor: Segmentor,
    image: np.ndarray | Image.Image | str | Path,
    *,
    return_prob: Literal[False] = ...,
) -> np.ndarray: ...
@overload
def predict(
    segmentor: Segmentor,
    image: np.ndarray | Image.Image | str | Path,
    *,
    return_prob: Literal[True],
) -> tuple[np.ndarray, np.ndarray]: ...
def predict(
    segmentor: Segmentor,
    image: np.ndarray | Image.Image | str | Path,
    *,
    return_prob: bool = False,
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """Segment one image, resized first as the config's test pipeline does.

    Args:
        segmentor: From `init_segmentor`.
        image: Path of an image file; or an array (H,W,3), RGB, of integers or floats 0..255 (which
            are rounded to whole numbers where the test pipeline changes images); or a picture of
            PIL's of 8 bits a channel, in colour, in grey, with a palette or with an alpha channel,
            which is left out.
        return_prob: Also return the probabilities.

    Returns:
        The class map (H,W), uint8, at the image's size; with ``return_prob`` also the
        probabilities (K,H,W), float32.

    Raises:
        DataError: The file cannot be read; or the image has not three channels of 0..255: its
            numbers are all within 0..1 (but for black, all 0), negative, above 255, or no numbers.
        ConfigError: The test pipeline does more than stretch the image, which cannot be undone.
    """
    if isinstance(image, (str, Path)):
        pixels = io.read_rgb(image, segmentor.max_value)
    else:
        pixels = rgb_of(image)
    seen = pixels if segmentor.preprocess is None else segmentor.preprocess(pixels)
    tensor = torch.from_numpy(np.require(seen, requirements=["C", "W"])).permute(2, 0, 1)[None]
    size = pixels.shape[0], pixels.shape[1]
    if not return_prob:
        return segmentor.predict_classes(tensor, size)[0].cpu().numpy()
    prob = segmentor.predict(tensor, size)[0]
    return prob.argmax(0).byte().cpu().numpy(), prob.float().cpu().numpy()


def read_rgb(path: str | Path, max_value: int | None = None) -> np.ndarray:
    """Read an image file as RGB (H,W,3) uint8, as daseg's tools do; pixels are never turned.

    Args:
        path: The file.
        max_value: Largest value that samples of 16-bit pictures have: 4095 for cameras of 12 bits.
            None: 65535. The tools refuse a picture that hardly uses this range; here it comes with
            a warning, nearly black.

    Raises:
        DataError: It is missing or not an image.
    """
    try:
        return io.read_rgb(path, max_value)
    except io.DarkError as error:
        warnings.warn(str(error), stacklevel=2)
        return io.read_rgb(path, io.FULL)
