"""One switch that runs any config in a small world, within minutes: ``--world demo``."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from mmengine import Config, ConfigDict

from daseg.config.schedules import ENDS_WITH_TRAINING, schedulers
from daseg.config.validate import RUNNER_KEYS
from daseg.registry import did_you_mean
from daseg.utils.errors import ConfigError
from daseg.worlds.data import Images, World, world_loader

CAMVID = "CamVid"
WORLDS = {
    "demo": World(
        name="demo",
        size=(256, 128),
        num_classes=19,
        source=Images("GTA5", 400, "gta5"),
        target=Images("Cityscapes", 300, "cityscapes", dict(split="train")),
        val=Images("Cityscapes", 60, "cityscapes", dict(split="val")),
        test=Images("Cityscapes", 60, "cityscapes", dict(split="test")),
        max_iters=120,
        least_interval=30,
        least_batch=4,
        highest_lr=0.01,
        disc_lr_scale=5,
    ),
    "camvid": World(
        name="camvid",
        size=(240, 180),
        num_classes=11,
        source=Images(CAMVID, 305, options=dict(list_file="lists/day_train.txt")),
        target=Images(CAMVID, 62, options=dict(list_file="lists/dusk_train.txt")),
        val=Images(CAMVID, 101, options=dict(list_file="lists/day_val.txt")),
        test=Images(CAMVID, 62, options=dict(list_file="lists/dusk_test.txt")),
        max_iters=160,
        least_interval=40,
        least_batch=4,
        highest_lr=0.01,
        disc_lr_scale=5,
    ),
}
LOG_INTERVAL = 20
# What a translation has in any world in the place of an adaptation's settings.
TRANSLATION: dict[str, Any] = dict(
    max_iters=2000, least_interval=100, least_batch=1, disc_lr_scale=1
)
NARROWED = ("FCDiscriminator", "PatchGANDiscriminator", "ResNetGenerator")
GENERATOR_LR_SCALE = 2.5
# Generators that begin as the identity would otherwise stay there: each change costs the cycle.
CYCLE_WEIGHTS = dict(cycle_weight=2.0, identity_weight=0.5)
SMALL_BLOCKS = 6  # of a generator: CycleGAN's for 128x128 pixels
GENERATOR_STRIDE = 4
# Heads whose dilated branches have batch norm, and their dilations where a config names none.
NORMED_ASPP = ("DeepLabV3Head", "DeepLabV3PlusHead")
ASPP_RATES = (6, 12, 18)


def use_world(cfg: Config, name: str) -> None:
    """Rewrite a config, its bases merged, for a small world.

    Changed are the images and their sizes (resized and cropped by the factor between 1024x512 and
    the world's size, tested at full-size labels as before), the number of classes, the backbone
    (EfficientNet-Lite0 with ImageNet weights), the width of `FCDiscriminator` (a quarter: at this
    size it would cost more than the segmentor), batches of less than four images, and the length
    of the training with all that is counted in iterations. Since hundreds of iterations stand for a
    hundred thousand, the backbone learns as fast as the heads, after a warm-up all as fast as it
    may, the discriminators learn faster, and a polynomial decay ends with the training, where the
    published one is cut off.
    Dilations of `DeepLabV3Head` and `DeepLabV3PlusHead` shrink with the images: at a quarter of the
    size most of their taps would read padding, fewer in a whole image than in a window, and batch
    norm would test with the statistics of windows.
    `BalancedCrossEntropyLoss` learns from all pixels: from the hardest fifth alone, hundreds of
    iterations do not learn to segment. Heads, objectives, other losses, their weights and
    optimizers stay. Helper variables of the config are left out, since they have been computed
    with. Where it goes on from a checkpoint, see `daseg.config.work_dirs.start_in_world`.

    A `CycleGAN` has networks of a quarter of the width and six blocks, trains for longer, and keeps
    its batch. Its generators learn changes to the image (their ``global_skip``), since whole images
    they could not draw sharply in so short a training; 2.5 times as fast, with a cycle that weighs
    2 and an identity loss half as heavy.

    ``demo`` is the embedded world (``tools/make_demo.py``, or where DASEG_DEMO says): GTA5 and
    SYNTHIA are its game, Cityscapes its city, and tests run on its split test. ``camvid`` is CamVid
    (where DASEG_CAMVID says): the source is the day, the target the dusk, validation is by day and
    the test at dusk. A source whose ``label_root`` is not its ``root`` holds translated images; the
    world's own are made with ``tools/translate.py`` and lie in ``gta5_translated`` inside the demo,
    in ``data/camvid_translated``, or where DASEG_DEMO_TRANSLATED and DASEG_CAMVID_TRANSLATED say.

    Args:
        cfg: The config; changed in place.
        name: "demo" or "camvid".

    Raises:
        ConfigError: There is no such world, or the config does not fit it: it is of this world
            already, has other data sets, or states something for each of another number of classes.
    """
    if name not in WORLDS:
        known = did_you_mean(name, WORLDS) or f"; there are {', '.join(WORLDS)}"
        raise ConfigError(f"--world {name}: there is no such world{known}")
    try:
        changed = ConfigDict(_rewritten(cfg._cfg_dict.to_dict(), WORLDS[name]))
    except ConfigError as error:
        raise ConfigError(f"--world {name}: {error}") from None
    for key in list(cfg):
        if key not in changed:
            cfg.pop(key)
    for key, value in changed.items():
        cfg[key] = value


def _rewritten(cfg: dict[str, Any], world: World) -> dict[str, Any]:
    cfg = {key: value for key, value in cfg.items() if key in RUNNER_KEYS}
    translates = "source_to_target" in (cfg.get("model") or {})
    if translates:  # it has no batch norm, and more of it to learn
        world = replace(world, **TRANSLATION)
    for split in ("train", "val", "test"):
        loader = cfg.get(f"{split}_dataloader")
        if loader and "dataset" in loader:
            cfg[f"{split}_dataloader"] = world_loader(loader, split, world)
    if isinstance(cfg.get("model"), dict):
        if "segmentor" in cfg["model"] or not translates:
            _change_segmentor(cfg["model"].get("segmentor", cfg["model"]), world)
        _change_model(cfg["model"], world)
        cfg["model"] |= CYCLE_WEIGHTS if translates else {}
    if translates:
        _align_crops(cfg.get("train_dataloader"))
    for key in ("val_evaluator", "test_evaluator"):
        if cfg.get(key) and world.num_classes != 19:
            cfg[key] = _without_subsets(cfg[key])
    if (cfg.get("train_cfg") or {}).get("max_iters"):
        _change_schedule(cfg, world)
    _change_rates(cfg, world)
    return cfg


def _align_crops(loader: Any) -> None:
    """Let windows be multiples of what a generator shrinks them by, so that it pads nothing."""
    for _, node in _dicts(loader):
        if "crop_size" in node:
            node["crop_size"] = tuple(side - side % GENERATOR_STRIDE for side in node["crop_size"])


def _change_segmentor(segmentor: dict[str, Any], world: World) -> None:
    backbone = segmentor["backbone"]
    kept = {k: backbone[k] for k in ("frozen_affine", "update_stats") if k in backbone}
    weights = None if backbone.get("weights") is None else "package"
    segmentor["backbone"] = dict(
        type="EfficientNetLite0", output_stride=16, weights=weights, **kept
    )
    for key in ("head", "aux_head"):
        head = segmentor.get(key)
        if head and head.get("type") in NORMED_ASPP:
            scale = world.size[0] / 1024
            head["rates"] = [max(1, int(r * scale + 0.5)) for r in head.get("rates", ASPP_RATES)]
    segmentor["num_classes"] = world.num_classes
    segmentor |= dict(mean=(127, 127, 127), std=(128, 128, 128), to_bgr=False)


def _change_model(model: dict[str, Any], world: World) -> None:
    for _, node in _dicts(model):
        if node.get("type") in NARROWED:
            node["channels"] = node.get("channels", 64) // 4
        if node.get("type") == "BalancedCrossEntropyLoss":
            node["hard_percent"] = 0
        if node.get("type") == "ResNetGenerator":
            node["blocks"] = min(node.get("blocks", 9), SMALL_BLOCKS)
            node["global_skip"] = True
    area = world.size[0] * world.size[1] / (1024 * 512)
    for path, node in _dicts(model):
        if "num_classes" in node:
            node["num_classes"] = world.num_classes
        if "rare_pixels" in node:  # of a class in an image
            node["rare_pixels"] = round(node["rare_pixels"] * area)
        for key in ("crop_size", "stride"):  # of an inference in windows
            if isinstance(node.get(key), (list, tuple)):
                node[key] = world.cropped(node[key])
        per_class = node.get("class_weights")
        if per_class is not None and len(per_class) != world.num_classes:
            raise ConfigError(
                f"{path}.class_weights has {len(per_class)} entries, but the world has "
                f"{world.num_classes} classes"
            )


def _dicts(node: Any, path: str = "model") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every dict at and below a node, with its place."""
    if isinstance(node, dict):
        yield path, node
    if isinstance(node, (dict, list, tuple)):
        for key, child in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _dicts(child, f"{path}.{key}")


def _without_subsets(evaluator: Any) -> Any:
    """A metric without the choices that name the real world's classes."""
    if isinstance(evaluator, list):
        return [_without_subsets(one) for one in evaluator]
    return {k: v for k, v in evaluator.items() if k not in ("classes", "subsets", "subset_means")}


def _change_schedule(cfg: dict[str, Any], world: World) -> None:
    """Scale whatever is counted in iterations."""
    ratio = world.max_iters / cfg["train_cfg"]["max_iters"]
    cfg["train_cfg"]["max_iters"] = world.max_iters
    _scale_interval(cfg["train_cfg"], "val_interval", ratio, world)
    for _, scheduler in schedulers(cfg.get("param_scheduler")):
        begin = round(scheduler.get("begin", 0) * ratio)
        if "begin" in scheduler:
            scheduler["begin"] = begin
        if scheduler["type"] in ENDS_WITH_TRAINING:  # a short one has to come to rest
            scheduler.pop("end", None)
        elif "end" in scheduler:
            late = scheduler["type"] != "LinearRamp"  # the end of mmengine's is one more
            scheduler["end"] = max(begin + 1, round((scheduler["end"] - late) * ratio)) + late
    for _, objective in _dicts((cfg.get("model") or {}).get("objectives"), "model.objectives"):
        for key in ("begin", "end"):
            if objective.get(key):
                objective[key] = max(1, round(objective[key] * ratio))
    hooks = cfg.get("default_hooks") or {}
    for hook in [*hooks.values(), *(cfg.get("custom_hooks") or [])]:
        if hook is not hooks.get("logger"):
            for key in ("interval", "picture_interval", "patience"):
                _scale_interval(hook, key, ratio, world)
            if isinstance(hook, dict) and hook.get("iterations"):
                hook["iterations"] = sorted({max(1, round(i * ratio)) for i in hook["iterations"]})
    if hooks.get("logger"):
        hooks["logger"]["interval"] = LOG_INTERVAL


def _scale_interval(node: Any, key: str, ratio: float, world: World) -> None:
    if isinstance(node, dict) and node.get(key):
        node[key] = min(node[key], max(world.least_interval, round(node[key] * ratio)))


def _change_rates(cfg: dict[str, Any], world: World) -> None:
    """Let all of the segmentor learn as fast as its heads, and the discriminators faster.

    After a warm-up it bears the highest rate, without it diverges at first.
    """
    networks = cfg.get("optim_wrapper") or {}
    if "segmentor" in networks:
        optimizer = networks["segmentor"]["optimizer"]
        factors = networks["segmentor"].pop("lr_mult", {}).values()
        optimizer["lr"] = min(optimizer["lr"] * max([1, *factors]), world.highest_lr)
        of_all = cfg.get("param_scheduler") or {}
        own = of_all.get("segmentor", []) if isinstance(of_all, dict) else of_all
        if any(scheduler["type"] in ("LinearRamp", "LinearLR") for _, scheduler in schedulers(own)):
            optimizer["lr"] = world.highest_lr
    if "generators" in networks:
        networks["generators"]["optimizer"]["lr"] *= GENERATOR_LR_SCALE
    if "discriminators" in networks:
        networks["discriminators"]["optimizer"]["lr"] *= world.disc_lr_scale


def changes(before: dict[str, Any], after: dict[str, Any]) -> str:
    """What a world has changed, a line for each value: ``place: old -> new``."""
    old, new = dict(_values(before)), dict(_values(after))
    lines = []
    for key in {**old, **new}:
        if key.split(".")[0] in RUNNER_KEYS and old.get(key, "-") != new.get(key, "-"):
            lines.append(f"  {key}: {old.get(key, '-')} -> {new.get(key, '-')}")
    return "\n".join(lines)


def _values(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value below a node that holds no dict, with its place."""
    holds_dicts = isinstance(node, (list, tuple)) and any(isinstance(c, dict) for c in node)
    if isinstance(node, dict) or holds_dicts:
        for key, child in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _values(child, f"{path}.{key}".lstrip("."))
    else:
        yield path, tuple(node) if isinstance(node, list) else node
