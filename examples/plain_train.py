"""Train AdaptSegNet in plain Python, in the embedded world: no config, no runner, no global state.

python examples/plain_train.py --iters 200
"""

import argparse
from pathlib import Path

import torch
from torch.optim.lr_scheduler import PolynomialLR
from torch.utils.data import DataLoader

from daseg.adaptation import DomainAdapter
from daseg.datasets import GTA5, Cityscapes, DomainPair, PairSampler, collate
from daseg.engine.optim import OptimizersByNetwork
from daseg.evaluation.confusion import confusion_matrix, iou_per_class, mean
from daseg.objectives import OutputAdversarial, Supervised
from daseg.segmentor import Segmentor
from daseg.utils.seed import seed_everything
from daseg.worlds.drawing import make_world

STEPS = [dict(type="LoadImageFromFile"), dict(type="LoadLabel"), dict(type="PackSample")]
FC = dict(type="FCDiscriminator", channels=16)
HEAD = dict(type="DeepLabV2Head", branches=2)


def main(argv: list[str] | None = None) -> float:
    parser = argparse.ArgumentParser(description="Train AdaptSegNet in the embedded world.")
    parser.add_argument("--root", type=Path, default=Path("data/demo"), help="drawn where missing")
    parser.add_argument("--size", type=int, nargs=2, default=(512, 256), metavar=("W", "H"))
    parser.add_argument("--images", type=int, default=100, help="for each domain, where drawn")
    parser.add_argument("--iters", type=int, default=200)
    args = parser.parse_args(argv)
    if not args.root.exists():
        n = args.images
        make_world(args.root, size=args.size, num_source=n, num_target=n, num_val=n, num_test=0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    seed_everything(0)

    source = GTA5(args.root / "gta5", pipeline=STEPS)
    target = Cityscapes(args.root / "cityscapes", split="train", labels=False, pipeline=STEPS)
    pair = DomainPair(source, target)
    loader = DataLoader(pair, 2, sampler=PairSampler(pair, seed=0), collate_fn=collate)

    segmentor = Segmentor(dict(type="ResNet", depth=18), HEAD, HEAD | dict(in_index=-2))
    objectives = [
        Supervised(aux_weight=0.1),
        OutputAdversarial(FC, level="main", weight=0.001),
        OutputAdversarial(FC, level="aux", weight=0.0002),
    ]
    adapter = DomainAdapter(segmentor, objectives).to(device).train()
    sgd = dict(type="SGD", lr=0.01, momentum=0.9, weight_decay=5e-4)
    adam = dict(type="Adam", lr=1e-4, betas=(0.9, 0.99))
    networks = dict(segmentor=dict(optimizer=sgd), discriminators=dict(optimizer=adam))
    optimizers = OptimizersByNetwork(networks)(adapter)
    schedules = [PolynomialLR(o.optimizer, args.iters, power=0.9) for o in optimizers.values()]
    for number, batch in zip(range(1, args.iters + 1), loader, strict=False):
        losses = adapter.train_step(batch, optimizers)
        for schedule in schedules:
            schedule.step()
        if number % 20 == 0 or number == args.iters:
            print(f"{number}:", *(f"{name} {value:.4f} " for name, value in losses.items()))

    matrix, val = 0, Cityscapes(args.root / "cityscapes", split="val", pipeline=STEPS)
    adapter.eval()
    for batch in DataLoader(val, 1, collate_fn=collate):
        for sample in adapter.val_step(batch):
            matrix = matrix + confusion_matrix(sample["pred"], sample["label"], 19)
    miou = 100 * mean(iou_per_class(matrix))
    print(f"mIoU on the target: {miou:.2f}")
    return miou


if __name__ == "__main__":
    main()
