"""Tiny data sets on disk."""

from small_camvid import make_camvid

__all__ = ["make_camvid"]
