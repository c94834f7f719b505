"""Losses: they measure; objectives weigh them."""

from daseg.losses.balanced import BalancedCrossEntropyLoss, RectifiedCrossEntropyLoss
from daseg.losses.consistency import MemoryRegularizationLoss
from daseg.losses.cross_entropy import CrossEntropyLoss
from daseg.losses.dice import DiceLoss
from daseg.losses.entropy import EntropyLoss, InformationLoss, MaxSquareLoss, RobustEntropyLoss
from daseg.losses.gan import BCEGANLoss, HingeGANLoss, LSGANLoss
from daseg.losses.ohem import OHEMCrossEntropyLoss
from daseg.losses.symmetric import SymmetricCrossEntropyLoss

__all__ = [
    "BCEGANLoss",
    "BalancedCrossEntropyLoss",
    "CrossEntropyLoss",
    "DiceLoss",
    "EntropyLoss",
    "HingeGANLoss",
    "InformationLoss",
    "LSGANLoss",
    "MaxSquareLoss",
    "MemoryRegularizationLoss",
    "OHEMCrossEntropyLoss",
    "RectifiedCrossEntropyLoss",
    "RobustEntropyLoss",
    "SymmetricCrossEntropyLoss",
]
