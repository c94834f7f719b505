"""Train a config from its file: what ``daseg train`` does."""

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from mmengine import Config

from daseg.config.load import load_config
from daseg.config.text import config_text
from daseg.config.work_dirs import default_work_dir
from daseg.engine.checkpoint import DAMAGED, latest_checkpoint, set_damaged_aside
from daseg.engine.distributed import starts_first
from daseg.engine.outside import saying_what_is_whole
from daseg.engine.runner import Runner
from daseg.utils.errors import CheckpointError, ConfigError
from daseg.utils.files import remove_leftovers
from daseg.utils.lock import locked
from daseg.utils.signals import Stopped, obeyed
from daseg.utils.verbosity import is_verbose
from daseg.utils.writable import check_folder


def train(
    config: str | Path,
    *,
    work_dir: str | Path | None = None,
    resume: bool = False,
    resume_from_whole: bool = False,
    amp: bool = False,
    compile: bool = False,
    launcher: str = "none",
    cfg_options: dict[str, Any] | None = None,
    print_config: bool = False,
    world: str | None = None,
) -> Runner | None:
    """Train a config file; return the runner after training.

    Args:
        config: The config file.
        work_dir: Where checkpoints and logs go; default ``work_dirs/<config name>``, in a
            world ``work_dirs/<world>/<config's folder>_<config name>``.
        resume: Go on from the newest checkpoint of the work dir.
        resume_from_whole: Go on from the newest one that is whole; those behind it are renamed.
        amp: Train in mixed precision (bfloat16).
        compile: Compile the networks with ``torch.compile``: ``model.compiled``.
        launcher: "none", or what started the processes: "pytorch" (torchrun) or "slurm".
        cfg_options: Overrides by dotted key.
        print_config: Only print the config as it will be used.
        world: Train in a small world: "demo" or "camvid".

    Raises:
        ConfigError: The config is wrong, the work dir holds another run's checkpoints, or another
            training runs in it.
        CheckpointError: There is none where ``load_from`` says, or one cannot be loaded.
        Stopped: A signal has asked to stop (in the main thread); what is done is saved.
    """
    is_first = starts_first()
    show = is_first and (print_config or is_verbose())
    cfg = load_config(
        config, cfg_options, amp=amp, compiled=compile, world=world, show_changes=show
    )
    for key in ("train_dataloader", "train_cfg", "optim_wrapper"):
        if not cfg.get(key):
            raise ConfigError(f"{config} cannot be trained: it has no {key}")
    given = cfg.get("work_dir") if work_dir is None else work_dir
    cfg.work_dir = str(default_work_dir(config, world) if given is None else given)
    if world is not None:
        cfg.world = world  # for who reads the config that the run leaves
    cfg.resume = resume or resume_from_whole
    cfg.launcher = launcher
    if print_config:
        print(config_text(cfg._cfg_dict, completed=True))
        return None
    if is_first:
        check_folder(cfg.work_dir, "--work-dir")
    # Of several processes the first writes.
    with locked(cfg.work_dir) if is_first else nullcontext():
        _protect(cfg)
        _find_start(cfg)
        if is_first:
            remove_leftovers(cfg.work_dir)  # half a checkpoint of a run that was killed
            if resume_from_whole:
                for path, why in set_damaged_aside(cfg.work_dir).items():
                    print(f"skipped {path.name}, now {path.name}{DAMAGED}: {why}", file=sys.stderr)
        try:
            with obeyed(), saying_what_is_whole(cfg.work_dir):
                runner = Runner.from_cfg(cfg)
                runner.train()
        except KeyboardInterrupt as stop:
            if is_first and not (isinstance(stop, Stopped) and stop.told):
                newest = latest_checkpoint(cfg.work_dir)
                begin = newest.name if newest else "the beginning"
                print(f"\nstopped; --resume goes on from {begin}", file=sys.stderr)
            raise
        return runner


def _protect(cfg: Config) -> None:
    """Keep a finished or interrupted run from being overwritten by a new one."""
    newest = latest_checkpoint(cfg.work_dir)
    if newest is None:
        return
    if not cfg.resume:
        raise ConfigError(
            f"{cfg.work_dir} holds a run already ({newest.name}): go on with it with --resume, "
            "or choose another --work-dir, or delete it"
        )


def _find_start(cfg: Config) -> None:
    """Look for the checkpoint to start from before all images are looked for."""
    start = cfg.get("load_from")
    if start is None or (cfg.resume and latest_checkpoint(cfg.work_dir) is not None):
        return
    if not Path(start).is_file():
        raise CheckpointError(
            f"load_from: there is no checkpoint {start}, which {cfg.filename} starts from: run the "
            "training that writes it first, or name another one with --cfg-options load_from=FILE; "
            "load_from=None starts from the initial weights of the backbone"
        )
