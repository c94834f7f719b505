"""No translation at all: what a translated data set is compared with."""

from torch import Tensor

from daseg.registry import TRANSLATORS
from daseg.translation.base import Translator


@TRANSLATORS.register_module()
class IdentityTranslator(Translator):
    """Return the source as it is; a baseline, and a check that nothing else changes an image."""

    def translate(self, source: Tensor, target: Tensor) -> Tensor:
        """Return source (N,3,H,W)."""
        return source
