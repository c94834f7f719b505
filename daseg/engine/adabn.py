"""AdaBN: the target's batch norm statistics in a trained network, without training.

Li et al., "Revisiting Batch Normalization For Practical Domain Adaptation", ICLR workshop 2017,
algorithm 1: what the weights have learnt stays; mean and variance of every batch norm are those of
the target images. No label is read.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from mmengine import Config
from mmengine.dist import is_main_process
from mmengine.runner.checkpoint import get_state_dict
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.data import DataLoader

from daseg.datasets import collate
from daseg.datasets.domain_pair import without_labels
from daseg.datasets.pipeline import require_whole
from daseg.datasets.prepared.use import without_prepared
from daseg.datasets.probe.preview import check_whole
from daseg.engine.distributed import follow_first_process
from daseg.ops.norm import is_norm
from daseg.registry import DATASETS
from daseg.utils.errors import ConfigError, DataError
from daseg.utils.progress import track
from daseg.utils.signals import leave_to_parent
from daseg.utils.workers import workers_of
from daseg.weights.strict import Network, segmentor_prefix


def adapt_batch_norm(segmentor: nn.Module, loader: Any) -> int:
    """Replace the running statistics of every batch norm by those of the loader's images.

    Each is the mean over the batches, weighted by their number of images (for batches of one size
    PyTorch's cumulative average, ``momentum=None``). A batch goes through the network normalised by
    its own statistics; all else is in eval mode (no dropout), and the network is left in the mode
    it was in. Layers that the network does not run keep what they had.

    Of several processes each has to go through all images, so that layers synchronised between
    GPUs stay in step; in the end all have the buffers of the first.

    Args:
        segmentor: The network, called with images (N,3,H,W); not wrapped for distributed training.
        loader: Batches ``dict(image (N,3,H,W), ...)``, of which nothing else is read.

    Returns:
        Number of images.

    Raises:
        ConfigError: The network has no batch norm, or one that sees a single value a channel.
        DataError: The data set has no image.
    """
    layers = batch_norms(segmentor)
    device = next(layers[0].buffers()).device
    seen = 0
    reading = workers_of("the images for AdaBN", "--cfg-options test_dataloader.num_workers")
    with reading, _estimating(segmentor, layers), torch.no_grad():
        shown = track(loader, len(loader), "adapting batch norm") if is_main_process() else loader
        for batch in shown:
            require_whole(batch.get("meta") or ())
            image = batch["image"].to(device)
            seen += len(image)
            for layer in layers:
                layer.momentum = len(image) / seen
            _run(segmentor, image)
    if not seen:
        raise DataError("AdaBN: there is no image to take the statistics of")
    follow_first_process(segmentor)
    return seen


def batch_norms(network: nn.Module) -> list[_BatchNorm]:
    """Every batch norm with running statistics inside a network.

    Raises:
        ConfigError: The network has no batch norm.
    """
    found = [m for m in network.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    if not found:
        others = sorted({type(m).__name__ for m in network.modules() if is_norm(m)})
        raise ConfigError(
            "AdaBN: the network has no batch norm with running statistics to re-estimate "
            f"(its norm layers: {', '.join(others) or 'none'})"
        )
    return found


@contextmanager
def _estimating(network: nn.Module, layers: Sequence[_BatchNorm]) -> Iterator[None]:
    """Put these layers alone into training mode; afterwards restore modes and momenta."""
    modes = [(module, module.training) for module in network.modules()]
    momenta = [layer.momentum for layer in layers]
    network.eval()
    for layer in layers:
        layer.training = True  # train() would reach a dropout inside it
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum


def _run(segmentor: nn.Module, image: Tensor) -> None:
    try:
        segmentor(image)
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise ConfigError(
            f"AdaBN: in a batch of {len(image)} image a batch norm over a pooled map sees one "
            "value a channel, which has no variance: use a batch_size of at least 2 "
            "(--cfg-options test_dataloader.batch_size=4), and at least 2 images"
        ) from error


def target_images(
    cfg: Config, folder: str | Path | None = None, *, like: str = "test_dataloader"
) -> dict[str, Any]:
    """Config of the data set whose images the statistics are taken from, without labels.

    Args:
        cfg: The whole config.
        folder: A folder of images; None: the target of the `DomainPair` that the config trains on.
        like: Whose data set's pipeline the images go through: the loader that the adapted network
            is measured on.

    Raises:
        ConfigError: The config has no such target, or no such pipeline.
    """
    pipeline = ((cfg.get(like) or {}).get("dataset") or {}).get("pipeline")
    if pipeline is None:
        raise ConfigError(f"AdaBN: images are read as {like}.dataset.pipeline says; it is missing")
    if folder is not None:
        images = dict(type="FolderDataset", root=str(folder), image_dir=".", classes=["any"])
        return _through(images | {"labels": False}, pipeline)
    target = ((cfg.get("train_dataloader") or {}).get("dataset") or {}).get("target")
    if target is None:
        raise ConfigError(
            f"AdaBN: {cfg.filename} is not trained on a DomainPair, so that it does not say which "
            "images are the target's: give a folder of images (--adabn DIR)"
        )
    return _through(without_labels(target), pipeline)


def _through(dataset: dict[str, Any], pipeline: Any) -> dict[str, Any]:
    """The data set's config with this pipeline; of a `MixedDataset`, each of its parts."""
    if "datasets" in dataset:
        return {**dataset, "datasets": [_through(part, pipeline) for part in dataset["datasets"]]}
    return {**without_prepared(dataset), "pipeline": pipeline}


def adapt_to_images(
    segmentor: nn.Module,
    images: dict[str, Any],
    loader: dict[str, Any],
    *,
    max_images: int | None = None,
) -> str:
    """Adapt batch norm to the images of a data set; return what was done, for the protocol card.

    Args:
        segmentor: The network.
        images: Config of the data set, as from `target_images`.
        loader: Config of a loader, of which ``batch_size`` and ``num_workers`` are taken.
        max_images: Take only so many, spread evenly over the data set; None: all.
    """
    dataset = DATASETS.build(images)
    check_whole(dataset, "AdaBN")
    size = loader.get("batch_size", 1)
    batches = spread_batches(len(dataset), size, max_images)
    batch_loader: DataLoader[Any] = DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=loader.get("num_workers", 0),
        collate_fn=collate,
        worker_init_fn=leave_to_parent(),
    )
    count = adapt_batch_norm(segmentor, batch_loader)
    place = getattr(dataset, "root", None) or dataset
    return f"AdaBN over {count} images of {place} in batches of {size}"


def adapted_checkpoint(
    checkpoint: dict[str, Any], segmentor: nn.Module, done: str, which: Network | None = None
) -> dict[str, Any]:
    """A checkpoint, weights only, whose tested network is the adapted one.

    Args:
        checkpoint: That of the network before, as `read_checkpoint` gives it.
        segmentor: The adapted network.
        done: What `adapt_to_images` returned.
        which: Whether it is the checkpoint's "teacher" or its "student"; default the one that was
            validated.
    """
    prefix = segmentor_prefix(checkpoint, which)
    own = {prefix + name: value.cpu() for name, value in get_state_dict(segmentor).items()}
    kept = {key: checkpoint[key] for key in ("message_hub",) if key in checkpoint}
    meta = {**(checkpoint.get("meta") or {}), "batch_norm": done}
    if which is not None:
        meta["evaluated"] = which
    return dict(kept, meta=meta, state_dict={**checkpoint["state_dict"], **own})


def spread_batches(count: int, batch_size: int, max_images: int | None = None) -> list[list[int]]:
    """Indices of each batch, as equal in size as can be, each drawn from all over the data set.

    Neighbours are often frames of one video: a batch of them has too small a variance. And a rest
    of one image might have none at all.
    """
    wanted = min(count, max_images or count)
    chosen = [i * count // wanted for i in range(wanted)]
    number = -(-wanted // batch_size)
    return [chosen[first::number] for first in range(number)]
