"""The translator that a translation runs: a trained network, or one that needs no training."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmengine import Config
from torch import Tensor, nn

from daseg.api import usable_device
from daseg.config.arguments import accepted_arguments
from daseg.engine.checkpoint import load_strictly, read_checkpoint
from daseg.registry import GENERATORS, TRANSLATORS, did_you_mean
from daseg.translation import TiledTranslation
from daseg.translation.pixels import translate
from daseg.utils.errors import CheckpointError, ConfigError
from daseg.utils.options import parse_cfg_options
from daseg.weights.files import sha256_file

NETWORK = "source_to_target"


@dataclass
class LoadedTranslator:
    """A translator that is ready to run.

    Attributes:
        function: Maps a source image (1,3,h,w), uint8 RGB, and a target image or None to the
            translated one, float 0..255; it may leave that range a little.
        settings: What tells its images from those of another one, as JSON holds it.
        needs_target: Whether it looks at target images.
        device: Where it runs.
        origin: Where it comes from, for the manifest.
    """

    function: Callable[[Tensor, Tensor | None], Tensor]
    settings: dict[str, Any]
    needs_target: bool
    device: torch.device
    origin: dict[str, Any] = field(default_factory=dict)

    @torch.no_grad()
    def __call__(self, image: Tensor, target: Tensor | None = None) -> Tensor:
        """Translate (3,h,w) into the look of (3,h',w'); the result is on the CPU."""
        look = None if target is None else target[None].to(self.device)
        return self.function(image[None], look)[0].float().cpu()


def load_translator(
    cfg: Config,
    checkpoint: str | Path | None = None,
    *,
    words: list[str] | None = None,
    device: str = "cpu",
    tile: int | None = None,
    amp: bool = False,
) -> LoadedTranslator:
    """Load the translator of a config.

    Args:
        cfg: A whole config.
        checkpoint: A checkpoint of its model, a `CycleGAN`. None: the translator that needs no
            training.
        words: That translator's name and arguments: ``["FourierTranslator", "beta=0.05"]``. None:
            the one that the config trains with.
        device: Where it runs.
        tile: Run the network in tiles of so many pixels.
        amp: Run the network in mixed precision.

    Raises:
        ConfigError: There is none of either, or it has no network to be run in tiles or in mixed
            precision.
        CheckpointError: The checkpoint cannot be read or does not fit.
    """
    place = usable_device(device)
    if checkpoint is not None and words:
        raise ConfigError("either a checkpoint or --translator translates, not both")
    if checkpoint is not None:
        return _trained(cfg, Path(checkpoint), place, tile, amp)
    if tile is not None:
        raise ConfigError(
            "--tile: a translator without network looks at the whole image, and takes little "
            "memory: leave the option out"
        )
    if amp:
        raise ConfigError(
            "--amp: a translator without network computes in float32: leave the option out"
        )
    return _untrained(_parse(words) if words else _of_config(cfg), place)


def _untrained(part: dict[str, Any], device: torch.device) -> LoadedTranslator:
    try:
        translator = TRANSLATORS.build(dict(part)).eval().to(device)
    except (TypeError, ValueError) as error:  # text where a number belongs
        raise ConfigError(f"the translator {part} cannot be built: {error}") from error

    def function(image: Tensor, target: Tensor | None) -> Tensor:
        return translator(image.to(device), target)

    return LoadedTranslator(function, dict(translator=part), True, device)


def _of_config(cfg: Config) -> dict[str, Any]:
    dataset = (cfg.get("train_dataloader") or {}).get("dataset") or {}
    for place in (dataset, cfg.get("model") or {}):
        if place.get("translator"):
            return place["translator"].to_dict()
    raise ConfigError(
        f"{cfg.filename} has no translator that needs no training: give a CHECKPOINT of its "
        f"model, or --translator NAME ({', '.join(TRANSLATORS.names())})"
    )


def _parse(words: list[str]) -> dict[str, Any]:
    name, *pairs = words
    known = TRANSLATORS.names()
    if name not in known:
        hint = did_you_mean(name, known) or f"; known are {', '.join(known)}"
        raise ConfigError(f"--translator {name}: there is no such translator{hint}")
    options = parse_cfg_options(pairs, f"--translator {name}")
    legal = accepted_arguments(TRANSLATORS.get(name))
    for key in options:
        if legal is not None and key not in legal:
            hint = did_you_mean(key, legal) or f"; it has {', '.join(sorted(legal)) or 'none'}"
            raise ConfigError(f"--translator {name}: there is no argument {key!r}{hint}")
    return dict(type=name, **options)


def _trained(
    cfg: Config, checkpoint: Path, device: torch.device, tile: int | None, amp: bool
) -> LoadedTranslator:
    run = trained_translation(cfg, checkpoint, device=device, tile=tile)
    settings: dict[str, Any] = dict(
        network=cfg.model[NETWORK].to_dict(), checkpoint_sha256=sha256_file(checkpoint), tile=None
    )
    if isinstance(run, TiledTranslation):
        settings["tile"] = dict(size=run.tile, overlap=run.overlap, seams="blended")
    if amp:
        settings["amp"] = True

    def function(image: Tensor, _: Tensor | None) -> Tensor:
        with torch.autocast(device.type, enabled=amp):
            return run(image)

    return LoadedTranslator(function, settings, False, device, dict(checkpoint=checkpoint.name))


def trained_translation(
    cfg: Config, checkpoint: Path | None, *, device: torch.device, tile: int | None = None
) -> Callable[[Tensor], Tensor]:
    """The translation of a config's `CycleGAN`: its generator alone, ready to run.

    Args:
        cfg: A whole config.
        checkpoint: Weights of the model; None: random ones.
        device: Where it runs.
        tile: Run in tiles of so many pixels.

    Returns:
        A function of images (N,3,H,W), RGB 0..255, that gives the same, float.

    Raises:
        ConfigError: The config's model does not translate.
        CheckpointError: The checkpoint cannot be read, or is of something else.
    """
    if NETWORK not in cfg.model:
        raise ConfigError(
            f"{cfg.filename}: its model is a {cfg.model['type']}, which does not translate images; "
            "take a config of a CycleGAN, or --translator NAME without a checkpoint"
        )
    layout = torch.channels_last if cfg.model.get("channels_last") else torch.contiguous_format
    generator: nn.Module = GENERATORS.build(cfg.model[NETWORK])
    if checkpoint is not None:
        _load(generator, checkpoint)
    generator = generator.to(memory_format=layout).to(device).eval()
    run = partial(translate, generator, memory_format=layout)
    return run if tile is None else TiledTranslation(run, tile=tile, device=device)


def _load(generator: nn.Module, checkpoint: Path) -> None:
    """Load the network that translates; the others of the training are left out."""
    state = read_checkpoint(checkpoint)["state_dict"]
    prefix = f"{NETWORK}."
    own = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    if not own:
        what = "a segmentor's" if any(k.startswith("segmentor.") for k in state) else "another's"
        raise CheckpointError(
            f"{checkpoint} holds no translator: none of its {len(state)} keys begins with "
            f"{prefix!r} (first: {', '.join(list(state)[:3])}). It is {what} checkpoint; one of "
            "this config's training is needed"
        )
    load_strictly(generator, own, str(checkpoint))
