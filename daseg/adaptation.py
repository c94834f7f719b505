"""The domain adapter: the one train step, whatever the list of objectives."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseDataPreprocessor, BaseModel, is_model_wrapper
from mmengine.optim import OptimWrapperDict
from torch import Tensor, nn

from daseg.objectives import Objective, View
from daseg.registry import MODELS, OBJECTIVES
from daseg.segmentor import Segmentor, SegOutput
from daseg.utils.errors import ConfigError
from daseg.utils.resize import size_of


@MODELS.register_module()
class DomainAdapter(BaseModel):
    """Train a segmentor for a list of objectives on a labelled source domain.

    With `Supervised` as the only objective this is ordinary supervised training.

    Args:
        segmentor: The segmentor or its config.
        objectives: What it is trained for: built objectives or their configs.
        channels_last: Whether images and weights are laid out channels last in memory, which
            convolutions on a GPU with mixed precision are made for.
    """

    objectives: Any  # an nn.ModuleList of objectives

    def __init__(
        self,
        segmentor: Segmentor | dict[str, Any],
        objectives: Sequence[Objective | dict[str, Any]],
        *,
        channels_last: bool = True,
    ) -> None:
        super().__init__(BaseDataPreprocessor(non_blocking=True))  # from pinned memory
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        network: Segmentor = MODELS.build(segmentor)
        self.segmentor: nn.Module = network.to(memory_format=self.memory_format)
        self.align_corners = network.align_corners
        self.objectives = nn.ModuleList(OBJECTIVES.build(o) for o in objectives)
        if not self.objectives:
            raise ConfigError("DomainAdapter: the list of objectives is empty: nothing to train")

    def trainable_networks(self) -> dict[str, nn.Module]:
        """The networks that have an optimizer of their own, by the name it has in the config."""
        return {"segmentor": self.segmentor}

    def wrap_networks(self, wrap: Any) -> None:
        """Replace each trainable network by ``wrap(network)``, for distributed training."""
        self.segmentor = wrap(self.segmentor)

    def train_step(
        self, data: dict[str, Any], optim_wrapper: OptimWrapperDict
    ) -> dict[str, Tensor]:
        """Make one step of every optimizer on a batch; return the losses by name, detached.

        Args:
            data: ``dict(image (N,3,H,W), label (N,H,W), meta)`` of the source domain.
            optim_wrapper: One optimizer wrapper for each of `trainable_networks`.
        """
        batch = self.data_preprocessor(data, training=True)
        source = self._view(batch)
        optimizer = optim_wrapper["segmentor"]
        with optimizer.optim_context(self.segmentor):
            losses = _merge(o.source_losses(source) for o in self.objectives)
        if not losses:
            raise ConfigError("no objective has a loss on the source domain: nothing to train")
        optimizer.backward(torch.stack(list(losses.values())).sum())
        optimizer.step()
        optimizer.zero_grad()
        return {name: loss.detach() for name, loss in losses.items()}

    def _view(self, batch: dict[str, Any]) -> View:
        image = batch["image"].contiguous(memory_format=self.memory_format)
        return View(self.segmentor, image, batch.get("label"), align_corners=self.align_corners)

    def val_step(self, data: dict[str, Any]) -> list[dict[str, Any]]:
        """Predict a batch: for each sample ``dict(pred (H,W) uint8, label, meta)``.

        The prediction has the size of the label, or of the image file where there is no label.
        """
        batch = self.data_preprocessor(data, training=False)
        labels = batch.get("label", [None] * len(batch["meta"]))
        size = _common_size(batch)
        image = batch["image"].contiguous(memory_format=self.memory_format)
        prob = unwrap(self.segmentor).predict(image, size)
        return [
            dict(pred=p, label=label, meta=meta)
            for p, label, meta in zip(prob.argmax(1).byte(), labels, batch["meta"], strict=True)
        ]

    test_step = val_step

    def forward(self, image: Tensor) -> SegOutput:
        """Run the segmentor on an image (N,3,H,W)."""
        return self.segmentor(image)


def unwrap(network: nn.Module) -> Any:
    """The network itself, where it may be wrapped for distributed training."""
    return network.module if is_model_wrapper(network) else network


def _common_size(batch: dict[str, Any]) -> tuple[int, int]:
    if "label" in batch:
        return size_of(batch["label"])
    sizes = {tuple(meta["ori_shape"]) for meta in batch["meta"]}
    if len(sizes) > 1:
        raise ConfigError(
            f"images of different sizes {sorted(sizes)} in one test batch: set batch_size=1"
        )
    return sizes.pop()


def _merge(parts: Any) -> dict[str, Tensor]:
    merged: dict[str, Tensor] = {}
    for losses in parts:
        twice = merged.keys() & losses.keys()
        if twice:
            raise ConfigError(f"two objectives have a loss of the same name: {sorted(twice)}")
        merged |= losses
    return merged
