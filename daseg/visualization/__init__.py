"""Pictures of data and results: contact sheets, panels, curves, confusion matrices."""

from daseg.visualization.curves import plot_curves, read_curve
from daseg.visualization.figures import plot_confusion
from daseg.visualization.observatory import plot_observatory
from daseg.visualization.sheet import contact_sheet, panel, save_sheet

__all__ = [
    "contact_sheet",
    "panel",
    "plot_confusion",
    "plot_curves",
    "plot_observatory",
    "read_curve",
    "save_sheet",
]
