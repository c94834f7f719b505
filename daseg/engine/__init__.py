"""What drives a training: configs, the runner, its loop, optimizers, checkpoints, processes."""

from daseg.engine.distributed import NetworkDDP
from daseg.engine.loop import IterTrainLoop, ValLoop
from daseg.engine.lr_schedules import LinearRamp, PolyDecay
from daseg.engine.optim import AmpOptimWrapper, OptimizersByNetwork

__all__ = [
    "AmpOptimWrapper",
    "IterTrainLoop",
    "LinearRamp",
    "NetworkDDP",
    "OptimizersByNetwork",
    "PolyDecay",
    "ValLoop",
]
