"""Groups of parameters that share a learning rate and a weight decay."""

import fnmatch
from collections.abc import Mapping
from typing import Any

from torch import nn

from daseg.engine.duplicates import times_listed
from daseg.registry import did_you_mean
from daseg.utils.errors import ConfigError

# Last words of the names of a transformer's learnt tokens and positions.
POSITIONS = ("*pos_embed*", "*_token", "*_tokens", "*position_bias_table")


def parameter_groups(
    network: nn.Module,
    *,
    lr: float,
    weight_decay: float | None = None,
    lr_mult: Mapping[str, float] | None = None,
    decay_mult: Mapping[str, float] | None = None,
    layer_decay: float = 1.0,
    no_norm_decay: bool = False,
    duplicates: bool = False,
    projectors: nn.Module | None = None,
) -> list[dict[str, Any]]:
    """Group the trainable parameters by learning rate and weight decay.

    Keys of ``lr_mult`` and ``decay_mult`` are modules or parameters by their dotted name
    (``"backbone.layer4"``), or patterns with wildcards (``"*.norm1"``); both hold for all that is
    inside. The longest key that fits counts. The first group is the one at the base rate, whose
    rate the log shows.

    Args:
        network: Its parameters without ``requires_grad`` are left out.
        lr: The base rate.
        weight_decay: None leaves the optimizer its default.
        lr_mult: Factor of the rate.
        decay_mult: Factor of the weight decay.
        layer_decay: Factor of the rate from each layer of the backbone to the one before it; the
            last layer has factor 1. Bao et al., "BEiT", ICLR 2022, appendix H.
        no_norm_decay: Biases, norm layers, position embeddings and tokens have no weight decay.
        duplicates: Give each group the number of times that AdaptSegNet lists its parameters.
        projectors: Further parameters, whose names begin with "projectors".

    Raises:
        ConfigError: A key fits no trainable parameter, or the backbone does not tell its layers.
    """
    rates, decays = Factors("lr_mult", lr_mult), Factors("decay_mult", decay_mult)
    if decay_mult and weight_decay is None:
        raise ConfigError("optim_wrapper: decay_mult needs the optimizer's weight_decay stated")
    by_layer = layer_factors(network, layer_decay)
    groups: dict[tuple[float, float, int], list[nn.Parameter]] = {(1.0, 1.0, 1): []}
    own = () if projectors is None else projectors.named_parameters("projectors")
    for name, parameter in (*network.named_parameters(), *own):
        if not parameter.requires_grad:
            continue
        rate, decay = rates.of(name) * by_layer.get(name, 1.0), decays.of(name)
        if no_norm_decay and (parameter.ndim <= 1 or is_position(name)):
            decay = 0.0
        repeats = times_listed(name) if duplicates else 1
        groups.setdefault((rate, decay, repeats), []).append(parameter)
    for factors in (rates, decays):
        factors.check_all_used(network)
    found = []
    for (rate, decay, repeats), parameters in groups.items():
        group: dict[str, Any] = dict(params=parameters, lr=lr * rate)
        if weight_decay is not None or not decay:  # else the optimizer's own default holds
            group["weight_decay"] = (weight_decay or 0.0) * decay
        if duplicates:
            group["repeats"] = repeats
        found += [group] if parameters else []
    return found


class Factors:
    """Factors by name of a module or parameter, and which of them were used.

    Args:
        option: What the config calls them.
        by_name: The factors.
    """

    def __init__(self, option: str, by_name: Mapping[str, float] | None) -> None:
        self.option, self.by_name = option, dict(by_name or {})
        self.unused = set(self.by_name)

    def of(self, name: str) -> float:
        """The factor of a parameter: that of the longest key that fits, or 1."""
        matching = [key for key in self.by_name if fits(key, name)]
        self.unused -= set(matching)
        return float(self.by_name[max(matching, key=len)]) if matching else 1.0

    def check_all_used(self, network: nn.Module) -> None:
        """Raise `ConfigError` where a key fits no trainable parameter."""
        if self.unused:
            word = min(self.unused)
            children = [name for name, _ in network.named_children()]
            raise ConfigError(
                f"optim_wrapper: {self.option} names {word!r}, which has no trainable parameter"
                f"{did_you_mean(word, children)} (children: {', '.join(children)})"
            )


def fits(key: str, name: str) -> bool:
    """Whether a key is a parameter, a module around it, or a pattern of one of these."""
    if "*" in key:
        return fnmatch.fnmatchcase(name, key) or fnmatch.fnmatchcase(name, f"{key}.*")
    return f"{name}.".startswith(f"{key}.")


def is_position(name: str) -> bool:
    """Whether a parameter is a learnt position or token of a transformer, by its name."""
    last = name.rpartition(".")[2]
    return any(fnmatch.fnmatchcase(last, pattern) for pattern in POSITIONS)


def layer_factors(network: nn.Module, layer_decay: float) -> dict[str, float]:
    """Factor of the rate of each of the backbone's parameters."""
    if layer_decay == 1:
        return {}
    backbone: Any = getattr(network, "backbone", None)
    if not hasattr(backbone, "layer_depths"):
        kind = type(network if backbone is None else backbone).__name__
        raise ConfigError(
            f"optim_wrapper: layer_decay needs a backbone that tells how deep its layers are, such "
            f"as ViTBackbone or TimmBackbone; {kind} does not"
        )
    depths: dict[str, int] = backbone.layer_depths()
    last = max(depths.values())
    return {f"backbone.{name}": layer_decay ** (last - depth) for name, depth in depths.items()}
