"""The embedded world: procedurally drawn street scenes in two domains, "game" and "city"."""

from daseg.datasets.demo.scene import draw_scene
from daseg.datasets.demo.sheet import write_contact_sheet
from daseg.datasets.demo.world import make_world

__all__ = ["draw_scene", "make_world", "write_contact_sheet"]
