"""The embedded world: procedurally drawn street scenes in two domains, "game" and "city"."""

from daseg.worlds.drawing.scene import draw_scene
from daseg.worlds.drawing.world import make_world

__all__ = ["draw_scene", "make_world"]
