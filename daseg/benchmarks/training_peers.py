"""The train steps of peers, driven on any device; each function runs in a process of its own.

Their scripts read arguments and files where they are imported, and call ``.cuda()``. What they
import is used as it is: networks, losses, optimizers, trainers. The loops are written anew.
"""

import io
import tempfile
import warnings
from collections.abc import Iterable
from contextlib import redirect_stdout
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from daseg.api import usable_device
from daseg.benchmarks.peers import peer_module
from daseg.benchmarks.worker import Run
from daseg.ops.labels import IGNORE

CLASSES = 19
MEAN = (104.00698793, 116.66876762, 122.67891434)  # blue, green, red, of all three peers' networks
PARAMETERS = "million parameters"


def adaptsegnet(path: str, size: tuple[int, int], batch: int, device: str) -> Run:
    """One iteration of ``train_gta2cityscapes_multi.py`` with its defaults."""
    place = usable_device(device)
    model = peer_module(path, "model.deeplab_multi").DeeplabMulti(CLASSES).to(place).train()
    make = peer_module(path, "model.discriminator").FCDiscriminator
    discs = [make(CLASSES).to(place).train() for _ in range(2)]  # of the auxiliary, the main output
    rates = SimpleNamespace(learning_rate=2.5e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch tells that it lists weights several times
        optimizer = torch.optim.SGD(
            model.optim_parameters(rates), lr=2.5e-4, momentum=0.9, weight_decay=5e-4
        )
    adams = [torch.optim.Adam(d.parameters(), lr=1e-4, betas=(0.9, 0.99)) for d in discs]
    cross_entropy = peer_module(path, "utils.loss").CrossEntropy2d()
    source, label, target = _images(size, batch, place)
    enlarge = nn.Upsample(size=size[::-1], mode="bilinear", align_corners=True)
    bce = nn.BCEWithLogitsLoss()

    def judge(disc: nn.Module, logits: Tensor, answer: float) -> Tensor:
        found = disc(F.softmax(logits, dim=1))
        return bce(found, torch.full(found.shape, answer).to(place))

    def run() -> dict[str, float]:
        for each in (optimizer, *adams):
            each.zero_grad()
        _learn(discs, False)
        of_source = [enlarge(logits) for logits in model(source)]
        aux, main = (cross_entropy(logits, label.long()) for logits in of_source)
        (main + 0.1 * aux).backward()
        values = dict(loss_seg=main.item(), loss_seg_aux=aux.item())
        of_target = [enlarge(logits) for logits in model(target)]
        against = [judge(d, logits, 0.0) for d, logits in zip(discs, of_target, strict=True)]
        (0.0002 * against[0] + 0.001 * against[1]).backward()
        values |= dict(loss_adv_aux=against[0].item(), loss_adv=against[1].item())
        _learn(discs, True)
        for outputs, answer in ((of_source, 0.0), (of_target, 1.0)):
            for disc, logits in zip(discs, outputs, strict=True):
                loss = judge(disc, logits.detach(), answer) / 2
                loss.backward()
                loss.item()
        for each in (optimizer, *adams):
            each.step()
        return values | {PARAMETERS: _millions([model, *discs])}

    return run


def seg_uncertainty(path: str, size: tuple[int, int], batch: int, device: str) -> Run:
    """One iteration of ``train_ms.py``, the first stage's, before its memory term begins."""
    place = usable_device(device)
    if place.type == "cpu":  # its trainer asks for a GPU wherever it makes something
        for kind in (Tensor, nn.Module):
            patch.object(kind, "cuda", lambda own, *_, **__: own).start()
    network = peer_module(path, "model.deeplab_multi").DeeplabMulti
    look = dict(use_se=True, train_bn=False, norm_style="gn", droprate=0.1)
    with tempfile.NamedTemporaryFile(suffix=".pth") as start:  # it insists on loading weights
        torch.save(network(num_classes=CLASSES, **look).state_dict(), start.name)
        args = SimpleNamespace(
            **look,
            model="DeepLab",
            num_classes=CLASSES,
            restore_from=start.name,
            crop_size=size[::-1],
            multi_gpu=False,
            fp16=False,
            class_balance=True,
            often_balance=True,
            only_hard_label=80,
            max_value=7,
            learning_rate=2e-4,
            learning_rate_D=1e-4,
            momentum=0.9,
            weight_decay=5e-4,
            lambda_seg=0.5,
            lambda_adv_target1=0.0002,
            lambda_adv_target2=0.001,
            lambda_me_target=0,
            lambda_kl_target=0.1,
        )
        with redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trainer = peer_module(path, "trainer_ms").AD_Trainer(args)
    trainer.train()
    source, label, target = _images(size, batch, place)
    unlabelled = torch.full_like(label, IGNORE).long()

    def run() -> dict[str, float]:
        with redirect_stdout(io.StringIO()):
            found = trainer.gen_update(source, target, label.long(), unlabelled, 0)
        values = dict(loss_seg_aux=float(found[0]), loss_seg=float(found[1]))
        disc = trainer.dis_update(*found[6:10])
        values |= dict(loss_disc_aux=float(disc[0]), loss_disc=float(disc[1]))
        return values | {PARAMETERS: _millions([trainer.G, trainer.D1, trainer.D2])}

    return run


def cyclegan(path: str, size: tuple[int, int], batch: int, device: str) -> Run:
    """One iteration of ``train.py`` with its defaults, but an identity loss like the cycle's."""
    place = usable_device(device)
    options = SimpleNamespace(
        **dict(isTrain=True, gpu_ids=[] if place.type == "cpu" else [0], direction="AtoB"),
        **dict(checkpoints_dir=tempfile.gettempdir(), name="peer", preprocess="crop"),
        **dict(input_nc=3, output_nc=3, ngf=64, ndf=64, netG="resnet_9blocks", netD="basic"),
        **dict(n_layers_D=3, norm="instance", no_dropout=True, init_type="normal", init_gain=0.02),
        **dict(lambda_A=10.0, lambda_B=10.0, lambda_identity=1.0, pool_size=50),
        **dict(gan_mode="lsgan", lr=2e-4, beta1=0.5),
    )
    model = peer_module(path, "models.cycle_gan_model").CycleGANModel(options)
    source, _, target = _images(size, batch, torch.device("cpu"), mean=(127.5,) * 3)
    pair = dict(A=source / 127.5, B=target / 127.5, A_paths=[], B_paths=[])
    networks = [model.netG_A, model.netG_B, model.netD_A, model.netD_B]

    def run() -> dict[str, float]:
        model.set_input(pair)
        model.optimize_parameters()
        values = {name: float(loss) for name, loss in model.get_current_losses().items()}
        return values | {PARAMETERS: _millions(networks)}

    return run


def images(size: tuple[int, int], batch: int) -> tuple[Tensor, Tensor, Tensor]:
    """Source images, labels and target images of noise: (N,3,H,W), (N,H,W), (N,3,H,W), uint8."""
    width, height = size
    draw = torch.Generator().manual_seed(0)
    source, target = (
        torch.randint(256, (batch, 3, height, width), generator=draw, dtype=torch.uint8)
        for _ in range(2)
    )
    label = torch.randint(CLASSES, (batch, height, width), generator=draw, dtype=torch.uint8)
    label[:, : height // 20] = IGNORE
    return source, label, target


def _images(
    size: tuple[int, int], batch: int, place: torch.device, mean: tuple[float, ...] = MEAN
) -> tuple[Tensor, Tensor, Tensor]:
    """The images of ours as the peers' data sets give them: BGR without the mean, float32."""
    source, label, target = images(size, batch)
    means = torch.tensor(mean).view(1, 3, 1, 1)
    ready = [(each.float().flip(1) - means).to(place) for each in (source, target)]
    return ready[0], label.float().to(place), ready[1]


def _learn(networks: Iterable[nn.Module], asked: bool) -> None:
    for network in networks:
        for parameter in network.parameters():
            parameter.requires_grad = asked


def _millions(networks: Iterable[Any]) -> float:
    return sum(p.numel() for network in networks for p in network.parameters()) / 1e6
