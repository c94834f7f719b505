"""What has changed since a job was made: its record against what would be made now."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from daseg.study.jobs import Job
from daseg.utils.errors import ConfigError


def changes(job: Job) -> list[str]:
    """In what its record differs: settings, and places of jobs whose makings it was made of.

    What a record does not have, since it is older than that setting, is not compared.

    Raises:
        ConfigError: The record or the config cannot be read.
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
    """Refuse what another process has begun or made meanwhile in another way.

    Raises:
        ConfigError: Its record differs from what would be made now.
    """
    found = changes(job)
    if found:
        raise ConfigError(
            f"{job.folder} was made meanwhile in another way ({', '.join(found)}): delete it to "
            "make it again, or choose another --root"
        )


def refuse_edits(job: Job) -> None:
    """Read its config anew: what is run now is to be what was checked, and is recorded.

    Raises:
        ConfigError: It is another one, or cannot be read any more.
    """
    if replace(job).settings != job.settings:  # a new job, which has loaded no config yet
        raise ConfigError(
            f"{job.step.config}, or what it is based on, was edited after the study had checked "
            "it: put it back, or start the study again"
        )


def _differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [key for key in {**now, **before} if before.get(key) != now.get(key)]
