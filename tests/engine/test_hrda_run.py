"""A training of two resolutions through the runner: its drawn boxes repeat themselves."""

import pytest
import torch

from daseg.engine.checkpoint import read_checkpoint
from daseg.engine.train import train
from processes import KEEP_RANKS, environment, free_port, largest_difference, launch
from runs import same_run

HRDA = """
custom_imports = dict(imports=['gan_parts'])
head = dict(type='FPNHead', channels=8)
weights = dict(main=0.9, detail=0.1)
model = dict(
    type='DomainAdapter', teacher_momentum=0.1,
    segmentor=dict(
        type='HRDASegmentor', num_classes=3, backbone=dict(type='SmallBackbone', norm='gn'),
        head=head, attention=head, detail_size=(16, 16), box_multiple=4),
    objectives=[dict(type='Supervised', weights=weights)])
optim_wrapper['segmentor']['lr_mult'] = dict(head=10, attention=10)
"""


def test_resumed_equals_uninterrupted(tiny_config, tmp_path):
    config = tiny_config(HRDA)
    train(config, work_dir=tmp_path / "whole")
    half = {"train_cfg.max_iters": 3, "param_scheduler.0.end": 6}
    train(config, work_dir=tmp_path / "halves", cfg_options=half)
    train(config, work_dir=tmp_path / "halves", resume=True)
    checkpoint = same_run(tmp_path / "whole/iter_6.pth", tmp_path / "halves/iter_6.pth")
    assert any("attention.classifier" in key for key in checkpoint["state_dict"])


@pytest.mark.slow
def test_two_processes_hold_the_same_network(tiny_config, tmp_path):
    path = tiny_config(HRDA + KEEP_RANKS)
    env = environment(tmp_path, MASTER_PORT=str(free_port()))
    launch("tools/dist_train.sh", path, 2, "--work-dir", tmp_path / "two", env=env)
    first, second = (torch.load(tmp_path / f"two/rank{rank}.pth") for rank in range(2))
    assert largest_difference(first, second) == 0
    early = read_checkpoint(tmp_path / "two/iter_3.pth")["state_dict"]
    moved = {k.split(".")[1] for k in early if k.startswith("segmentor.") and
             not torch.equal(early[k], first[k])}  # fmt: skip
    assert moved == {"backbone", "head", "attention"}
