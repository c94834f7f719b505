"""The embedded world: procedurally drawn street scenes in two domains, "game" and "city"."""

from daseg.datasets.demo.scene import draw_scene

__all__ = ["draw_scene"]
