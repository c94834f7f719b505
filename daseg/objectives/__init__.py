"""What a segmentor can be trained for."""

from daseg.objectives.base import Objective, View
from daseg.objectives.supervised import Supervised

__all__ = ["Objective", "Supervised", "View"]
