"""Each network's gradients are averaged over the processes once a step, whatever is trained for."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.logging import MessageHub
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook

from daseg.adaptation import DomainAdapter
from daseg.datasets.firewall import TargetBatch
from daseg.engine.distributed import NetworkDDP
from daseg.engine.optim import OptimizersByNetwork
from daseg.objectives import masking, mixing

STEPS, EACH = 5, 3  # steps; images of a domain in each of two processes
SCRIPT = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("this_test", sys.argv[1])
test = importlib.util.module_from_spec(spec)
spec.loader.exec_module(test)
test.worker(int(sys.argv[2]), sys.argv[3])
"""
PIXEL = dict(type="PixelDiscriminator", channels=8)
SUPERVISED = dict(type="Supervised")
MAIN = dict(type="OutputAdversarial", discriminator=PIXEL, weight=0.5)
AUX = MAIN | dict(level="aux", loss=dict(type="LSGANLoss"))
FEATURES = dict(type="FeatureAdversarial", discriminator=PIXEL, weight=0.5, gradient_penalty=0.01)
FROZEN = dict(type="SmallBackbone", norm="gn", weights="3")
DISTANCE = dict(type="FeatureDistance", backbone=FROZEN, classes=(0, 2), index=0, weight=0.5)
PROJECTED = dict(type="FeatureDistance", backbone=FROZEN, classes=None, distance="cosine")
PROJECTED |= dict(projector=True, domains=("source", "target"), weight=1.0, name="wide")
TAUGHT = dict(confidence=0.35, weighting="pixel", jitter_prob=0.0, blur_prob=0.0)
MIXED = [dict(type="ClassMix", **TAUGHT), dict(type="MaskedConsistency", **TAUGHT)]
SCALES = dict(type="MultiScaleDiscriminator", channels=4, num_scales=2, num_blocks=1)
# What is trained for, and the adapter's other arguments.
CASES: dict[str, tuple[list[dict], dict]] = {
    "aux head without a target loss": ([SUPERVISED, MAIN], {}),
    "main head without a target loss": ([SUPERVISED, AUX], {}),
    "heads without a target loss": ([SUPERVISED, FEATURES], {}),
    "aux head without any weight": ([dict(type="Supervised", aux_weight=0.0), MAIN], {}),
    "no source loss": ([MAIN], {}),
    "target late": ([SUPERVISED, dict(type="MemoryRegularization", begin=3, weight=1.0)], {}),
    "target late, in parts": (
        [SUPERVISED, dict(type="MemoryRegularization", begin=3, weight=1.0)],
        dict(micro_batch=2),
    ),
    "penalty on several scales": (
        [SUPERVISED, MAIN | dict(discriminator=SCALES, gradient_penalty=0.1, source_map="mean")],
        {},
    ),
    "distance of features, in parts": ([SUPERVISED, DISTANCE, PROJECTED], dict(micro_batch=2)),
    "mixed and masked images, in parts": (
        [SUPERVISED, *MIXED],
        dict(micro_batch=2, teacher_momentum=0.1),
    ),
    "all, in parts": (
        [SUPERVISED, AUX | dict(gradient_penalty=0.01), MAIN, FEATURES],
        dict(micro_batch=2, norm_statistics="source", teacher_momentum=0.1),
    ),
}


def make(case: str) -> DomainAdapter:
    import gan_parts  # noqa: F401  registers SmallBackbone

    torch.manual_seed(0)
    objectives, arguments = CASES[case]
    segmentor = dict(
        type="Segmentor",
        num_classes=3,
        backbone=dict(type="SmallBackbone", norm="gn"),
        head=dict(type="DeepLabV2Head", dilations=(1, 2), branches=2),
        aux_head=dict(type="DeepLabV2Head", in_index=-2, dilations=(1, 2), branches=2),
    )
    adapter = DomainAdapter(segmentor, copy.deepcopy(objectives), **arguments)
    for name, parameter in adapter.named_parameters():
        if "discriminator" in name:  # as if it had learnt something
            parameter.data.mul_(2)
    return adapter


def optimizers(model):
    networks = getattr(model, "module", model).trainable_networks()
    sgd = dict(optimizer=dict(type="SGD", lr=0.01, momentum=0.9))
    return OptimizersByNetwork(dict.fromkeys(networks, sgd))(model)


def batch(step: int, rows: slice, *, same_size: bool) -> dict:
    g = torch.Generator().manual_seed(step)
    source = torch.randint(0, 256, (2 * EACH, 3, 16, 24), generator=g).byte()
    label = torch.randint(0, 3, (2 * EACH, 16, 24), generator=g)
    for index in range(2 * EACH):  # some have few labelled pixels
        label[index, : 2 * index] = 255
    target = torch.randint(0, 256, (2 * EACH, 3, 24, 16), generator=g).byte()
    target = target.transpose(2, 3) if same_size else target
    return dict(
        source=dict(image=source[rows], label=label[rows], meta=[]),
        target=TargetBatch(image=target[rows], meta=[]),
    )


def run(model, rows: slice, case: str) -> None:
    wrappers, same_size = optimizers(model), case.startswith("mixed")
    for step in range(STEPS):
        model.train()
        model.train_step(batch(step, rows, same_size=same_size), wrappers)


def count_syncs(adapter: DomainAdapter) -> dict[str, int]:
    """Count how often each network averages all its gradients."""
    counts: dict[str, int] = {}

    def hook(name, bucket):
        counts[name] += bucket.is_last()
        return allreduce_hook(None, bucket)

    networks = dict(segmentor=adapter.segmentor)
    networks |= {f"projector {i}": p for i, p in enumerate(adapter.projectors)}
    networks |= {f"{i}": o.discriminator for i, o in enumerate(adapter.adversaries)}
    for name, network in networks.items():
        counts[name] = 0
        network.register_comm_hook(name, hook)
    return counts


def largest_difference(a: dict, b: dict) -> float:
    assert a.keys() == b.keys()
    return float(torch.stack([(a[k].double() - b[k].double()).abs().max() for k in a]).max())


def state(adapter) -> dict[str, torch.Tensor]:
    names = {name: name.replace(".module.", ".") for name in adapter.state_dict()}
    return {new: adapter.state_dict()[name].clone() for name, new in names.items()}


def worker(rank: int, out: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{out}/meeting_point", rank=rank, world_size=2
    )
    MessageHub.get_instance("sync")
    # Each process draws classes and blocks for its own images: here they follow from these.
    mixing.class_mask = lambda label, *_, **__: label < 1
    masking.block_mask = lambda n, size, *_: (torch.arange(size[1]) % 3 > 0).expand(n, 1, *size)
    found = {}
    for case in CASES:
        adapter, alone = make(case), make(case)
        before = state(adapter)
        wrapped = NetworkDDP(adapter)
        syncs = count_syncs(adapter)
        run(wrapped, slice(EACH * rank, EACH * (rank + 1)), case)
        alone.micro_batch = None
        run(alone, slice(None), case)  # in both processes, since the loss asks all of them
        torch.save(state(adapter), f"{out}/{case}_{rank}.pth")
        moved = {k: largest_difference({k: before[k]}, {k: v}) for k, v in state(alone).items()}
        kinds = ("segmentor", "discriminator", "projector")
        parts = {p: [m for k, m in moved.items() if p in k] for p in kinds}
        found[case] = dict(
            syncs=syncs,
            off=largest_difference(state(adapter), state(alone)),
            moved={part: float(torch.tensor(m).max()) for part, m in parts.items() if m},
        )
    Path(out, f"{rank}.json").write_text(json.dumps(found))
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What both processes have found, by case; and the folder of their weights."""
    out = tmp_path_factory.mktemp("sync")
    fixtures = Path(__file__).parents[1] / "fixtures"
    path = os.pathsep.join([str(fixtures), *filter(None, [os.environ.get("PYTHONPATH")])])
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, __file__, str(rank), str(out)],
            env=os.environ | dict(PYTHONPATH=path),
        )
        for rank in range(2)
    ]
    try:
        assert [process.wait(timeout=600) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
    return out, [json.loads((out / f"{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.parametrize("case", CASES)
def test_two_processes_are_one_and_average_once_a_step(found, case):
    out, ranks = found
    weights = [torch.load(out / f"{case}_{rank}.pth", weights_only=True) for rank in range(2)]
    assert largest_difference(*weights) == 0
    for rank in ranks:
        for network, syncs in rank[case]["syncs"].items():  # a projector in each of its four passes
            assert syncs == STEPS * (4 if "projector" in network else 1)
        assert rank[case]["off"] < 1e-5
        assert all(1e-4 < moved < 1 for moved in rank[case]["moved"].values()), (
            "nothing was trained"
        )
    own = [o for o in CASES[case][0] if "discriminator" in o or o.get("projector")]
    assert len(ranks[0][case]["syncs"]) == 1 + len(own)
