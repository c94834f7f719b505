"""Checks before a job runs: its config, its files, and what has changed since it was made."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from daseg.study.jobs import Job, Key
from daseg.study.plan import Plan
from daseg.utils.errors import ConfigError, DataError
from daseg.utils.hints import hint
from daseg.utils.progress import track
from daseg.utils.walk import walk

FILES = ("root", "label_root", "weights", "load_from", "segmentor_weights", "pseudo_labels")
TRAINED = ("train_dataloader", "train_cfg", "optim_wrapper")
TESTED = ("test_dataloader", "test_evaluator")


def check_plan(plan: Plan) -> None:
    """Load every config, look for every folder and file, and for jobs made with other settings.

    Files that only finished jobs have needed may be gone.

    Raises:
        ConfigError: A config cannot be used, or an earlier run had other settings.
        DataError: A folder or file is missing that no job of the study makes.
    """
    missing: dict[str, str] = {}
    changed: dict[Key, str] = {}
    made = {job.product() for job in plan.jobs.values() if job.given is None}
    for job in track(plan.jobs.values(), len(plan.jobs), "jobs checked"):
        needs = [plan.jobs[key].place for key in job.needs if key in changed]
        found = list(dict.fromkeys([*changes(job), *needs]))
        if found:  # "" is for a job that is still to be made
            changed[job.key] = f"{job.folder} ({', '.join(found)})" if job.record() else ""
        if job.state != "done":
            _check_commands(job)
            for place, path in _places(job):
                will_be = not made.isdisjoint({Path(path), *Path(path).parents})
                if not path or not (will_be or Path(path).exists()):
                    missing[path] = f"{place} = {path} is not there{hint(path)}"
            missing |= _gone(job)
    if missing:
        raise DataError("\n".join(["before the study can run:", *missing.values()]))
    folders = [folder for folder in changed.values() if folder]
    if folders:
        raise ConfigError(
            "made with other settings before (the config, the study or the inputs have changed): "
            f"{'; '.join(folders)}. Delete these folders to make them again, or choose another "
            "--root"
        )


def changes(job: Job) -> list[str]:
    """What differs from its record: settings, and jobs whose results it was made from.

    A setting that an older record does not have is not compared.

    Raises:
        DataError, ConfigError: The record or the config cannot be read.
    """
    record = job.record()
    if "settings" not in record:
        return []
    before, now = record["settings"], job.settings
    found = [key for key in _differing(before, now) if key in before and key != "needs"]
    if job.placed(record.get("given", job.given) or "") != job.placed(job.given or ""):
        found.append("--given")
    needs = _differing(before.get("needs", now["needs"]), now["needs"])
    again = _differing(record.get("made_of", job.made_of()), job.made_of())
    return list(dict.fromkeys([*found, *needs, *again]))


def refuse_changes(job: Job) -> None:
    """Refuse a job that another process has begun or made meanwhile with other settings.

    Raises:
        ConfigError: Its record differs from what would be made now.
    """
    found = changes(job)
    if found:
        raise ConfigError(
            f"{job.folder} was made meanwhile with other settings ({', '.join(found)}): delete it "
            "to make it again, or choose another --root"
        )


def refuse_edits(job: Job) -> None:
    """Read its config again, which has to be the one that was checked and recorded.

    Raises:
        ConfigError: It is another one, or cannot be read any more.
    """
    if replace(job).settings != job.settings:  # a new job, which has loaded no config yet
        raise ConfigError(
            f"{job.step.config}, or what it is based on, was edited after the study had checked "
            "it: put it back, or start the study again"
        )


def _check_commands(job: Job) -> None:
    """Check that its commands can be written, and that its config has what they need."""
    if job.given is None:
        job.making()
    trained = TRAINED if job.step.tool == "train" and job.given is None else ()
    for key in (*trained, *(TESTED if job.step.is_row else ())):
        if not job.cfg.get(key):
            raise ConfigError(f"{job.step.name!r}: {job.step.config} has no {key}")


def _places(job: Job) -> Iterator[tuple[str, str]]:
    """The files and folders that it needs, each with the place that names it."""
    step, settings = job.step, job.cfg._cfg_dict.to_dict()
    if job.given is not None:  # it is only tested
        settings = {"test_dataloader": settings["test_dataloader"]}
    for key, value in walk(settings):
        names_file = key.rpartition(".")[2] in FILES and isinstance(value, str)
        if names_file and "/" in value:  # "package" is not a file
            yield f"{step.config}: {key}", value
    if step.checkpoint is not None:
        yield f"{step.name!r}: checkpoint", job.resolved(step.checkpoint)
    yield from ((f"{step.name!r}: judge", job.resolved(word)) for word in step.judge or ())
    for name in (step.name,) if job.given is not None else step.references():
        if name in job.plan.given:
            yield f"--given {name}", job.plan.given[name]


def _gone(job: Job) -> dict[str, str]:
    """Results of finished jobs that it needs, but that have been removed."""
    needs = [job.plan.jobs[key] for key in job.needs]
    return {
        str(need.product()): f"{job} needs {need.product()}, which was made and is gone: delete "
        f"{need.folder} to make it again"
        for need in needs
        if need.state == "done" and need.given is None and not need.product().exists()
    }


def _differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [key for key in {**now, **before} if before.get(key) != now.get(key)]
