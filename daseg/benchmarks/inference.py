"""Sliding windows over a large image, beside the network alone on the same windows."""

from typing import Any

import torch
from torch import Tensor

from daseg.api import usable_device
from daseg.benchmarks.compare import Comparison, Settings, Side
from daseg.benchmarks.worker import Run
from daseg.config.load import load_config
from daseg.inference import SlideInference
from daseg.segmentor import Segmentor, build_segmentor, without_initial_weights

OPTIONS = frozenset(("size", "inputs", "world", "cfg_options", "batch", "amp"))


def compare(settings: Settings) -> list[Comparison]:
    """Windows of half the image's width and height, half overlapping from left to right."""
    width, height = settings.size or (2048, 1024)
    config = (*settings.inputs, "adaptseg/multi_vanilla")[0]
    arguments = dict(
        config=config,
        size=(width, height),
        device=settings.device,
        batch=settings.batch or 1,
        amp=settings.amp,
        world=settings.world,
        cfg_options=dict(settings.cfg_options),
    )
    ours = Side("daseg", _ours, arguments)
    network = Side("its network alone", _network, arguments)
    kinds = [f", world {settings.world}"] if settings.world else []
    kinds += [", bfloat16"] if settings.amp else []
    name = f"6 windows of {width}x{height}, {config}{''.join(kinds)}"
    return [Comparison(name, ours, network, target=1.05, warmup=0)]


def _prepared(
    config: str,
    size: tuple[int, int],
    device: str,
    batch: int,
    amp: bool,
    world: str | None,
    cfg_options: dict[str, Any],
) -> tuple[Segmentor, Tensor, SlideInference, torch.autocast]:
    """The network with random weights, an image of noise, the windows, the precision."""
    cfg = load_config(config, cfg_options, world=world)
    without_initial_weights(cfg.model)
    place = usable_device(device)
    torch.manual_seed(0)
    segmentor = build_segmentor(cfg).to(place).eval()
    segmentor.to(memory_format=torch.channels_last)
    width, height = size
    image = torch.randint(256, (1, 3, height, width), dtype=torch.uint8).to(place)
    slide = SlideInference(
        crop_size=(height // 2, width // 2), stride=(height // 2, width // 4), batch_size=batch
    )
    autocast = torch.autocast(place.type, torch.bfloat16, enabled=amp)
    image = image.contiguous(memory_format=torch.channels_last)
    segmentor.predict(image[..., :64, :64])  # an image may take a minute: no whole one to warm up
    return segmentor, image, slide, autocast


def _ours(**arguments: Any) -> Run:
    segmentor, image, slide, autocast = _prepared(**arguments)
    segmentor.inference = slide

    def run() -> None:
        with autocast:
            segmentor.predict_classes(image).cpu()

    return run


def _network(**arguments: Any) -> Run:
    segmentor, image, slide, autocast = _prepared(**arguments)
    height, width = image.shape[-2:]
    crops = [image[..., rows, columns] for rows, columns in slide.windows((height, width))]
    step = slide.batch_size
    batches = [torch.cat(crops[i : i + step]) for i in range(0, len(crops), step)]

    @torch.no_grad()
    def run() -> None:
        with autocast:
            for batch in batches:
                segmentor(batch)

    return run
