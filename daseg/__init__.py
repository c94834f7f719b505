"""daseg: domain-adaptive semantic segmentation.

Import layers, lowest first (a test holds them): registry, plugins, utils; the parts (backbones,
heads, losses, datasets, evaluation); segmentor, inference, objectives; adaptation, hooks, engine.
"""

__version__ = "0.1.0"
