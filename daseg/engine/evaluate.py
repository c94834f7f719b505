"""Evaluate a checkpoint of a config: what ``daseg test`` does."""

import copy
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from mmengine import Config
from mmengine.dist import is_main_process
from mmengine.evaluator import Evaluator

from daseg.config.load import load_config
from daseg.engine.adabn import adapt_to_images, adapted_checkpoint, target_images
from daseg.engine.average import (
    Checkpoints,
    checkpoint_paths,
    load_networks,
    stated_inference,
    training_of,
)
from daseg.engine.checkpoint import read_checkpoint, which_network, write_checkpoint
from daseg.engine.class_check import check_testing
from daseg.engine.distributed import starts_first
from daseg.engine.labelled import check_labelled
from daseg.engine.runner import Runner
from daseg.engine.tested import TestedSegmentor
from daseg.evaluation import IoUMetric, IoUResult
from daseg.evaluation.protocol import BATCH_NORM, write_card
from daseg.segmentor import segmentor_config, without_initial_weights
from daseg.utils.errors import ConfigError
from daseg.utils.lock import locked
from daseg.utils.pseudo_labels import CHOSEN
from daseg.utils.verbosity import is_verbose
from daseg.utils.writable import check_file, check_folder, writing
from daseg.visualization.figures import draw_matrices
from daseg.weights.strict import Network

LOCK = ".test.lock"  # not a training's: a test may write into the folder of one that runs


def evaluate(
    config: str | Path,
    checkpoint: Checkpoints,
    *,
    out: str | Path | None = None,
    tta: bool = False,
    seed_log: str | Path | None = None,
    launcher: str = "none",
    cfg_options: dict[str, Any] | None = None,
    world: str | None = None,
    adabn: bool | str | Path = False,
    keep: str | Path | None = None,
    network: Network | None = None,
) -> IoUResult | None:
    """Evaluate a checkpoint on the config's test images; print and write the result.

    Args:
        config: The config file.
        checkpoint: A checkpoint of a training, or of ``daseg convert``. Of several,
            the mean of their networks' probabilities is evaluated.
        out: Folder for the table, the confusion matrix and the protocol card; default
            ``<folder of the checkpoint>/test_<its name>``, of N checkpoints the first's and
            ``_mean_of_N``, and ``_teacher``, ``_student`` and ``_adabn`` with those options.
        tta: Predict as the config's key ``tta`` says: several scales, flipped.
        seed_log: Also write the result as AdaptSegNet's evaluation prints it, to this file.
        launcher: "none", "pytorch" or "slurm".
        cfg_options: Overrides by dotted key.
        world: Evaluate in a small world: "demo" or "camvid".
        adabn: Take the statistics of batch norm from target images first (`daseg.engine.adabn`):
            True for those of the `DomainPair` that the config trains on, or a folder of images.
            Each network of several is adapted by itself.
        keep: With ``adabn``, write the adapted network to this file: a checkpoint, weights only.
        network: Which network of a training with a teacher is evaluated: the "teacher" or the
            "student"; default the one that was validated.

    Returns:
        The result; None in processes other than the first.

    Raises:
        ConfigError: The config is wrong, or says nothing about testing.
        CheckpointError: The checkpoint cannot be read or does not fit, or has no teacher.
        FolderInUseError: Another test writes into the same folder.
    """
    if out is not None:
        check_folder(out, "--out")
    if seed_log is not None:
        check_file(seed_log, "--seed-log")
    if "model.evaluate" in (cfg_options or {}):
        raise ConfigError(
            "model.evaluate is an option of the training; which network of a finished checkpoint "
            "is tested, --network teacher or --network student says"
        )
    cfg = load_config(config, cfg_options, world=world)
    config_text = cfg.pretty_text  # as the user wrote it: the hash names config and overrides
    if world is not None:
        cfg.world = world  # for who reads the config that the test leaves
    paths = checkpoint_paths(checkpoint)
    # A wrong path is an error before anything is built.
    evaluated = [which_network(read_checkpoint(path)) for path in paths]
    if keep is not None:
        _check_keep(keep, paths, adabn)
    if out is None:
        mean = f"_mean_of_{len(paths)}" if len(paths) > 1 else ""
        which = f"_{network}" if network else ""
        out = paths[0].parent / f"test_{paths[0].stem}{mean}{which}{'_adabn' if adabn else ''}"
    out = check_folder(out, "--out")
    images = target_images(cfg, None if adabn is True else adabn) if adabn else None
    inference = stated_inference(cfg, "test_cfg")
    whole = copy.deepcopy(cfg)
    prepare(cfg, out, tta=tta, seed_log=seed_log, launcher=launcher)
    with locked(out, name=LOCK) if starts_first() else nullcontext():
        with writing(out):  # the log
            runner = Runner.from_cfg(cfg)
        networks, metas = load_networks(runner.bare_segmentor, paths, network)
        check_testing(runner, whole, paths, metas)
        problem = check_labelled(runner.test_dataloader.dataset, "test_dataloader")
        if problem:
            runner.logger.warning(problem)
        metric = _iou_metric(runner.test_evaluator)
        norms = [meta.get("batch_norm", BATCH_NORM) for meta in metas]
        if images is not None:
            norms = [adapt_to_images(one, images, cfg.test_dataloader) for one in networks]
        if keep is not None and is_main_process():
            adapted = adapted_checkpoint(read_checkpoint(paths[0]), networks[0], norms[0], network)
            write_checkpoint(adapted, keep)
        kinds = sorted({network or one or "student" for one in evaluated}, reverse=True)
        further = getattr(runner.test_loop, "sets", ())
        measured = {"": metric} | {one.name: _iou_metric(one.evaluator) for one in further}
        with writing(out):
            runner.test()
            draw_matrices(measured.values())
        shown: list[str] = []
        for name, own in measured.items():
            if own.last_result is None:  # the first process adds up what all have counted
                continue
            folder = out / name
            card = write_card(
                folder,
                config=config if world is None else f"{config} --world {world}",
                config_text=config_text,
                weights=paths[0],
                averaged_with=paths[1:],
                result=own.last_result,
                **training_of(metas),
                network=" and ".join(kinds) if any(evaluated) else None,
                pseudo_labels=[m["pseudo_labels"] for m in metas if m.get("pseudo_labels")],
                target_labels=max(m.get(CHOSEN, 0) for m in metas),
                batch_norm="; ".join(dict.fromkeys(norms)),
                inference=inference,
                tta=dict(cfg.tta) if tta else {},
                device=runner.bare_segmentor.device,
            )
            heading = [] if not name else ["", f"{name}:"]
            table = [] if is_verbose() else ["", own.last_result.table()]  # the whole log has it
            shown += [*heading, *table, "", *card.lines(), f"\nwritten to {folder}"]
        if shown:
            print("\n".join(shown))
    return metric.last_result


def _check_keep(keep: str | Path, paths: Sequence[Path], adabn: bool | str | Path) -> None:
    check_file(keep, "--keep")
    if not adabn or len(paths) > 1:
        raise ConfigError("--keep writes the network that --adabn makes of a single checkpoint")
    if Path(keep).resolve() == paths[0].resolve():
        raise ConfigError(f"--keep {keep} is the checkpoint that is tested: give another file")


def prepare(
    cfg: Config,
    out: Path,
    *,
    tta: bool = False,
    seed_log: str | Path | None = None,
    launcher: str = "none",
) -> None:
    """Reduce a config to its test: a segmentor without initial weights, results into ``out``."""
    if cfg.get("test_dataloader") is None or cfg.get("test_evaluator") is None:
        raise ConfigError(f"{cfg.filename} has no test_dataloader and test_evaluator")
    for key in ("train", "val"):
        for part in ("dataloader", "cfg", "evaluator"):
            cfg.pop(f"{key}_{part}", None)
    # load_from would put the initial weights of the training in the place of the checkpoint's.
    for key in ("optim_wrapper", "param_scheduler", "load_from", "resume", "sync_bn", "compile"):
        cfg.pop(key, None)
    cfg.work_dir, cfg.launcher = str(out), launcher
    layout = {k: cfg.model[k] for k in ("channels_last",) if k in cfg.model}
    cfg.model = dict(type=TestedSegmentor.__name__, segmentor=segmentor_config(cfg), **layout)
    without_initial_weights(cfg.model)
    if tta:
        use_tta(cfg)
    evaluators = cfg.test_evaluator
    for evaluator in evaluators if isinstance(evaluators, list) else [evaluators]:
        if evaluator.type == "IoUMetric":
            evaluator.out_dir = str(out)
            if seed_log:
                evaluator.seed_log = str(seed_log)


def use_tta(cfg: Config) -> None:
    """Put the config's test-time augmentation around its inference."""
    if "tta" not in cfg:
        raise ConfigError(
            f"--tta: {cfg.filename} has no key 'tta'; for example "
            "tta = dict(type='MultiScaleFlip', scales=[0.75, 1.0, 1.25], flip=True)"
        )
    segmentor = segmentor_config(cfg)
    tta = dict(cfg.tta)
    if "inference" in segmentor:
        tta.setdefault("inference", segmentor["inference"])
    segmentor["inference"] = tta


def _iou_metric(evaluator: Evaluator) -> IoUMetric:
    found = [metric for metric in evaluator.metrics if isinstance(metric, IoUMetric)]
    if not found:
        raise ConfigError("test_evaluator has no IoUMetric")
    return found[0]
