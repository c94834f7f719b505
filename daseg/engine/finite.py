"""Whether what a training has made is finite: asked before it is written, measured or used."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from mmengine.dist import all_gather_object, all_reduce, get_rank, get_world_size
from mmengine.optim import OptimWrapperDict
from mmengine.runner.checkpoint import get_state_dict
from torch import Tensor, nn

from daseg.utils.errors import TrainingDivergedError
from daseg.weights.files import not_finite

Named = tuple[str, Tensor]


def constants(model: nn.Module) -> frozenset[str]:
    """Names of the buffers that are not finite in a model as it is built: masks of infinity."""
    parameters = {id(parameter) for parameter in model.parameters()}
    state = get_state_dict(model, keep_vars=True)
    return frozenset(k for k, v in state.items() if id(v) not in parameters and not_finite(v))


@torch.no_grad()
def check_training(
    model: nn.Module, optimizers: Any, iteration: int, but: frozenset[str] = frozenset()
) -> None:
    """Stop all processes where weights, buffers or optimizer states of one are not finite.

    A loss shows what the weights were before the step; a gradient that was not a number is seen in
    the weights after it. All processes are to call this. It waits for the device once.

    Args:
        model: With its teacher, discriminators and all.
        optimizers: Its optimizer wrapper, or wrappers by name; None: not looked at.
        iteration: How many train steps were made.
        but: Names of buffers that may be infinite.

    Raises:
        TrainingDivergedError: It names the tensors; of several processes all raise it, with the
            same message.
    """
    named = [(k, v) for k, v in get_state_dict(model, keep_vars=True).items() if k not in but]
    named += _optimizer_tensors(model, optimizers)
    flag = torch.tensor(0 if _all_finite(value for _, value in named) else 1)
    all_reduce(flag, "max")
    if not flag:
        return
    found = [f"{name} ({what})" for name, value in named if (what := not_finite(value))]
    told = all_gather_object((get_rank(), found))
    rank, names = next(one for one in told if one[1])
    where = f" in process {rank}" if get_world_size() > 1 else ""
    raise TrainingDivergedError(
        f"after iteration {iteration} the training is not finite{where}: {', '.join(names[:5])}"
        f"{f' and {len(names) - 5} more' if len(names) > 5 else ''}. No checkpoint is written of "
        "it; those that are there are from before. Try a lower learning rate, clip_grad, or "
        "bfloat16 instead of float16."
    )


def _all_finite(values: Iterable[Tensor]) -> bool:
    flags: dict[torch.device, list[Tensor]] = {}
    for value in values:
        if value.is_floating_point():
            flags.setdefault(value.device, []).append(torch.isfinite(value).all())
    return all(bool(torch.stack(own).all()) for own in flags.values())


def _optimizer_tensors(model: nn.Module, optimizers: Any) -> Iterator[Named]:
    """What the optimizers keep of each parameter, such as its momentum."""
    if optimizers is None:
        return
    names = {id(p): name for name, p in model.named_parameters()}
    wrappers = optimizers.values() if isinstance(optimizers, OptimWrapperDict) else [optimizers]
    for wrapper in wrappers:
        for parameter, kept in wrapper.optimizer.state.items():
            for key, value in kept.items():
                if isinstance(value, Tensor):
                    yield f"{key} of {names.get(id(parameter), 'a parameter')}", value
