"""What all backbones have in common: what they return, and which part of them is trained."""

from torch import nn

from daseg.backbones.weights import InitialWeights
from daseg.ops.norm import freeze_affine, freeze_statistics


class Backbone(nn.Module):
    """Base of daseg's backbones: a normalised image (N,3,H,W) to feature maps, fine to coarse.

    Attributes:
        out_channels: Channels of each feature map.
        strides: Pixels of the image to one of each map; a map has ``ceil(side / stride)`` places,
            or ``floor`` where the network drops what does not fill one.
        initial_weights: Where the weights came from, or None.
        frozen: Nothing of it is trained, and it is always in eval mode.
        update_stats: In training, batch norm normalises by the batch and moves its statistics.
    """

    out_channels: tuple[int, ...]
    strides: tuple[int, ...]
    initial_weights: InitialWeights | None = None
    frozen = False
    update_stats = True

    def freeze(
        self, *, frozen: bool = False, frozen_affine: bool = False, update_stats: bool = True
    ) -> None:
        """Leave parts out of training, once all of them exist.

        Args:
            frozen: All of it: no parameter gets a gradient or is given to an optimizer, and it
                stays in eval mode (no dropout, statistics as they are).
            frozen_affine: Scale and shift of the norm layers.
            update_stats: False: the running statistics of batch norm, which stays in eval mode.
        """
        self.frozen, self.update_stats = frozen, update_stats
        if frozen:
            self.requires_grad_(False)
        elif frozen_affine:
            freeze_affine(self)
        self.train()

    def train(self, mode: bool = True) -> "Backbone":
        """Set training mode, except for what is frozen."""
        super().train(mode and not self.frozen)
        if not self.update_stats:
            freeze_statistics(self)
        return self
