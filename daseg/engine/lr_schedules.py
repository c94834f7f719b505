"""Learning-rate schedules that end where they say: mmengine's reach their last value a step early.

They chain as mmengine's do: a warm-up and a decay in one list multiply.
"""

from typing import Any

from mmengine.optim import LinearLR, PolyLR

from daseg.registry import PARAM_SCHEDULERS
from daseg.utils.errors import ConfigError


@PARAM_SCHEDULERS.register_module()
class PolyDecay(PolyLR):
    """Polynomial decay: ``lr * (1 - (i - begin) / (end - begin)) ** power`` at iteration i.

    The "poly" policy of DeepLab (Chen et al., TPAMI 2018, section 4.1). The same rates as those of
    mmengine's ``PolyLR`` with an ``end`` of one more.

    Args:
        optimizer: Optimizer or its wrapper.
        power: Exponent.
        eta_min: The rate at ``end``.
        begin: First iteration of the decay.
        end: Iteration at which the rate is ``eta_min``. In a config the default is the training's
            length; a training that stops on the way states a larger one.
        by_epoch: Only False: iterations are counted.

    Raises:
        ConfigError: ``end`` is not above ``begin``, or ``power`` is below 0.
    """

    def __init__(
        self,
        optimizer: Any,
        *,
        end: int,
        power: float = 0.9,
        eta_min: float = 0.0,
        begin: int = 0,
        by_epoch: bool = False,
    ) -> None:
        check_span("PolyDecay", begin, end, by_epoch)
        if not power >= 0:
            raise ConfigError(f"PolyDecay: power has to be a number of at least 0, not {power!r}")
        span = dict(begin=begin, end=end + 1, by_epoch=False)
        super().__init__(optimizer, power=power, eta_min=eta_min, **span)


@PARAM_SCHEDULERS.register_module()
class LinearRamp(LinearLR):
    """A factor that changes linearly from ``begin`` to ``end``: a warm-up, or a decay.

    The same rates as those of mmengine's ``LinearLR`` with an ``end`` of one more.

    Args:
        optimizer: Optimizer or its wrapper.
        start_factor: Factor of the rate at ``begin``, above 0 and at most 1.
        end_factor: Factor at ``end`` and after it, 0..1.
        begin: First iteration.
        end: Iteration with ``end_factor``. In a config the default is the training's length.
        by_epoch: Only False: iterations are counted.

    Raises:
        ConfigError: ``end`` is not above ``begin``, or a factor is out of its range.
    """

    def __init__(
        self,
        optimizer: Any,
        *,
        end: int,
        start_factor: float = 0.1,
        end_factor: float = 1.0,
        begin: int = 0,
        by_epoch: bool = False,
    ) -> None:
        check_span("LinearRamp", begin, end, by_epoch)
        if not 0 < start_factor <= 1 or not 0 <= end_factor <= 1:
            raise ConfigError(
                "LinearRamp: start_factor is above 0 and at most 1, end_factor 0..1, got "
                f"{start_factor} and {end_factor}"
            )
        factors = dict(start_factor=start_factor, end_factor=end_factor)
        super().__init__(optimizer, begin=begin, end=end + 1, by_epoch=False, **factors)


def check_span(who: str, begin: int, end: int, by_epoch: bool) -> None:
    """Raise `ConfigError` unless a schedule counts iterations and has at least one."""
    if by_epoch:
        raise ConfigError(f"{who}: by_epoch=True, but training counts iterations: leave it out")
    if not 0 <= begin < end:
        raise ConfigError(f"{who}: end={end} has to be above begin={begin}, and begin at least 0")
