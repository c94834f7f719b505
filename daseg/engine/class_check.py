"""Whether networks, checkpoints and data sets speak of the same classes, in the same order.

A class is an index in weights and labels: of as many names in another order every number would be
wrong, and nothing else would show it. What has no names can be wrong in their number only.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine import Config

from daseg.datasets.classes import classes_of
from daseg.evaluation import IoUMetric
from daseg.utils.errors import ConfigError

Names = tuple[str, ...]


def names_of(dataset: Any) -> Names | None:
    """Names of the classes of a data set that is built; None where it does not say."""
    names = (getattr(dataset, "metainfo", None) or {}).get("classes")
    return None if names is None or len(names) == 0 else tuple(map(str, names))


def names_in(meta: Mapping[str, Any]) -> Names | None:
    """Names of the classes that a checkpoint was trained on, by its ``meta``; None: not known."""
    names = (meta.get("dataset_meta") or {}).get("classes")
    return tuple(names) if names else None


def names_in_config(cfg: Config, loader: str) -> Names | None:
    """Names of the classes of a config's data set, without building it; None: not known."""
    part = (cfg.get(loader) or {}).get("dataset")
    if isinstance(part, dict) and isinstance(part.get("source"), dict):  # of a DomainPair
        part = part["source"]
    found = classes_of(part)
    return None if found is None else tuple(found[0])


def check_same(one: Names | None, other: Names | None, first: str, second: str) -> None:
    """Refuse two lists of names that differ.

    Args:
        one: Names; None is not compared.
        other: Likewise.
        first: Whose the first are, with a verb: "iter_9.pth was trained on".
        second: Whose the second are, with a verb: "the target CamVid has".

    Raises:
        ConfigError: They differ. It has both lists, and where they differ first.
    """
    if one is None or other is None or one == other:
        return
    if len(one) != len(other):
        where = f"{len(one)} and {len(other)} names"
    else:
        at = next(i for i, pair in enumerate(zip(one, other, strict=True)) if pair[0] != pair[1])
        where = f"class {at} is {one[at]!r} and {other[at]!r}"
    advice = "Give both the same names in the same order"
    if sorted(one) == sorted(other):
        advice += " (id_map then says which label id is which class)"
    raise ConfigError(
        f"{first} the classes {list(one)}, {second} {list(other)}: {where}, so that one would be "
        f"taken for the other, and every number be wrong. {advice}"
    )


def check_checkpoint(path: Any, meta: Mapping[str, Any], names: Names | None, whose: str) -> None:
    """Refuse a checkpoint that was trained on other classes, or on these in another order.

    Args:
        path: The checkpoint.
        meta: What it says of itself. Converted weights do not know their classes, and pass.
        names: Those that it is to be used with.
        whose: Of whom they are, with a verb: "the data of train_dataloader have".
    """
    check_same(names_in(meta), names, f"{path} was trained on", whose)


def check_start(path: Any, meta: Mapping[str, Any], dataset: Any) -> None:
    """Refuse to train on from a checkpoint of other classes than those of the training data."""
    check_checkpoint(path, meta, names_of(dataset), "the data of train_dataloader have")


def check_outputs(model: Any, names: Names | None, place: str) -> None:
    """Refuse a network whose number of outputs is not that of a data set's classes.

    Raises:
        ConfigError: Numbers of outputs and classes differ.
    """
    outputs = getattr(model, "num_classes", None)
    if names is not None and outputs is not None and outputs != len(names):
        raise ConfigError(
            f"model.segmentor.num_classes is {outputs}, but the data of {place} have {len(names)} "
            f"classes ({', '.join(names[:8])}{', ...' if len(names) > 8 else ''}): the two have to "
            "be the same"
        )


def check_metrics(evaluator: Any, names: Names | None) -> None:
    """Refuse an `IoUMetric` without names, or with names that are other classes' in the data."""
    for metric in getattr(evaluator, "metrics", ()):
        if isinstance(metric, IoUMetric):
            metric.check_classes(names)


def check_training(runner: Any) -> None:
    """Compare network, training data, validation data and what the config says of testing.

    Raises:
        ConfigError: They are not of the same classes.
    """
    network = runner.bare_segmentor if hasattr(runner.bare_model, "segmentor") else None
    own = names_of(runner.train_dataloader.dataset)
    check_outputs(network, own, "train_dataloader")
    if own and hasattr(runner.bare_model, "use_classes"):
        runner.bare_model.use_classes(own)
    if runner.val_loop is not None:
        found = names_of(runner.val_dataloader.dataset)
        check_outputs(network, found, "val_dataloader")
        check_same(own, found, "train_dataloader has", "val_dataloader has")
        check_metrics(runner.val_evaluator, found)
    tested = names_in_config(runner.cfg, "test_dataloader")
    if own and tested and sorted(own) == sorted(tested):
        check_same(own, tested, "train_dataloader has", "test_dataloader has")
    elif own and tested:  # a base's, perhaps, that nobody wants to test on
        runner.logger.warning(
            f"train_dataloader has the classes {list(own)}, test_dataloader {list(tested)}: this "
            "network cannot be tested there"
        )


def check_testing(runner: Any, cfg: Config, paths: Sequence[Any], metas: Sequence[Any]) -> None:
    """Compare networks that are loaded with the data that they are to be tested on.

    Args:
        runner: Of the test.
        cfg: The whole config: of what checkpoints without names were trained on.
        paths: The checkpoints.
        metas: What each says of itself.

    Raises:
        ConfigError: They are not of the same classes.
    """
    names = names_of(runner.test_dataloader.dataset)
    check_outputs(runner.bare_segmentor, names, "test_dataloader")
    for path, meta in zip(paths, metas, strict=True):
        check_checkpoint(path, meta, names, "the data of test_dataloader have")
    if not any(map(names_in, metas)):
        trained = names_in_config(cfg, "train_dataloader")
        check_same(trained, names, "train_dataloader has", "test_dataloader has")
    check_metrics(runner.test_evaluator, names)
