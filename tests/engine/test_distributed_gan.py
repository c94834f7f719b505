"""Adversarial training on several processes is that of one with all the images."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from daseg.engine.checkpoint import read_checkpoint
from processes import KEEP_RANKS, environment, free_port, largest_difference, launch

ROOT = Path(__file__).parents[2]
# The tests of supervised training have the hook that keeps what each rank holds.

ITERATIONS = "train_cfg.max_iters=20"
# Twenty hot steps would amplify the last bit of a sum to a visible difference, and Adam the
# gradients that are only rounding.
CALM = """
optim_wrapper['segmentor'].update(optimizer=dict(type='SGD', lr=0.001, momentum=0.9))
optim_wrapper['discriminators']['optimizer'].update(eps=1e-4)
"""
# The target pass leaves the auxiliary head without a gradient of its own.
MAIN_ONLY = "model['objectives'] = [model['objectives'][0], model['objectives'][2]]\n"


def states(folder: Path, ranks: int) -> list[dict]:
    return [read_checkpoint(folder / f"rank{r}.pth")["state_dict"] for r in range(ranks)]


def train_alone(config: Path, out: Path, env: dict[str, str], *options: str) -> dict:
    options = (ITERATIONS, "train_dataloader.batch_size=4", *options)
    command = (sys.executable, "tools/train.py", config, "--work-dir", out, "--cfg-options")
    launch(*command, *options, env=env)
    return states(out, 1)[0]


@pytest.mark.parametrize(
    ("extra", "options"),
    [
        pytest.param("", [], id="whole", marks=pytest.mark.slow),
        pytest.param("", ["model.micro_batch=1"], id="accumulated", marks=pytest.mark.slow),
        pytest.param(MAIN_ONLY, [], id="one level", marks=pytest.mark.slow),
    ],
)
def test_two_processes_equal_one_with_the_doubled_batch(
    two_domain_config, tmp_path, extra, options
):
    config = two_domain_config(extra + CALM + KEEP_RANKS)
    env = environment(tmp_path, MASTER_PORT=str(free_port()))
    command = ("tools/dist_train.sh", config, 2, "--work-dir", tmp_path / "two", "--cfg-options")
    launch(*command, ITERATIONS, *options, env=env)
    ranks = states(tmp_path / "two", 2)
    one = train_alone(config, tmp_path / "one", env)
    early = read_checkpoint(tmp_path / "one/iter_3.pth")["state_dict"]
    for network in ("segmentor", "discriminator"):
        moved = [float((one[k] - early[k]).abs().max()) for k in one if network in k]
        assert max(moved) > 1e-3, f"the {network} was not trained"
    assert largest_difference(*ranks) == 0
    assert largest_difference(ranks[0], one) < 1e-5


@pytest.mark.slow
def test_two_nodes_of_one_process_each(two_domain_config, tmp_path):
    config = two_domain_config(CALM + KEEP_RANKS)
    env = environment(tmp_path, MASTER_PORT=str(free_port()))
    env |= dict(NNODES="2", MASTER_ADDR="127.0.0.1")
    command = ["tools/dist_train.sh", str(config), "1", "--work-dir", str(tmp_path / "two")]
    agents = [
        subprocess.Popen(
            [*command, "--cfg-options", ITERATIONS],
            cwd=ROOT,
            env=os.environ | env | {"NODE_RANK": str(node)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for node in range(2)
    ]
    outputs = [agent.communicate(timeout=600)[0] for agent in agents]
    assert [agent.returncode for agent in agents] == [0, 0], outputs[0][-2000:] + outputs[1][-2000:]
    ranks = states(tmp_path / "two", 2)
    assert largest_difference(*ranks) == 0
    one = train_alone(config, tmp_path / "one", env)
    assert largest_difference(ranks[0], one) < 1e-5


DIES = """
import os, signal
from mmengine.hooks import Hook
from daseg.registry import HOOKS

@HOOKS.register_module()
class Die(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if batch_idx == 8:
            os.kill(os.getpid(), signal.SIGKILL)
"""
DIE = "custom_imports = dict(imports=['dies'])\ncustom_hooks = [dict(type='Die')]\n"


@pytest.mark.slow
def test_a_killed_run_of_two_processes_equals_an_uninterrupted_one(two_domain_config, tmp_path):
    longer = "model.update(teacher_momentum=0.1)\ntrain_cfg.update(max_iters=12)\n"
    config, out = two_domain_config(longer, dropout=0.1), tmp_path / "killed"
    dying = two_domain_config(longer + DIE, dropout=0.1, name="dying")
    (tmp_path / "dies.py").write_text(DIES)
    env = environment(tmp_path, MASTER_PORT=str(free_port()))
    command = ("tools/dist_train.sh", dying, 2, "--work-dir", out)
    died = subprocess.run([*map(str, command)], cwd=ROOT, env=env, capture_output=True, text=True)
    assert died.returncode == 1
    assert "SIGKILL" in died.stderr, died.stderr[-3000:]
    assert sorted(path.name for path in out.glob("*.pth")) == ["iter_3.pth", "iter_6.pth"]
    for folder in (out, tmp_path / "whole"):
        command = ("tools/dist_train.sh", config, 2, "--work-dir", folder, "--resume")
        launch(*command, env=env)
    one, other = (read_checkpoint(f / "iter_12.pth") for f in (out, tmp_path / "whole"))
    for key in ("state_dict", "optimizer", "param_schedulers"):
        assert same(one[key], other[key]), key
    assert set(one["optimizer"]) == {"segmentor", "discriminators"}
    assert any(key.startswith("teacher.") for key in one["state_dict"])


def same(a, b) -> bool:
    """Whether two nested containers of tensors and plain values are equal bit for bit."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b
