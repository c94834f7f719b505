"""What a translation is made of: a source, a target, a config and a checkpoint."""

from pair import pair_config, pair_weights, target_root

__all__ = ["pair_config", "pair_weights", "target_root"]
