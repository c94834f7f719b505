"""Objectives: what a segmentor can be trained for."""

from daseg.objectives.adversarial import FeatureAdversarial, OutputAdversarial
from daseg.objectives.base import Objective
from daseg.objectives.entropy import EntropyMinimization, InformationMaximization, MaxSquare
from daseg.objectives.feature_distance import FeatureDistance
from daseg.objectives.masking import MaskedConsistency
from daseg.objectives.memory import MemoryRegularization
from daseg.objectives.mixing import ClassMix
from daseg.objectives.pseudo_label import PseudoLabel, RectifiedPseudoLabel
from daseg.objectives.supervised import Supervised
from daseg.objectives.views import View

__all__ = [
    "ClassMix",
    "EntropyMinimization",
    "FeatureAdversarial",
    "FeatureDistance",
    "InformationMaximization",
    "MaskedConsistency",
    "MaxSquare",
    "MemoryRegularization",
    "Objective",
    "OutputAdversarial",
    "PseudoLabel",
    "RectifiedPseudoLabel",
    "Supervised",
    "View",
]
