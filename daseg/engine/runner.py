"""mmengine's runner, with what it gets wrong made right: checkpoints, resume, processes."""

import copy
import itertools
import time
from pathlib import Path
from typing import Any

import mmengine
import torch
from mmengine import Config
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.logging import MMLogger
from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop
from mmengine.runner import Runner as MMRunner
from torch import Tensor, nn
from torch.utils.data import DataLoader

from daseg.config.building import building, first_step
from daseg.config.settings import LOADERS, check_loops, usable_loader
from daseg.config.text import write_config
from daseg.datasets.domain_pair import refuse_labels_as_images
from daseg.datasets.firewall import take_opened
from daseg.datasets.prepared.use import use_prepared
from daseg.datasets.probe.follow import check_labels_follow
from daseg.datasets.probe.preview import check_whole
from daseg.engine.checkpoint import (
    latest_checkpoint,
    load_groups,
    load_segmentor,
    load_strictly,
    model_state,
    pack_message_hub,
    read_to_resume,
    unpack_message_hub,
    write_checkpoint,
)
from daseg.engine.class_check import check_start
from daseg.engine.distributed import NetworkDDP, init_processes, synchronize_batch_norm
from daseg.engine.finite import check_training, constants
from daseg.engine.header import HeaderHook
from daseg.engine.labelled import check_data
from daseg.engine.provenance import Provenance, checkpoint_meta
from daseg.engine.same_run import check_same_run
from daseg.engine.seen_classes import SeenClassesHook
from daseg.engine.training_state import (
    check_resumable,
    load_optimizers,
    load_schedulers,
    scheduler_states,
    to_cpu,
)
from daseg.segmentor import without_initial_weights
from daseg.utils import signals
from daseg.utils.errors import ConfigError
from daseg.utils.log import replace_handlers
from daseg.utils.workers import workers_of
from daseg.utils.wrapping import unwrap

_run_number = itertools.count()


class Runner(MMRunner):
    """Train, validate and test a config.

    It differs from mmengine's runner in that checkpoints are written atomically and read with
    ``weights_only=True``, weights are loaded strictly, and several processes work on a CPU too.
    """

    _has_loaded: bool
    _origin: Provenance | None = None
    _constants: frozenset[str] = frozenset()
    _timestamp: str
    train_loop: Any
    optim_wrapper: Any
    param_schedulers: Any

    @classmethod
    def from_cfg(cls, cfg: Config) -> "Runner":
        """Build a runner from a config, under a name that no other run of this process has.

        mmengine shares logs and counters between runs of one name and second.
        """
        check_loops(cfg)
        take_opened()  # label files that were opened before are not this run's
        cfg = copy.deepcopy(cfg)
        cfg.setdefault("default_scope", "daseg")
        if cfg.get("prepared"):
            for loader in LOADERS:
                use_prepared((cfg._cfg_dict.get(loader) or {}).get("dataset"), cfg.prepared)
        cfg.experiment_name = f"{Path(cfg.filename or 'run').stem}_{next(_run_number)}"
        with building(f"{cfg.filename}: the run"):
            return super().from_cfg(cfg)

    def setup_env(self, env_cfg: dict[str, Any]) -> None:
        """Join the other processes first: mmengine's own start needs CUDA."""
        if self.distributed:
            init_processes(self.launcher, env_cfg.get("dist_cfg", {}).get("timeout", 1800))
        super().setup_env(env_cfg)
        # mmengine names the log's folder by the second. A run that is resumed in the second in
        # which it began would write into the same files; the first process looks, for all.
        while is_main_process() and Path(self.work_dir, self._timestamp).exists():
            time.sleep(0.1)
            self._timestamp = time.strftime("%Y%m%d_%H%M%S")
        agreed = [self._timestamp]
        broadcast_object_list(agreed)
        self._timestamp = agreed[0]

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        """Build the log, which raises an error where it cannot be written."""
        replace_handlers(logger := super().build_logger(*args, **kwargs))
        return logger

    def wrap_model(self, model_wrapper_cfg: dict[str, Any] | None, model: nn.Module) -> nn.Module:
        """Move the model to its device; average gradients over the processes where there are."""
        if not self.distributed or is_model_wrapper(model):
            return super().wrap_model(model_wrapper_cfg, model)
        if not hasattr(model, "trainable_networks"):  # it is tested: there is nothing to average
            return model.to(mmengine.device.get_device())
        if self.cfg.get("sync_bn"):
            model = synchronize_batch_norm(model)
        return NetworkDDP(model.to(mmengine.device.get_device()))

    def build_model(self, model: nn.Module | dict[str, Any]) -> nn.Module:
        """Build the model; without loading initial weights where a checkpoint brings its own."""
        resumes = self._resume and latest_checkpoint(self.work_dir)
        if isinstance(model, dict) and (resumes or self._load_from is not None):
            model = copy.deepcopy(model)  # the config stays as it is, on the record
            without_initial_weights(model)
        return super().build_model(model)

    @staticmethod
    def build_dataloader(
        dataloader: DataLoader | dict[str, Any], *args: Any, **kwargs: Any
    ) -> DataLoader:
        """Build a loader, without what a machine without GPU, or without workers, cannot use."""
        loader = MMRunner.build_dataloader(usable_loader(dataloader), *args, **kwargs)
        loader.worker_init_fn = signals.leave_to_parent(loader.worker_init_fn)
        return loader

    def train(self) -> nn.Module:
        """Train; a signal that asks to stop raises `Stopped`, after what is done was saved."""
        # torch tells of a dead process wherever the main thread is, also in the midst of a step.
        with signals.obeyed(), first_step(self), workers_of("train_dataloader"):
            return super().train()

    @building("train_cfg or train_dataloader")
    def build_train_loop(self, loop: Any) -> Any:
        """Build the training, in which labels have to follow their images."""
        built = super().build_train_loop(loop)
        check_labels_follow(built.dataloader.dataset, "train_dataloader.dataset")
        return built

    build_optim_wrapper = building("optim_wrapper")(MMRunner.build_optim_wrapper)
    build_param_scheduler = building("param_scheduler")(MMRunner.build_param_scheduler)

    @building("val_cfg, val_dataloader or val_evaluator")
    def build_val_loop(self, loop: Any) -> Any:
        """Build the validation, whose pipeline may do no more than stretch images."""
        built = super().build_val_loop(loop)
        check_whole(built.dataloader.dataset, "val_dataloader.dataset.pipeline")
        refuse_labels_as_images(self._train_loop, built.dataloader.dataset)
        return built

    @building("test_cfg, test_dataloader or test_evaluator")
    def build_test_loop(self, loop: Any) -> Any:
        """Build the test, whose pipeline may do no more than stretch images."""
        built = super().build_test_loop(loop)
        check_whole(built.dataloader.dataset, "test_dataloader.dataset.pipeline")
        return built

    def register_hooks(self, *args: Any, **kwargs: Any) -> None:
        """Register the config's hooks, and those that every run has."""
        super().register_hooks(*args, **kwargs)
        self.register_hook(HeaderHook())
        self.register_hook(SeenClassesHook())

    def dump_config(self) -> None:
        """Write the config, its bases merged, into the work dir: a file that every tool reads."""
        if is_main_process():
            write_config(self.cfg, self.work_dir)

    def get_hooks_info(self) -> str:
        """The hooks in the order in which they run: one line, where mmengine logs eighty."""
        return ", ".join(type(hook).__name__ for hook in self.hooks)

    def test(self) -> dict[str, float]:
        """Test, as mmengine's; raises `WorkerError` where a process that reads has died."""
        with workers_of("test_dataloader"):
            return super().test()

    @property
    def bare_model(self) -> Any:
        """The model (in a training the domain adapter), without the distributed wrapper."""
        return unwrap(self.model)

    def save_checkpoint(
        self,
        out_dir: str,
        filename: str,
        file_client_args: dict[str, Any] | None = None,
        save_optimizer: bool = True,
        save_param_scheduler: bool = True,
        meta: dict[str, Any] | None = None,
        by_epoch: bool = True,
        backend_args: dict[str, Any] | None = None,
    ) -> None:
        """Write a checkpoint of everything a resumed run needs; called by ``CheckpointHook``.

        The first process writes; all are to call it.

        Raises:
            TrainingDivergedError: Something in it is not finite. Nothing is written.
        """
        self.call_hook("hand_on")
        self.check_finite(optimizers=save_optimizer)
        if not is_main_process():
            return
        checkpoint: dict[str, Any] = dict(
            meta=(meta or {}) | checkpoint_meta(self),
            state_dict=model_state(self.model),
            message_hub=pack_message_hub(self.message_hub.state_dict()),
        )
        if save_optimizer:
            checkpoint["optimizer"] = to_cpu(self.optim_wrapper.state_dict())
        if save_param_scheduler and self.param_schedulers is not None:
            checkpoint["param_schedulers"] = scheduler_states(self.param_schedulers)
        self.call_hook("before_save_checkpoint", checkpoint=checkpoint)
        write_checkpoint(checkpoint, Path(out_dir) / filename)

    def check_finite(self, *, optimizers: bool = False) -> None:
        """Stop where weights or buffers are not finite; see `check_training`."""
        own = self.optim_wrapper if optimizers else None
        check_training(self.model, own, self.train_loop.done, self._constants)

    @property
    def origin(self) -> Provenance:
        """Where the weights come from, and what has been seen by those who made them."""
        if self._origin is None:
            self._origin = Provenance(self.train_dataloader.dataset)
        return self._origin

    def load_or_resume(self) -> None:
        """Resume from the work dir's newest checkpoint, or load initial weights, or neither."""
        if self._has_loaded:
            return
        self._has_loaded = True
        self._constants = constants(self.model)
        if isinstance(self._train_loop, BaseLoop):
            check_data(self)
        if self._resume:
            # Where the machines share no disk, the first process's file is missing on the others,
            # which is an error, where starting afresh would make them train different networks.
            newest = [latest_checkpoint(self.work_dir)]
            broadcast_object_list(newest)
            if newest[0] is not None:
                self.resume(str(newest[0]))
                return
            self.logger.warning(f"--resume: no iter_N.pth in {self.work_dir}; starting afresh")
        if self._load_from is not None:
            self._load_initial(self._load_from)

    def _load_initial(self, path: str) -> None:
        """Load what the training starts from: the segmentor; in a translation all networks."""
        if hasattr(self.bare_model, "segmentor"):
            meta = load_segmentor(self.bare_segmentor, path)
            check_start(path, meta, self.train_dataloader.dataset)
        else:
            load_groups(self.bare_model.trainable_networks(), path)
        self.origin.start_from(path)
        self.logger.info(f"weights loaded from {path}")

    @property
    def bare_segmentor(self) -> Any:
        """The segmentor, without wrappers.

        Raises:
            ConfigError: The model has none.
        """
        if not hasattr(self.bare_model, "segmentor"):
            raise ConfigError(
                f"{type(self.bare_model).__name__} has no segmentor, which this is made for"
            )
        return unwrap(self.bare_model.segmentor)

    def resume(self, filename: str, *args: Any, **kwargs: Any) -> None:
        """Restore weights, optimizers, schedules, iteration and log history of a checkpoint.

        Raises:
            CheckpointError: The file lacks the training state, or is of another model, seed or
                number of processes, so that the run would not be the same one.
        """
        checkpoint = read_to_resume(Path(filename))
        check_resumable(checkpoint, filename)
        meta = checkpoint["meta"]
        self.call_hook("after_load_checkpoint", checkpoint=checkpoint)
        check_same_run(self, filename, meta)
        check_start(filename, meta, self.train_dataloader.dataset)
        if isinstance(getattr(self.bare_model, "iteration", None), Tensor):  # older ones lack it
            checkpoint["state_dict"].setdefault("iteration", torch.tensor(meta["iter"]))
        load_strictly(self.model, checkpoint["state_dict"], filename)
        self.origin.resume(meta)
        self.train_loop.start_at(meta["iter"])
        self.message_hub.load_state_dict(unpack_message_hub(checkpoint["message_hub"]))
        self.optim_wrapper = self.build_optim_wrapper(self.optim_wrapper)
        load_optimizers(self.optim_wrapper, checkpoint["optimizer"], filename)
        if self.param_schedulers is not None:
            self.param_schedulers = self.build_param_scheduler(self.param_schedulers)
            load_schedulers(self.param_schedulers, checkpoint.get("param_schedulers"), filename)
        self.logger.info(f"resumed from {filename} at iteration {meta['iter']}")
