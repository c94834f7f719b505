"""Pictures of results: panels, confusion matrices, curves."""

from daseg.visualization.curves import plot_curves, read_curve
from daseg.visualization.observatory import plot_observatory
from daseg.visualization.pictures import DomainPicture, draw_domains, panel

__all__ = [
    "DomainPicture",
    "draw_domains",
    "panel",
    "plot_curves",
    "plot_observatory",
    "read_curve",
]
