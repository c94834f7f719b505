"""The form of a checkpoint: of which type each value is that some part of daseg reads."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

# A form is a type; a tuple of forms, one of which fits; a list of one form, for every item; a dict
# of forms by key, each of which may be missing; `Each`; `Whole`.
Form = Any


@dataclass(frozen=True)
class Each:
    """A dict of any names, with values of one form."""

    form: Form


@dataclass(frozen=True)
class Whole:
    """A whole number from 0 to ``most``."""

    most: int = 2**63 - 1


FACTS: dict[str, Form] = dict(  # of pseudo-labels
    root=str,
    manifest_sha256=str,
    checkpoints=[Each(str)],
    teacher_saw_target_labels=(None, Whole()),
    start_saw_target_labels=(None, Whole()),
    classes=[str],
    images=Whole(),
    round=Whole(),
    iteration=Whole(),
)
# A folder without manifest is known by its root alone.
ALONE = frozenset(("root", "start_saw_target_labels"))
NEEDED = frozenset(("root", "manifest_sha256", "checkpoints", "teacher_saw_target_labels"))
LABELLED = (None, [dict(type=str, root=str, images=str)])
TRAINING = dict(labelled=LABELLED, pseudo_labels=(None, FACTS), opened=Whole())
TRAINING_NEEDS = frozenset(("pseudo_labels", "opened"))
META: dict[str, Form] = dict(
    iter=Whole(),
    max_iters=Whole(),
    seed=(None, Whole()),
    shuffle_window=Whole(),
    world_size=Whole(),
    batch_size=(None, Whole()),
    settings=Each(str),
    initial_weights=(None, str),
    batch_norm=str,
    evaluated=str,
    pseudo_labels=(None, FACTS),
    start_saw_target_labels=(None, Whole()),
    target_labels_by_choice=Whole(),
    labelled=LABELLED,
    started_from=[TRAINING],
    dataset_meta=(None, dict(classes=(None, [str]), palette=(None, [[Whole(255)]]))),
)
NUMBER = (float, int)
# What the runner and hooks read in the message hub; of names with "report_" all are numbers.
INFO: dict[str, Form] = dict(
    iter=Whole(),
    seed=(None, Whole()),
    best_score=NUMBER,
    best_ckpt=(None, str),
    observatory=(None, str),
)
REPORT = "report_"
HUB = dict(
    log_scalars=Each(dict(values=Tensor, counts=Tensor, max_length=Whole())),
    runtime_info=Each((None, bool, str, float, int)),
    resumed_keys=Each(bool),
)
CHECKPOINT = dict(state_dict=Each(Tensor), meta=(None, META), message_hub=HUB)


def wrong_form(value: Any, form: Form, place: str = "it") -> str:
    """What differs between a value and a form, in words; "" where it fits."""
    if isinstance(form, tuple):
        problems = [wrong_form(value, one, place) for one in form]
        return "" if "" in problems else problems[-1]
    if isinstance(form, (dict, Each)):
        return _wrong_dict(value, form, place)
    if isinstance(form, list):
        if not isinstance(value, (list, tuple)):
            return f"{place} is a {type(value).__name__}, not a list"
        found = (wrong_form(item, form[0], f"{place}.{i}") for i, item in enumerate(value))
        return next(filter(None, found), "")
    if isinstance(form, Whole):
        fits = type(value) is int and 0 <= value <= form.most
        shown = repr(value) if isinstance(value, (int, float)) else f"a {type(value).__name__}"
        return "" if fits else f"{place} is {shown}, no whole number from 0 on"
    fits = value is None if form is None else isinstance(value, form)
    if fits and not (isinstance(value, bool) and form is not bool):
        return ""
    return f"{place} is a {type(value).__name__}, not {getattr(form, '__name__', form)}"


def _wrong_dict(value: Any, form: dict[str, Form] | Each, place: str) -> str:
    if not isinstance(value, Mapping):
        return f"{place} is a {type(value).__name__}, not a dict"
    for key, item in value.items():
        if not isinstance(key, str):
            return f"{place} has a key that is a {type(key).__name__}, not a name"
        own = form.form if isinstance(form, Each) else form.get(key)
        if isinstance(form, Each) or key in form:
            problem = wrong_form(item, own, f"{place}.{key}"[:200])
            if problem:
                return problem
    return ""


def wrong_checkpoint(content: Mapping[str, Any]) -> str:
    """What is wrong with the form of a checkpoint, in words; "" where nothing is."""
    return (
        wrong_form(content, CHECKPOINT, "checkpoint")
        or next(_wrong_hub(content.get("message_hub") or {}), "")
        or next(_wrong_meta(content.get("meta") or {}), "")
    )


def _wrong_hub(hub: Mapping[str, Any]) -> Iterator[str]:
    for name, value in hub.get("runtime_info", {}).items():
        form = NUMBER if name.startswith(REPORT) else INFO.get(name)
        if form is not None:
            yield from filter(None, [wrong_form(value, form, f"message_hub.{name}")])
    for name, one in hub.get("log_scalars", {}).items():
        whole = one.keys() >= {"values", "counts", "max_length"}
        if not whole or not one["values"].ndim == one["counts"].ndim == 1:
            yield f"message_hub.{name} is not a history of a logged number"
        elif not len(one["values"]) == len(one["counts"]) <= one["max_length"]:
            yield f"message_hub.{name} has {len(one['values'])} values, which do not fit it"


def _wrong_meta(meta: Mapping[str, Any]) -> Iterator[str]:
    for training in (meta, *meta.get("started_from", ())):
        if training is not meta and not training.keys() >= TRAINING_NEEDS:
            yield f"meta.started_from lacks one of {', '.join(sorted(TRAINING_NEEDS))}"
        if any(len(part) < len(LABELLED[1][0]) for part in training.get("labelled") or ()):
            yield "a record of labelled images lacks type, root or images"
        facts = training.get("pseudo_labels")
        if facts is None:
            continue
        lacking = (NEEDED if facts.keys() - ALONE else {"root"}) - facts.keys()
        lacking |= {"round"} - facts.keys() if "iteration" in facts else set()
        if lacking:
            yield f"the facts of its pseudo-labels lack {', '.join(sorted(lacking))}"
        if not all(made.keys() >= {"name", "sha256"} for made in facts.get("checkpoints", ())):
            yield "the facts of its pseudo-labels do not name their checkpoints"
    palette = (meta.get("dataset_meta") or {}).get("palette")
    if any(len(colour) != 3 for colour in palette or ()):
        yield "meta.dataset_meta.palette has a colour that is not of three numbers"
