"""Networks that may be wrapped for distributed training."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from mmengine.model import is_model_wrapper
from torch import nn


def unwrap(network: nn.Module) -> Any:
    """The network itself."""
    return network.module if is_model_wrapper(network) else network


def no_sync(network: Any) -> AbstractContextManager[None]:
    """A context in which gradients stay each process's own."""
    return network.no_sync() if is_model_wrapper(network) else nullcontext()
