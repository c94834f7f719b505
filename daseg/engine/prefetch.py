"""Copy the next batch to the GPU while it still computes."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor


class Prefetcher(Iterator[dict[str, Any]]):
    """The batches of a loader, and a copy of each on the device.

    On a GPU `read_ahead` reads the next batch and begins to copy it, on a stream of its own: the
    copy runs beside the step that the GPU computes, and from pinned memory the CPU does not wait
    for it either. Elsewhere nothing is read ahead, and there is nothing to copy.

    Args:
        batches: Of a data loader.
        copy: Copies a batch to the device without waiting, as a data preprocessor's ``cast_data``.
        device: The device.

    Attributes:
        copied: The copy of the batch that was given last, for the current stream.
    """

    copied: dict[str, Any]

    def __init__(
        self,
        batches: Iterator[dict[str, Any]],
        copy: Callable[[Any], Any],
        device: torch.device,
    ) -> None:
        self._batches, self._copy, self._device = batches, copy, device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._ahead: list[tuple[dict[str, Any], dict[str, Any]]] = []

    def __next__(self) -> dict[str, Any]:
        if self._stream is None:
            self.copied = next(self._batches)
            return self.copied
        self.read_ahead()
        batch, self.copied = self._ahead.pop()
        current = torch.cuda.current_stream(self._device)
        current.wait_stream(self._stream)
        for tensor in tensors_of(self.copied):  # its memory is free once this stream is done
            tensor.record_stream(current)
        return batch

    def read_ahead(self) -> None:
        """Read the next batch and begin its copy, unless that is done or there is no GPU."""
        if self._stream is None or self._ahead:
            return
        batch = next(self._batches)
        with torch.cuda.stream(self._stream):
            self._ahead.append((batch, self._copy(batch)))


def tensors_of(batch: Any) -> Iterator[Tensor]:
    """All tensors in nested dicts, lists and tuples."""
    if isinstance(batch, Tensor):
        yield batch
    elif isinstance(batch, dict):
        for value in batch.values():
            yield from tensors_of(value)
    elif isinstance(batch, (list, tuple)):
        for value in batch:
            yield from tensors_of(value)
