"""Parts of mmengine, mmcv and torch that cannot be used here, and what to use instead."""

import importlib.util
import inspect
from typing import Any

from mmengine import registry as mm

from daseg import registry as own

LOOP = "use dict(type='IterTrainLoop', max_iters=..., val_interval=...): training counts iterations"
COLLATE = "use dict(type='collate')"
AMP = "use --amp, or type='AmpOptimWrapper' for each network"
TTA = "use the top-level key tta, such as dict(type='MultiScaleFlip', ...), and daseg test --tta"
PACK = "PackSample, the last transform, makes the tensors"
# By registry and name of the class; what derives from such a class cannot work either.
UNFIT: dict[str, dict[str, str]] = {
    own.TRANSFORMS.name: dict(
        LoadAnnotations="it reads raw ids past id_map, ignored_ids and the count of opened labels; "
        "use dict(type='LoadLabel')",
        ImageToTensor=PACK,
        ToTensor=PACK,
        TestTimeAug=TTA,
        MultiScaleFlipAug=TTA,
    ),
    own.DATASETS.name: dict(
        BaseDataset="use FolderDataset, or derive from daseg.datasets.SegDataset",
        ConcatDataset="use dict(type='MixedDataset', datasets=[...])",
        RepeatDataset="leave it out: EndlessSampler goes over a data set again and again",
        ClassBalancedDataset="use RandomCrop with cat_max_ratio or min_classes, or a "
        "MixedDataset with weights",
    ),
    own.DATA_SAMPLERS.name: dict(
        InfiniteSampler="it cannot start at a position, which an exact resume needs; use "
        "dict(type='EndlessSampler') to train, dict(type='DefaultSampler', shuffle=False) else",
    ),
    own.FUNCTIONS.name: dict(pseudo_collate=COLLATE, default_collate=COLLATE),
    own.LOOPS.name: dict(EpochBasedTrainLoop=LOOP, IterBasedTrainLoop=LOOP),
    own.OPTIM_WRAPPERS.name: dict(
        ApexOptimWrapper=AMP, ColossalAIOptimWrapper=AMP, DeepSpeedOptimWrapper=AMP
    ),
    own.OPTIM_WRAPPER_CONSTRUCTORS.name: dict(
        DefaultOptimWrapperConstructor="use constructor='OptimizersByNetwork'"
    ),
    own.HOOKS.name: dict(
        EMAHook="use model.teacher_momentum, whose teacher is validated, saved and resumed",
        NaiveVisualizationHook="use daseg predict or daseg panel",
        PrepareTTAHook=TTA,
        NPUProfilerHook="it needs Ascend's NPUs; use daseg benchmark",
        SyncBuffersHook="it works at the end of an epoch, and there are none; buffers follow the "
        "first process before each validation: leave it out",
    ),
    own.OPTIMIZERS.name: dict(
        LBFGS="its steps evaluate the loss several times; use SGD or AdamW",
        SparseAdam="it needs sparse gradients; use Adam",
        ZeroRedundancyOptimizer="its state is spread over processes and would be missing in "
        "checkpoints; use AdamW",
        Muon="it takes matrices alone, and networks have biases and convolutions; use AdamW",
    ),
    own.PARAM_SCHEDULERS.name: dict(
        OneCycleParamScheduler="its state holds a function, which no checkpoint may; use "
        "LinearRamp and then CosineAnnealingLR",
        ReduceOnPlateauParamScheduler="it counts epochs, and there are none; use PolyDecay, or "
        "EarlyStoppingHook",
    ),
    own.MODELS.name: dict(
        BaseTTAModel=TTA,
        ExponentialMovingAverage="use model.teacher_momentum",
        MomentumAnnealingEMA="use model.teacher_momentum",
        StochasticWeightAverage="use several checkpoints in daseg test",
        BaseDataPreprocessor="the model is a DomainAdapter or a translation",
        ImgDataPreprocessor="the model is a DomainAdapter or a translation",
    ),
}
# What a backend writes with, and the name to install it by.
PACKAGES = dict(
    WandbVisBackend="wandb",
    MLflowVisBackend="mlflow",
    ClearMLVisBackend="clearml",
    NeptuneVisBackend="neptune",
    DVCLiveVisBackend="dvclive",
    AimVisBackend="aim",
    TensorboardVisBackend="tensorboard",
)
LIBRARIES = ("mmengine.", "mmcv.", "torch.")


def why_unfit(part: Any, registry: mm.Registry | None) -> str | None:
    """Why a part cannot be used, and what to use instead; None where it can.

    Args:
        part: The class or function.
        registry: The registry that it is built by; None: any.
    """
    tables = [UNFIT.get(registry.name, {})] if registry is not None else list(UNFIT.values())
    for base in part.__mro__ if inspect.isclass(part) else (part,):
        name, home = getattr(base, "__name__", ""), f"{getattr(base, '__module__', '')}."
        for table in tables:
            if name in table and home.startswith(LIBRARIES):
                return table[name]
    package = PACKAGES.get(getattr(part, "__name__", ""))
    if package and importlib.util.find_spec(package) is None:
        return f"it needs the package {package!r}: pip install {package}, or leave it out"
    return None


def wrong_place(part: Any, path: str) -> str | None:
    """Why a loop or sampler that is right elsewhere cannot be used at this place of a config."""
    trains = hasattr(part, "start_at")  # of the training alone
    if path == "train_dataloader.sampler" and not trains:
        return (
            "it cannot start at a position, which an exact resume needs; use "
            "dict(type='EndlessSampler'), for a DomainPair dict(type='PairSampler')"
        )
    if path in ("val_dataloader.sampler", "test_dataloader.sampler") and trains:
        return "it never ends; use dict(type='DefaultSampler', shuffle=False)"
    if path == "train_cfg" and not trains:
        return LOOP
    for key, loop in (("val_cfg", "ValLoop"), ("test_cfg", "TestLoop")):
        if path == key and not any(base.__name__ == loop for base in inspect.getmro(part)):
            return f"use dict(type={loop!r})"
    return None
