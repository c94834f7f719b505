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
    time the momentum is updated, and the weight with it. ``repeats`` is a key of the group.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """Make one step, of several updates for the groups that have several."""
        loss = super().step(closure)
        groups = self.param_groups
        try:
            for turn in range(1, max(group.get("repeats", 1) for group in groups)):
                self.param_groups = [g for g in groups if g.get("repeats", 1) > turn]
                super().step()
        finally:
            self.param_groups = groups
        return loss
