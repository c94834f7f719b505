"""A memory of translated images, which a discriminator learns from."""

import torch
from mmengine.dist import all_gather, get_rank, get_world_size
from torch import Tensor, nn

from daseg.ops.logits import at_least_float32
from daseg.utils.errors import ConfigError
from daseg.utils.seed import derive_seed


class ImagePool(nn.Module):
    """Show a discriminator older translated images among the new ones, so that it does not forget.

    Shrivastava et al., "Learning from Simulated and Unsupervised Images through Adversarial
    Training", CVPR 2017, section 2.3, as CycleGAN (Zhu et al., ICCV 2017, section 4) does it: the
    first ``size`` images are stored and given back; after that an image is, with probability 1/2,
    stored in the place of a random stored one, which is given back in its stead.

    The images are in the checkpoint. Of several processes each holds the same pool, of the
    images of all: they draw as one process with the larger batch would.

    Args:
        size: Number of stored images. 0: every image is given back as it is.

    Attributes:
        images: Those stored, (n,3,H,W) float32, -1..1; n grows up to ``size``.
        growing_buffers: Buffers whose shape a checkpoint decides, for `load_strictly`.
    """

    images: Tensor
    growing_buffers = ("images",)

    def __init__(self, size: int = 50) -> None:
        super().__init__()
        if size < 0:
            raise ConfigError(f"ImagePool: size has to be at least 0, not {size}")
        self.size = size
        self.register_buffer("images", torch.empty(0, 3, 0, 0))

    @torch.no_grad()
    def forward(self, images: Tensor, *key: int) -> Tensor:
        """Give back as many images as come, (N,3,H,W): some of them, some older ones.

        Args:
            images: New ones, as many in every process.
            key: Where in the training this is, of which the random numbers are drawn; the same in
                every process.

        Raises:
            ConfigError: The stored images have another size.
        """
        if self.size == 0:
            return images
        self._check_size(images)
        # In the order in which one process would get them: samples are dealt out in turn.
        world = torch.stack(all_gather(at_least_float32(images).contiguous()), dim=1).flatten(0, 1)
        random = torch.Generator().manual_seed(derive_seed(*key))
        given = torch.stack([self._exchange(image, random) for image in world])
        return given[get_rank() :: get_world_size()]

    def _exchange(self, image: Tensor, random: torch.Generator) -> Tensor:
        if len(self.images) < self.size:
            old = self.images if len(self.images) else image.new_empty(0, *image.shape)
            self.images = torch.cat([old, image[None]])
            return image
        if torch.rand((), generator=random) < 0.5:
            return image
        place = int(torch.randint(self.size, (), generator=random))
        stored = self.images[place].clone()
        self.images[place] = image
        return stored

    def _check_size(self, images: Tensor) -> None:
        if len(self.images) and self.images.shape[1:] != images.shape[1:]:
            stored, new = (f"{t.shape[-2]}x{t.shape[-1]}" for t in (self.images, images))
            raise ConfigError(
                f"ImagePool: its images are {stored}, the new ones {new}: crop all training "
                "images of a domain to one size, or do without a pool (pool_size=0)"
            )
