"""The facts of a folder of pseudo-labels: the networks that made them, and what these had seen."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from daseg.utils.errors import DataError
from daseg.utils.files import read_bytes
from daseg.utils.json_files import check_shape, parse_json, unreadable
from daseg.utils.manifest import FINAL, JOURNAL, Entry, check_entries

KIND = "pseudo-labels"
START_SAW = "start_saw_target_labels"  # see `kind_of_training`
CHOSEN = "target_labels_by_choice"  # images of the target that are learnt with their labels
Facts = dict[str, Any]
# What is needed of them to be described.
FACTS: dict[str, Any] = {
    "root": str,
    "checkpoints?": [{"name": str, "sha256": str}],
    "teacher_saw_target_labels?": int | None,
    f"{START_SAW}?": int | None,
    "round?": int,
}
MANIFEST: dict[str, Any] = {
    "settings": {"threshold": Any},
    "images": dict[str, dict[str, Any]],
    "checkpoints": [{"name": str, "sha256": str}],
    "teacher_saw_target_labels": int | None,
    "classes": list[str],
    "round?": int,
    "iteration?": int,
}


def read_facts(root: Path) -> tuple[Facts, dict[str, Entry]] | None:
    """The facts of a folder that ``daseg pseudo-label`` has written, and its images.

    Returns:
        ``root``; ``manifest_sha256``; ``checkpoints``, the networks that made them, each ``name``
        and ``sha256``; ``teacher_saw_target_labels``, how many labels of the target's training
        images those were trained with, None where it is not known; ``classes``; ``threshold``;
        ``images``, their number; where they were made while training (`PseudoLabelHook`) ``round``,
        counted from 1, and ``iteration``. And the entry of each image by its name. None where there
        is no manifest of pseudo-labels.

    Raises:
        DataError: The manifest cannot be read, or the pseudo-labels are not finished.
    """
    path = root / FINAL
    if os.path.lexists(root / JOURNAL):
        raise DataError(
            f"the pseudo-labels in {root} are not finished: run the command of "
            "daseg pseudo-label that makes them again, it continues"
        )
    if not os.path.lexists(path):
        return None
    try:
        data = read_bytes(path)
        content = check_shape(parse_json(data), dict[str, Any])
        if content.get("kind") != KIND:
            return None
        check_shape(content, MANIFEST)
        check_entries(content["images"], {"sha256": str})
    except (OSError, ValueError) as error:
        hint = "make the pseudo-labels again, with daseg pseudo-label and another --out"
        raise unreadable(path, "a manifest of pseudo-labels", error, hint) from error
    facts: Facts = dict(root=str(root), manifest_sha256=hashlib.sha256(data).hexdigest())
    for key in ("checkpoints", "teacher_saw_target_labels", "classes"):
        facts[key] = content[key]
    facts |= dict(threshold=content["settings"]["threshold"], images=len(content["images"]))
    facts |= {key: content[key] for key in ("round", "iteration") if key in content}
    return facts, content["images"]


def kind_of_training(facts: Mapping[str, Any]) -> str:
    """The name of a training on pseudo-labels, by what their teacher and its initial weights saw.

    The latter only where the facts have `START_SAW`.
    """
    if not facts.get("checkpoints"):
        return f"training on label files of unknown origin in {facts['root']}"
    seen, start = facts.get("teacher_saw_target_labels"), facts.get(START_SAW, 0)
    if seen is None:
        kind = "self-training; whether the teacher saw target labels is not known"
    elif seen == 0:
        kind = "self-training" if start else "self-training, unsupervised"
    else:
        kind = f"distillation from a teacher with {counted(seen)}"
    return kind if start == 0 else f"{kind}; the initial weights {saw(start)}"


def counted(labels: int) -> str:
    """A number of labels of the target's training images, in words."""
    return f"{labels} target label{'' if labels == 1 else 's'}"


def saw(labels: int | None) -> str:
    """How a network is described that was trained with this number of those labels."""
    return "saw an unknown number of target labels" if labels is None else f"saw {counted(labels)}"


def described(facts: Mapping[str, Any]) -> str:
    """`kind_of_training`, with the networks that made the pseudo-labels and their hashes."""
    made = [f"{m['name']} sha256:{m['sha256'][:16]}" for m in facts.get("checkpoints") or []]
    rounds = f", round {facts['round']} while training" if "round" in facts else ""
    return kind_of_training(facts) + rounds + (f" (by {', '.join(made)})" if made else "")
