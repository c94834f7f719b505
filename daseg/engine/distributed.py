"""Several processes: how they find each other, and how gradients are averaged."""

import atexit
import gc
import os
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from mmengine.dist import is_distributed
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from daseg.registry import MODEL_WRAPPERS
from daseg.utils.errors import ConfigError
from daseg.utils.parent import end_with

TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
SLURM = dict(RANK="SLURM_PROCID", WORLD_SIZE="SLURM_NTASKS", LOCAL_RANK="SLURM_LOCALID")


def init_processes(launcher: str, timeout: int = 1800) -> None:
    """Join the process group that ``torchrun`` or ``srun`` has started: NCCL on CUDA, else gloo.

    mmengine's own start needs CUDA. A group that exists already is kept.

    Args:
        launcher: "pytorch" (torchrun) or "slurm".
        timeout: Seconds after which a process that waits for the others gives up.

    Raises:
        ConfigError: The launcher's environment variables are missing, or it has started more
            processes on this machine than there are GPUs.
    """
    if is_distributed():
        return
    if launcher == "slurm":
        for name, source in SLURM.items():
            if source in os.environ:
                os.environ[name] = os.environ[source]
        os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
        os.environ.setdefault("MASTER_PORT", "29500")
    missing = [name for name in TORCHRUN if name not in os.environ]
    if missing:
        raise ConfigError(
            f"--launcher {launcher} needs the environment variables {', '.join(missing)}: "
            "start with daseg train CONFIG --gpus N, on several machines with tools/dist_train.sh "
            "CONFIG N, or under srun with tools/slurm_train.sh"
        )
    use_cuda = torch.cuda.is_available()
    if use_cuda:
        _check_gpus(int(os.environ.get("LOCAL_WORLD_SIZE", 1)), torch.cuda.device_count())
        # Under Slurm a process may see its own GPU alone.
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
    end_with(os.getppid())  # the launcher: without it nobody would end this process
    dist.init_process_group("nccl" if use_cuda else "gloo", timeout=timedelta(seconds=timeout))
    if not use_cuda:  # NCCL would wait for the others, also where this process ends by an error
        atexit.register(_leave)


def starts_first() -> bool:
    """Whether this process is the first one, by what its launcher says, before they are joined."""
    return os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")) == "0"


def _check_gpus(processes: int, gpus: int) -> None:
    """Refuse what NCCL fails with, "Duplicate GPU detected"."""
    if processes > gpus:
        raise ConfigError(
            f"{processes} processes were started on this machine, which has {gpus} GPU"
            f"{'' if gpus == 1 else 's'}: start at most one for each (--gpus {gpus}), "
            "or all of them on the CPU, with CUDA_VISIBLE_DEVICES=''"
        )


def _leave() -> None:
    """Leave the group while Python still runs: its threads abort a process that just ends.

    They end with the last object that knows the group. The wrapped networks do, in cycles of
    references that only the garbage collector frees.
    """
    if dist.is_initialized():
        dist.destroy_process_group()
        gc.collect()


def synchronize_batch_norm(model: nn.Module) -> nn.Module:
    """Let batch norm see the batches of all GPUs.

    Raises:
        ConfigError: There is no GPU, or a layer does more than batch norm (timm's, which have the
            activation built in), which torch would silently replace by batch norm alone.
    """
    if not torch.cuda.is_available():
        raise ConfigError(
            "sync_bn: torch synchronises batch norm between GPUs only; on CPUs leave each process "
            "its own: --cfg-options sync_bn=None"
        )
    plain = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and type(module) not in plain:
            raise ConfigError(
                f"sync_bn: {name} is a {type(module).__name__}, of which torch would keep the "
                "batch norm alone: --cfg-options sync_bn=None, or a backbone with plain batch norm"
            )
    return nn.SyncBatchNorm.convert_sync_batchnorm(model)


@torch.no_grad()
def follow_first_process(model: nn.Module) -> None:
    """Give every process the buffers (running statistics) of the first one.

    Counts of steps, which stay on the host, are equal anyway.
    """
    if is_distributed():
        device = next(model.parameters()).device
        for buffer in model.buffers():
            if buffer.device == device:
                dist.broadcast(buffer, 0)


@MODEL_WRAPPERS.register_module()
class NetworkDDP(nn.Module):
    """A domain adapter whose trainable networks each average their gradients over the processes.

    Each network is wrapped by itself, since each has its own optimizer and backward pass; the
    adapter's own ``train_step`` runs. A step's first forward pass starts from the buffers (running
    statistics) of the first process, which writes the checkpoint; `follow_first_process` makes
    them equal once more before a validation.

    Args:
        module: A model with ``trainable_networks()``: by the name of its optimizer a network, or a
            ModuleList or ModuleDict of networks. Those of ``projectors``, where it has such, too.
    """

    def __init__(self, module: Any) -> None:
        super().__init__()
        networks: set[nn.Module] = set()
        for group in module.trainable_networks().values():
            several = isinstance(group, nn.ModuleList | nn.ModuleDict)
            networks.update(group.children() if several else [group])
        # Small, and in no pass but that of their objective: they average in each of its passes.
        networks.update(getattr(module, "projectors", ()))
        for parent in list(module.modules()):
            for name, child in list(parent.named_children()):
                if child in networks:
                    setattr(parent, name, _wrap(child))
        self.module = module

    def train_step(self, *args: Any, **kwargs: Any) -> Any:
        """The adapter's train step."""
        return self.module.train_step(*args, **kwargs)

    def val_step(self, *args: Any, **kwargs: Any) -> Any:
        """The adapter's validation step."""
        return self.module.val_step(*args, **kwargs)

    test_step = val_step

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The adapter's forward pass."""
        return self.module(*args, **kwargs)


def _wrap(network: nn.Module) -> nn.Module:
    if not any(p.requires_grad for p in network.parameters()):
        return network
    devices = [torch.cuda.current_device()] if next(network.parameters()).is_cuda else None
    return DistributedDataParallel(network, device_ids=devices)
