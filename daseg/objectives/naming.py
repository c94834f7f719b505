"""What objectives on one of the two heads share: their keys in the log, and a check."""

from daseg.objectives.base import Level, Objective
from daseg.segmentor import Segmentor
from daseg.utils.errors import ConfigError


def suffix_of(*words: str) -> str:
    """The end of a key in the log: ``suffix_of("aux", "", "b")`` is "_aux_b"."""
    return "".join(f"_{word}" for word in words if word)


def check_level(objective: Objective, level: Level, segmentor: Segmentor) -> None:
    """Raise `ConfigError` where an objective needs an auxiliary head that is not there."""
    if level == "aux" and segmentor.aux_head is None:
        raise ConfigError(
            f"the objective {type(objective).__name__} needs an auxiliary head, but the segmentor "
            "has none: give model.segmentor.aux_head, or leave the objective out"
        )
