"""Low-rank adapters: a frozen vision transformer and few weights that are trained."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from daseg.utils.errors import ConfigError


class LowRankLinear(nn.Linear):
    """A linear layer, and beside it a product of two thin matrices that alone is trained.

    Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022, eq. (3), with
    alpha = r: ``W x + B A x``. B begins at zero, so that nothing changes at first.

    Args:
        layer: The layer, whose weights it takes over, frozen.
        rank: Rows r of A (r, in), columns of B (out, r).
    """

    def __init__(self, layer: nn.Linear, rank: int) -> None:
        super().__init__(layer.in_features, layer.out_features, bias=layer.bias is not None)
        self.weight, self.bias = layer.weight, layer.bias
        self.lora_a = nn.Parameter(torch.empty(rank, layer.in_features))
        self.lora_b = nn.Parameter(torch.zeros(layer.out_features, rank))
        nn.init.kaiming_uniform_(self.lora_a, a=5**0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Map (...,in) to (...,out)."""
        return super().forward(x) + F.linear(F.linear(x, self.lora_a), self.lora_b)


def add_adapters(backbone: Any, rank: int) -> None:
    """Freeze a `ViTBackbone` and give the layers of its attention adapters.

    Where its initial weights are read from a file, its state dict holds what is trained, and the
    SHA-256 of the file instead of the frozen weights: a checkpoint has megabytes, not gigabytes,
    and goes with that file alone. Frozen random weights are kept.

    Raises:
        ConfigError: ``rank`` is below 1, or the backbone is frozen altogether.
    """
    if rank < 1 or backbone.frozen:
        raise ConfigError(
            f"ViTBackbone: lora_rank={rank} has to be at least 1, and needs frozen=False: "
            "the weights beside the adapters are frozen anyway"
        )
    backbone.requires_grad_(False)
    for block in backbone.blocks:
        for name in ("qkv", "proj"):
            setattr(block.attn, name, LowRankLinear(getattr(block.attn, name), rank))
    for name, parameter in backbone.named_parameters():
        parameter.requires_grad_(name.endswith(("lora_a", "lora_b")))
    start = backbone.initial_weights
    if start is None:
        return
    digest = list(bytes.fromhex(start.sha256))
    backbone.register_buffer("frozen_weights", torch.tensor(digest, dtype=torch.uint8))
    backbone.fixed_buffers = {
        "frozen_weights": f"it was trained beside other frozen weights than those of {start.source}"
    }
    # By name: the teacher, a copy, trains nothing at all.
    backbone.left_out = tuple(n for n, p in backbone.named_parameters() if not p.requires_grad)
    backbone.register_state_dict_post_hook(leave_out)


def leave_out(module: Any, state: dict[str, Tensor], prefix: str, metadata: Any) -> None:
    """Remove from a state dict what a module names in ``left_out``."""
    for name in module.left_out:
        del state[prefix + name]
