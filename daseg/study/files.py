"""The files in the folder of a study, and what is read of them."""

import os
import re
from pathlib import Path
from typing import Any

from daseg.utils.files import read_bytes
from daseg.utils.json_files import read_json, unreadable
from daseg.utils.pseudo_labels import START_SAW

FOLDER = re.compile(r"\w[\w.-]*")
# What is read of the files of a study, see `daseg.utils.json_files.check_shape`.
RESULTS: dict[str, Any] = {"mIoU": float | None, "IoU": dict[str, float | None]}
STUDY: dict[str, Any] = {
    "name": str,
    "title": str,
    "world": str,
    "seeds": list[int],
    "rows": [
        {
            "name": str,
            "baseline?": str | None,
            "oracle?": str | None,
            "logged?": dict[str, float] | None,
            "classes_logged?": dict[str, float] | None,
        }
    ],
    "given?": list[str] | None,
    "sizes?": dict[str, list[tuple[float, str]]] | None,
    "claims?": list[dict[str, Any]] | None,
}
JOB: dict[str, Any] = {"state?": str, "commands?": list[str | list[str]] | None}
REPORT: dict[str, Any] = {
    "seconds?": float | None,
    "seconds_per_iteration?": float | None,
    "validation_seconds?": float | None,
    "peak_memory_mib?": float | None,
    "peak_memory_of?": str | None,
    "target_domain?": bool,
    "target_train_labels_opened?": int | None,
    f"{START_SAW}?": int | None,
}


def read_json_if_there(path: Path, shape: Any = dict[str, Any], *, nan: bool = False) -> Any:
    """`read_json`, and None where there is no file."""
    if not os.path.lexists(path):
        return None
    return read_json(path, "what a study has written", shape, nan=nan)


def read_lines(path: Path) -> list[str]:
    """The lines of a list of images; bytes of names that are no UTF-8 do not matter.

    Raises:
        DataError: The file cannot be read.
    """
    try:
        return read_bytes(path).decode("utf-8", "replace").split("\n")
    except OSError as error:
        raise unreadable(path, "a list of images", error) from error
