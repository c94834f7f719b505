"""Configs and weights of a small CycleGAN."""

from pair import pair_config, pair_weights, target_root

__all__ = ["pair_config", "pair_weights", "target_root"]
