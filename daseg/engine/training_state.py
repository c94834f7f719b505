"""What a resumed run takes over beside the weights: checked before any of it is."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor

from daseg.utils.errors import CheckpointError
from daseg.weights.files import check_finite

PARTS = ("optimizer", "message_hub")
META = ("iter", "seed", "world_size", "batch_size", "settings", "initial_weights")
HUB = ("log_scalars", "runtime_info", "resumed_keys")
# What optimizers keep of each parameter in its own shape; what else they keep is not larger.
SHAPED = frozenset("momentum_buffer exp_avg exp_avg_sq max_exp_avg_sq square_avg grad_avg".split())


def check_resumable(checkpoint: Mapping[str, Any], path: str) -> None:
    """Refuse a checkpoint that lacks what a resumed run needs.

    Raises:
        CheckpointError: It holds weights only, or a part of the training's state is missing.
    """
    if any(part not in checkpoint for part in PARTS):
        raise CheckpointError(
            f"{path} holds weights only and cannot be resumed; "
            "to start from its weights: --cfg-options load_from=FILE without --resume"
        )
    meta, hub = checkpoint.get("meta") or {}, checkpoint["message_hub"]
    missing = [f"meta.{key}" for key in META if key not in meta]
    missing += [f"message_hub.{key}" for key in HUB if key not in hub]
    if missing:
        raise CheckpointError(f"{path} cannot be resumed: it lacks {', '.join(missing)}")


def load_optimizers(own: OptimWrapper | OptimWrapperDict, state: Any, path: str) -> None:
    """Restore the state of optimizers, all of it checked before.

    Args:
        own: The optimizers as they were built.
        state: What the checkpoint has as ``optimizer``.
        path: The checkpoint.

    Raises:
        CheckpointError: A name, a number of parameters, a shape or a type differs; or the state is
            not finite.
    """
    many = isinstance(own, OptimWrapperDict)
    wrappers = dict(own.items()) if many else {"": own}
    states = state if many else {"": state}
    problem = "" if isinstance(states, Mapping) else "it is not a dict"
    if not problem and states.keys() != wrappers.keys():
        problem = f"it is of {_names(states)}, the config has {_names(wrappers)}"
    tensors: dict[str, Tensor] = {}
    for name, wrapper in wrappers.items() if not problem else ():
        problem = problem or next(_differences(states[name], wrapper, name, tensors), "")
    if problem:
        raise CheckpointError(
            f"{path} cannot be resumed: its optimizer state does not fit: {problem}"
        )
    check_finite(tensors, path)
    own.load_state_dict(state)


def _names(named: Mapping[Any, Any]) -> str:
    return ", ".join(map(str, list(named)[:5])) or "none"


def _differences(
    state: Any, wrapper: OptimWrapper, name: str, tensors: dict[str, Tensor]
) -> Iterator[str]:
    """What differs between a stored state and that of an optimizer; collects the tensors."""
    place = f"optimizer.{name}".rstrip(".")
    own = wrapper.state_dict()
    for key in own.keys() & {"base_param_settings", "loss_scaler"}:
        if isinstance(state, Mapping) and state.get(key) and own[key]:
            yield from unlike(state[key], own[key], f"{place}.{key}")
    groups = state.get("param_groups") if isinstance(state, Mapping) else None
    kept = state.get("state") if isinstance(state, Mapping) else None
    if not isinstance(groups, list) or not isinstance(kept, Mapping):
        yield f"{place} has no param_groups and state"
        return
    if len(groups) != len(own["param_groups"]):
        yield f"{place} has {len(groups)} groups of parameters, not {len(own['param_groups'])}"
        return
    for number, (group, other) in enumerate(zip(groups, own["param_groups"], strict=True)):
        where = f"{place}.param_groups.{number}"
        if not isinstance(group, Mapping) or "params" not in group:
            yield f"{where} is not a group of parameters"
            return
        shared = {key: value for key, value in group.items() if key in other}
        yield from unlike(shared, other, where)
        if group["params"] != other["params"]:
            yield f"{where} is of other parameters"
    parameters = [p for group in wrapper.optimizer.param_groups for p in group["params"]]
    for index, values in kept.items():
        where = f"{place}.state.{index}"
        if type(index) is not int or not 0 <= index < len(parameters):
            yield f"{where} is of no parameter"
            return
        yield from _unlike_parameter(values, parameters[index], where, tensors)


def _unlike_parameter(
    values: Any, parameter: Tensor, place: str, tensors: dict[str, Tensor]
) -> Iterator[str]:
    if not isinstance(values, Mapping):
        yield f"{place} is a {type(values).__name__}, not a dict"
        return
    for key, value in values.items():
        if isinstance(value, Tensor):
            tensors[f"{place}.{key}"] = value
            shape, wanted = tuple(value.shape), tuple(parameter.shape)
            if (key in SHAPED and shape != wanted) or value.numel() > max(1, parameter.numel()):
                yield f"{place}.{key} is {shape}, the parameter {wanted}"
        elif key in SHAPED and value is not None:
            yield f"{place}.{key} is a {type(value).__name__}, not a tensor"
        elif not isinstance(value, (int, float, type(None))):
            yield f"{place}.{key} is a {type(value).__name__}"


def to_cpu(state: Any) -> Any:
    """The state of optimizers with all tensors on the CPU."""
    if isinstance(state, Tensor):
        return state.cpu()
    if isinstance(state, dict):
        return {key: to_cpu(value) for key, value in state.items()}
    return [to_cpu(value) for value in state] if isinstance(state, list) else state


def scheduler_states(schedulers: Any) -> Any:
    """The states of schedulers: of a list, or of one list by network."""
    if isinstance(schedulers, dict):
        return {name: scheduler_states(own) for name, own in schedulers.items()}
    return [scheduler.state_dict() for scheduler in schedulers]


def load_schedulers(own: Any, states: Any, path: str) -> None:
    """Restore what `scheduler_states` gave, all of it checked before.

    Raises:
        CheckpointError: A number, a key or a type differs.
    """
    problem = next(_unlike_schedulers(states, own, "param_schedulers"), "")
    if problem:
        raise CheckpointError(f"{path} cannot be resumed: its schedules do not fit: {problem}")
    _load_schedulers(own, states)


def _load_schedulers(own: Any, states: Any) -> None:
    if isinstance(own, dict):
        for name, one in own.items():
            _load_schedulers(one, states[name])
        return
    for scheduler, state in zip(own, states, strict=True):
        scheduler.load_state_dict(state)


def _unlike_schedulers(states: Any, own: Any, place: str) -> Iterator[str]:
    if isinstance(own, dict):
        if not isinstance(states, Mapping) or states.keys() != own.keys():
            yield f"{place} is not of {', '.join(own)}"
            return
        for name, one in own.items():
            yield from _unlike_schedulers(states[name], one, f"{place}.{name}")
    elif not isinstance(states, list) or len(states) != len(own):
        yield f"{place} is not a list of {len(own)}"
    else:
        for number, (state, one) in enumerate(zip(states, own, strict=True)):
            yield from unlike(state, one.state_dict(), f"{place}.{number}")


def unlike(value: Any, own: Any, place: str) -> Iterator[str]:
    """Where the types of a value differ from those of our own.

    A dict may lack keys, and has no others; a list has as many items; a number is a finite one; a
    text is the same.
    """
    if isinstance(own, Mapping):
        if not isinstance(value, Mapping):
            yield f"{place} is a {type(value).__name__}, not a dict"
            return
        for key, item in value.items():
            if key in own:
                yield from unlike(item, own[key], f"{place}.{key}")
            else:
                yield f"{place} has {str(key)[:80]!r}, which is unknown"
    elif isinstance(own, (list, tuple)):
        if not isinstance(value, (list, tuple)) or len(value) != len(own):
            yield f"{place} is not a list of {len(own)}"
            return
        for index, (item, one) in enumerate(zip(value, own, strict=True)):
            yield from unlike(item, one, f"{place}.{index}")
    elif not _alike(value, own):
        kind = "a finite number" if _is_number(own) else f"{own!r}" if own else "a plain value"
        yield f"{place} is a {type(value).__name__}, not {kind}"


def _alike(value: Any, own: Any) -> bool:
    if isinstance(own, Tensor):
        return _is_number(value) or (isinstance(value, Tensor) and value.shape == own.shape)
    if _is_number(own):
        finite = math.isfinite(own)  # the best of a schedule's values is infinite at first
        number = value.item() if isinstance(value, Tensor) and value.ndim == 0 else value
        return _is_number(number) and (math.isfinite(number) or not finite)
    if own is None:
        return isinstance(value, (type(None), bool, int, float, str, Tensor))
    return type(value) is type(own) and value == own


def _is_number(value: Any) -> bool:
    return isinstance(value, (bool, int, float))
