"""What an optimizer does that is given the same weights several times."""

import re
from collections.abc import Callable
from typing import Any

import torch

from daseg.registry import OPTIMIZERS

BLOCK = re.compile(r"backbone\.(layer\d+\..+)\.(weight|bias)")


def times_listed(name: str) -> int:
    """How often AdaptSegNet's optimizer lists a parameter of the segmentor.

    Its list walks the modules of each stage of the ResNet, and every module's parameters include
    those of the modules inside it: a convolution in a block is found from the stage, the block
    and itself, one of a shortcut from its container too. Everything else is found once.
    """
    block = BLOCK.fullmatch(name)
    return len(block.group(1).split(".")) if block else 1


@OPTIMIZERS.register_module()
class RepeatedSGD(torch.optim.SGD):
    """SGD that applies the same gradient to a parameter group ``repeats`` times a step.

    As PyTorch's loop over parameters did in 2018 where a weight was listed several times: each
    time the momentum is updated, and the weight with it. The loop added the weight decay to the
    stored gradient, so that it grew with each time too. ``repeats`` is a key of the group. (Today
    a weight that is listed several times gets yet another step: its first momentum counts once.)
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """Make one step, of several updates for the groups that have several."""
        loss = None if closure is None else torch.enable_grad()(closure)()
        groups = self.param_groups
        try:
            for turn in range(max(group.get("repeats", 1) for group in groups)):
                self.param_groups = [_decayed(g) for g in groups if g.get("repeats", 1) > turn]
                super().step()
        finally:
            self.param_groups = groups
        return loss


def _decayed(group: dict[str, Any]) -> dict[str, Any]:
    """Add the weight decay to the stored gradients; the group without it."""
    for parameter in group["params"]:
        if parameter.grad is not None:
            parameter.grad.add_(parameter, alpha=group["weight_decay"])
    return {**group, "weight_decay": 0.0}
