"""What can be known of a study before anything of it runs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from daseg.engine.study.jobs import Job, Plan
from daseg.utils.errors import ConfigError, DataError
from daseg.utils.places import remedy

FILES = ("root", "label_root", "weights", "load_from", "segmentor_weights", "pseudo_labels")


def check_plan(plan: Plan) -> None:
    """Load every config, look for every folder and file, and for what was made otherwise before.

    Raises:
        ConfigError: A config cannot be used, or an earlier run had other settings.
        DataError: A folder or file is missing that nothing of the study makes.
    """
    missing: dict[str, str] = {}
    for job in plan.jobs.values():
        for place, path in _places(job):
            if not Path(path).exists():
                missing.setdefault(path, f"{job.step.config}: {place}")
    if missing:
        lines = [f"{where} = {path} is not there{remedy(path)}" for path, where in missing.items()]
        raise DataError("\n".join(["before the study can run:", *lines]))
    changed = [job for job in plan.jobs.values() if _changed(job)]
    if changed:
        raise ConfigError(
            "made with other settings before, by another state of the config or of the study: "
            + "; ".join(f"{job.folder} ({_changed(job)})" for job in changed)
            + ". Delete these folders to make them again, or choose another --root"
        )


def _places(job: Job) -> Iterator[tuple[str, str]]:
    """Files and folders that its config names, and that no job makes; with their keys."""
    given = job.plan.given.get(job.step.name)
    if given is not None:
        yield f"--given {job.step.name}", given
        return
    made = [str(other.product()) for other in job.plan.jobs.values()]
    for key, value in _leaves(job.cfg._cfg_dict.to_dict()):
        names_file = key.rpartition(".")[2] in FILES and isinstance(value, str)
        if names_file and "/" in value and value not in made:  # "package" is no file
            yield key, value
    yield from (
        (f"{{{name}}}", job.plan.given[name])
        for name in job.step.references()
        if name in job.plan.given
    )


def _leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, child in items:
        place = f"{path}.{key}".lstrip(".")
        if isinstance(child, (dict, list, tuple)):
            yield from _leaves(child, place)
        else:
            yield place, child


def _changed(job: Job) -> str:
    """Which settings are others than those in the record of an earlier making."""
    before = job.record().get("settings")
    if before is None:
        return ""
    return ", ".join(key for key, now in job.settings.items() if before.get(key) != now)
