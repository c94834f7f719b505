"""Name the part of the config behind an error in building a run, or in its first step."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from daseg.utils.errors import ConfigError, UserError
from daseg.utils.reasons import reason

# Errors that no setting of the config causes.
OTHERS = (UserError, OSError, MemoryError, torch.OutOfMemoryError)


@contextmanager
def building(what: str) -> Iterator[None]:
    """Turn an error of a constructor in the body into one that names the part.

    Args:
        what: What is built, for the message: "optim_wrapper".

    Raises:
        ConfigError: A constructor has failed; the cause is chained.
    """
    try:
        yield
    except OTHERS:
        raise
    except Exception as error:
        name = _part(error)
        part = f"its {name} fails" if name else "this fails"
        raise ConfigError(f"{what} cannot be built, {part}: {reason(error)}") from error


@contextmanager
def first_step(runner: Any) -> Iterator[None]:
    """Turn an error of the first train step in the body into a `ConfigError`.

    Sizes and values that do not fit show in the first step, before anything has been learnt.

    Args:
        runner: The runner, whose training loop counts the steps that are done.

    Raises:
        ConfigError: The first step has failed; the cause is chained.
    """
    try:
        yield
    except OTHERS:
        raise
    except Exception as error:
        if getattr(runner._train_loop, "done", 0):
            raise
        raise ConfigError(
            "the first iteration fails: a size or a value in the config, or a part of your own, "
            f"does not fit: {reason(error)}"
        ) from error


def _part(error: Exception) -> str:
    """The innermost part that mmengine was building."""
    name, trace = "", error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_name == "build_from_cfg":
            found: Any = trace.tb_frame.f_locals.get("obj_cls")
            name = getattr(found, "__name__", name)
        trace = trace.tb_next
    return name
