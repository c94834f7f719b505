"""Which batch and crop fit into a memory: a model of a train step's peak, from small steps.

What is alive after an operation of the step has a part that does not depend on the images (weights,
gradients, the optimizers' state) and a part that grows with their pixels (what the graph keeps).
Two steps on small images give both, for each operation; the peak of a larger step is the largest
sum.
"""

import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmengine import Config
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from daseg.hrda import HRDASegmentor
from daseg.utils.errors import ConfigError

GIB = 1 << 30
RESERVE = GIB  # of the CUDA context, cuDNN's workspaces and what the allocator cannot use
LEAST = 64  # of the sides of small images
MULTIPLE = 16  # of these sides, for strides round


class Alive(TorchDispatchMode):
    """Notes after each operation how many bytes of tensors are alive.

    Args:
        there: Tensors that exist already; their memory is counted throughout.

    Attributes:
        bytes: What is alive.
        timeline: The same after each operation so far.
    """

    def __init__(self, there: Iterable[Any]) -> None:
        super().__init__()
        self.bytes = 0
        self.timeline: list[int] = []
        self._known: set[int] = set()
        self._count(there)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        self._count(tree_leaves(result))
        self.timeline.append(self.bytes)
        return result

    def _count(self, values: Iterable[Any]) -> None:
        for value in values:
            if isinstance(value, Tensor):
                storage = value.untyped_storage()
                key, size = storage._cdata, storage.nbytes()
                if key not in self._known:
                    self._known.add(key)
                    self.bytes += size
                    weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.bytes -= size


@dataclass(frozen=True, eq=False)
class MemoryModel:
    """The memory of a train step in bytes.

    Attributes:
        constant: What is alive after each operation without images, (T,).
        slope: What a whole image of each domain adds to it, (T,).
        sizes: (width, height) of a whole image of each domain.
    """

    constant: np.ndarray
    slope: np.ndarray
    sizes: Mapping[str, tuple[int, int]]

    def bytes(self, images: float) -> float:
        """The peak with so many images of each domain; 0.5: one of half the area."""
        return float((self.constant + self.slope * images).max())

    def images(self, memory: float) -> float:
        """The most images whose peak is within a memory in bytes; 0 where nothing fits."""
        grows = self.slope > 0
        fits = (memory - self.constant[grows]) / self.slope[grows]
        return max(0.0, float(fits.min())) if self.constant.max() <= memory else 0.0

    def crop(self, images: float, batch: int) -> dict[str, tuple[int, ...]]:
        """The (width, height) of each domain at which ``batch`` images take what ``images`` do."""
        side = (images / batch) ** 0.5
        return {
            domain: tuple(int(side * each) // MULTIPLE * MULTIPLE for each in size)
            for domain, size in self.sizes.items()
        }


def fit_model(
    model: Any, optimizers: Any, sizes: Mapping[str, tuple[int, int]], count: int = 2
) -> MemoryModel:
    """Make small train steps of a `DomainAdapter`, and find the model of its memory.

    All are made at the iteration that the adapter is at: its objectives are those of the model.

    Args:
        model: The adapter, in training mode; its weights change.
        optimizers: Its optimizer wrappers.
        sizes: (width, height) of the images of "source" and "target", or of the source alone.
        count: Images of each domain in the small steps; batch norm may need two.
    """
    shares: list[float] = []
    lines: list[list[int]] = []
    least = max(1 / 6, LEAST / min(min(size) for size in sizes.values()))
    iteration = int(model.iteration)
    networks = [network for network in model.modules() if isinstance(network, HRDASegmentor)]
    details = [(network.detail_size, network.detail_stride) for network in networks]
    for scale in (least, 3 / 2 * least):
        small = {d: (_near(scale * w), _near(scale * h)) for d, (w, h) in sizes.items()}
        width, height = (a / b for a, b in zip(small["source"], sizes["source"], strict=True))
        for network, whole in zip(networks, details, strict=True):  # the same share of each image
            network.use_details(*((round(height * h), round(width * w)) for h, w in whole))
        batch = batch_of(small, count, model.segmentor.num_classes, model.segmentor.device)
        if not lines:  # the optimizers' state is made in the first step
            model.train_step(batch, optimizers)
            model.iteration.fill_(iteration)
        shares.append(count * _area(small) / _area(sizes))
        lines.append(timeline(model, optimizers, batch))
        model.iteration.fill_(iteration)
    for network, whole in zip(networks, details, strict=True):
        network.use_details(*whole)
    # As long as the longer one: some losses take a few operations more for some labels.
    places = np.linspace(0, 1, max(map(len, lines)))
    low, high = (np.interp(places, np.linspace(0, 1, len(line)), line) for line in lines)
    slope = np.maximum(0.0, (high - low) / (shares[1] - shares[0]))
    return MemoryModel(low - slope * shares[0], slope, dict(sizes))


def timeline(model: Any, optimizers: Any, batch: Mapping[str, Any]) -> list[int]:
    """The bytes that are alive after each operation of a step that is not the first."""
    states = [list(own.optimizer.state.values()) for own in optimizers.values()]
    values = [list(model.parameters()), list(model.buffers()), states, dict(batch)]
    alive = Alive(tree_leaves(values))
    with alive:
        model.train_step(batch, optimizers)
    return alive.timeline


def batch_of(
    sizes: Mapping[str, tuple[int, int]], count: int, classes: int, device: Any
) -> dict[str, Any]:
    """A batch of noise with images of these sizes (width, height); the source has labels."""
    batch: dict[str, Any] = {}
    for domain, (width, height) in sizes.items():
        shape = (count, height, width)
        image = torch.randint(0, 256, (count, 3, height, width), dtype=torch.uint8)
        batch[domain] = dict(image=image.to(device))
        if domain == "source":
            batch[domain]["label"] = torch.randint(0, classes, shape).to(device)
    return batch


def sizes_of(cfg: Config) -> dict[str, tuple[int, int]]:
    """The (width, height) of a config's training images, by domain.

    Raises:
        ConfigError: The pipeline ends in images whose size it does not state.
    """
    dataset = cfg.train_dataloader.dataset
    domains = {d: dataset[d] for d in ("source", "target") if dataset.get(d) is not None}
    return {d: _size_of(own, d) for d, own in (domains or {"source": dataset}).items()}


def _size_of(dataset: Any, domain: str) -> tuple[int, int]:
    for step in reversed(dataset.get("pipeline") or []):
        if "crop_size" in step:
            height, width = _two(step["crop_size"])
            return width, height
        if step["type"] in ("Resize", "ResizePIL") and not step.get("keep_ratio"):
            return _two(step["scale"])
    raise ConfigError(
        f"the pipeline of the {domain} does not state the size of its images, as RandomCrop and "
        "ResizePIL do: give --size WIDTHxHEIGHT"
    )


def _two(size: Any) -> tuple[int, int]:
    first, second = (size, size) if isinstance(size, int) else size
    return int(first), int(second)


def _area(sizes: Mapping[str, tuple[int, int]]) -> int:
    return sum(width * height for width, height in sizes.values())


def _near(side: float) -> int:
    return round(side / MULTIPLE) * MULTIPLE
