"""Two processes on one device: a step equals that of one process with both batches.

    python tests/gpu/two_processes.py OUT.json --device cuda

They talk through gloo, for NCCL refuses two processes on one GPU.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from mmengine.logging import MessageHub

from daseg.engine.distributed import NetworkDDP
from daseg.engine.optim import OptimizersByNetwork
from daseg.registry import MODELS

CLASSES, SIZE = 3, (48, 64)
ADVERSARIAL: dict[str, Any] = dict(
    type="DomainAdapter",
    segmentor=dict(
        type="Segmentor",
        num_classes=CLASSES,
        backbone=dict(type="ResNet", depth=18, norm="gn"),  # batch norm sees its own batch
        head=dict(type="DeepLabV2Head"),
    ),
    objectives=[
        dict(type="Supervised"),
        dict(
            type="OutputAdversarial",
            level="main",
            weight=0.01,
            discriminator=dict(type="FCDiscriminator", channels=8),
        ),
    ],
)


def batch(rows: slice) -> dict[str, Any]:
    """Some rows of a batch of four images of each domain."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (2, 4, 3, *SIZE), generator=generator).byte()
    label = torch.randint(0, CLASSES, (4, *SIZE), generator=generator)
    return dict(
        source=dict(image=images[0, rows], label=label[rows]), target=dict(image=images[1, rows])
    )


def step(rows: slice, device: str, wrap: Any = lambda model: model) -> dict[str, torch.Tensor]:
    """The weights after a step of SGD on these rows."""
    hub = MessageHub.get_current_instance()
    hub.update_info("iter", 0)
    hub.update_info("seed", 0)
    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    model = MODELS.build(ADVERSARIAL).to(device).train()
    own = dict(optimizer=dict(type="SGD", lr=0.1))
    optimizers = OptimizersByNetwork(dict(segmentor=own, discriminators=own))(model)
    wrap(model).train_step(batch(rows), optimizers)
    return {
        name.replace("module.", ""): value.detach().cpu()
        for name, value in model.named_parameters()
    }


def work(rank: int, device: str, folder: str) -> None:
    """One of the two."""
    torch.set_num_threads(1)
    if device == "cuda":
        torch.cuda.set_device(0)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    torch.save(step(slice(2 * rank, 2 * rank + 2), device, NetworkDDP), f"{folder}/{rank}.pth")
    dist.destroy_process_group()


def main() -> None:
    """Compare, write the largest differences as JSON; an error where they are too large."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--device", default="cuda")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(work, (args.device, folder), nprocs=2)
        first, second = (torch.load(Path(folder, f"{rank}.pth")) for rank in range(2))
    alone, half = step(slice(0, 4), args.device), step(slice(0, 2), args.device)
    found = dict(
        between_processes=largest(first, second),
        to_one_process=largest(first, alone),
        to_one_without_the_other=largest(first, half),
    )
    args.out.write_text(json.dumps(found))
    assert found["between_processes"] == 0.0, found
    assert found["to_one_process"] < min(1e-4, 0.1 * found["to_one_without_the_other"]), found


def largest(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    """The largest difference of two sets of weights."""
    return max(float((a[name] - b[name]).abs().max()) for name in a)


if __name__ == "__main__":
    main()
