"""Losses: they measure tensors; how much a measure counts is said where it is used."""

from daseg.losses.cross_entropy import CrossEntropyLoss
from daseg.losses.dice import DiceLoss
from daseg.losses.ohem import OHEMCrossEntropyLoss

__all__ = ["CrossEntropyLoss", "DiceLoss", "OHEMCrossEntropyLoss"]
