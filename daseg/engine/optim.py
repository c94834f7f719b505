"""One optimizer for each trainable network, with learning-rate groups and mixed precision."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor, nn

from daseg.config.settings import GROUP_KEYS
from daseg.engine.param_groups import parameter_groups
from daseg.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS, OPTIMIZERS
from daseg.utils.errors import ConfigError

SLOW = (
    "mixed precision on a CPU without units for bfloat16 (avx512_bf16, amx_bf16) is many times "
    "slower than float32: leave --amp out on this machine"
)


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class OptimizersByNetwork:
    """Build one optimizer wrapper for each trainable network of a domain adapter::

        optim_wrapper = dict(
            constructor='OptimizersByNetwork',
            segmentor=dict(
                optimizer=dict(type='SGD', lr=2.5e-4, momentum=0.9, weight_decay=5e-4),
                lr_mult=dict(head=10, aux_head=10)))

    The keys of a network are those of the optimizer wrapper (``type``, ``clip_grad``, ``dtype``),
    and ``optimizer``; ``lr_mult``, ``decay_mult``, ``layer_decay`` and ``no_norm_decay`` as in
    `parameter_groups`; ``emulate_duplicate_groups``: True updates each weight of a ResNet's blocks
    as often a step as AdaptSegNet's optimizer, which is given them three or four times
    (`RepeatedSGD`). Parameters that share their factors share a group, so that the optimizer runs
    fused.

    Args:
        optim_wrapper_cfg: Networks and their settings, as above.
        paramwise_cfg: mmengine's own way of saying ``lr_mult``; not used here.
    """

    def __init__(
        self, optim_wrapper_cfg: dict[str, Any], paramwise_cfg: dict[str, Any] | None = None
    ) -> None:
        if paramwise_cfg:
            raise ConfigError(
                "optim_wrapper.paramwise_cfg is not used: give the network's own key lr_mult, "
                "for example optim_wrapper.segmentor.lr_mult=dict(head=10)"
            )
        self.networks = dict(optim_wrapper_cfg)

    def __call__(self, model: nn.Module) -> OptimWrapperDict:
        """Build the wrappers for the trainable networks of ``model``."""
        adapter: Any = getattr(model, "module", model)
        networks: dict[str, nn.Module] = adapter.trainable_networks()
        if networks.keys() != self.networks.keys():
            raise ConfigError(
                f"optim_wrapper has settings for {sorted(self.networks)}, "
                f"but the model's trainable networks are {sorted(networks)}"
            )
        beside = {"segmentor": getattr(adapter, "projectors", None)}
        return OptimWrapperDict(
            **{
                name: build_optimizer(networks[name], cfg, projectors=beside.get(name))
                for name, cfg in self.networks.items()
            }
        )


def build_optimizer(
    network: nn.Module, cfg: dict[str, Any], *, projectors: nn.Module | None = None
) -> OptimWrapper:
    """Build the optimizer wrapper of one network from its settings in `OptimizersByNetwork`.

    It also trains ``projectors``, which ``lr_mult`` and ``decay_mult`` know by this name.
    """
    settings = dict(type="OptimWrapper") | dict(cfg)
    if "accumulative_counts" in settings:
        raise ConfigError(
            "optim_wrapper: accumulative_counts has no effect on daseg's train step: set "
            "train_dataloader.batch_size to the images of a whole step, and model.micro_batch to "
            "those that fit into memory"
        )
    optimizer = dict(settings.pop("optimizer"))
    duplicates = settings.pop("emulate_duplicate_groups", False)
    if duplicates:
        if optimizer["type"] != "SGD":
            raise ConfigError("optim_wrapper: emulate_duplicate_groups is made for SGD alone")
        optimizer["type"] = "RepeatedSGD"
    groups = parameter_groups(
        getattr(network, "module", network),
        lr=optimizer["lr"],
        weight_decay=optimizer.get("weight_decay"),
        duplicates=duplicates,
        projectors=projectors,
        **{key: settings.pop(key) for key in GROUP_KEYS if key in settings},
    )
    return OPTIM_WRAPPERS.build(
        settings, optimizer=OPTIMIZERS.build(optimizer | {"params": groups})
    )


def has_bfloat16_units() -> bool:
    """Whether this machine's CPU multiplies bfloat16 itself; of others than x86 it is believed."""
    found = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    is_x86 = found.get("architecture") == "x86_64"
    return not is_x86 or bool(found["avx512_bf16"] or found["amx_bf16"])


@OPTIM_WRAPPERS.register_module()
class AmpOptimWrapper(OptimWrapper):
    """Mixed precision on the device that the parameters are on, the CPU included.

    mmengine's wrapper of this name refuses a CPU. bfloat16 needs no loss scaling; float16 has its
    own gradient scaler here, so that an overflow of one network does not hold back another.

    Args:
        dtype: ``'bfloat16'`` or ``'float16'``; float16 needs CUDA.
        optimizer: The optimizer.
        clip_grad: Arguments of `torch.nn.utils.clip_grad_norm_`, as mmengine takes them.
    """

    def __init__(
        self,
        dtype: str = "bfloat16",
        *,
        optimizer: torch.optim.Optimizer,
        clip_grad: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(optimizer, clip_grad=clip_grad)
        if dtype not in ("bfloat16", "float16"):
            raise ConfigError(f"AmpOptimWrapper: dtype is 'bfloat16' or 'float16', not {dtype!r}")
        self.device_type = optimizer.param_groups[0]["params"][0].device.type
        self.dtype = getattr(torch, dtype)
        if dtype == "float16" and self.device_type != "cuda":
            raise ConfigError(
                "AmpOptimWrapper: float16 needs a CUDA device; use dtype='bfloat16' on the "
                f"{self.device_type}"
            )
        if self.device_type == "cpu" and not has_bfloat16_units():
            print_log(SLOW, logger="current", level=logging.WARNING)
        self.scaler = torch.amp.GradScaler(self.device_type, enabled=dtype == "float16")

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Run the forward pass of ``model`` in mixed precision."""
        with super().optim_context(model), torch.autocast(self.device_type, self.dtype):
            yield

    def backward(self, loss: Tensor, **kwargs: Any) -> None:
        """Back-propagate the loss, scaled where the precision needs it.

        Each gradient has the precision of its tensor. Under autocast the gradients of a gradient
        penalty, which is computed in float32, would be convolved in 16 bits on CUDA.
        """
        with torch.autocast(self.device_type, enabled=False):
            super().backward(self.scaler.scale(loss), **kwargs)

    def step(self, **kwargs: Any) -> None:
        """Clip and step; skip the step where a float16 gradient has overflowed."""
        if self.clip_grad_kwargs:
            self.scaler.unscale_(self.optimizer)
            self._clip_grad()
        self.scaler.step(self.optimizer, **kwargs)
        self.scaler.update()

    def state_dict(self) -> dict[str, Any]:
        """The optimizer's state, and the loss scale's under ``loss_scaler``."""
        return super().state_dict() | {"loss_scaler": self.scaler.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        state_dict = dict(state_dict)
        scale = state_dict.pop("loss_scaler", None)
        if scale:  # a bfloat16 run has none
            self.scaler.load_state_dict(scale)
        super().load_state_dict(state_dict)
