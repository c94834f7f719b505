"""Run the missing parts of a study, and write its report: the command ``daseg study``."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from prettytable import PrettyTable

from daseg.study.check import check_plan
from daseg.study.launchers import Launcher, build_launcher
from daseg.study.making import StudyError, note_stopped, state_of
from daseg.study.plan import Plan
from daseg.study.queue import Queue
from daseg.study.reading import JSON, read_study
from daseg.study.report import summary, write_report
from daseg.utils.errors import ConfigError, DataError, UserError, WriteError
from daseg.utils.files import atomic_write_text
from daseg.utils.writable import check_folder
from daseg.worlds.load import name_of


def run_study(
    path: str | Path,
    *,
    root: str | Path | None = None,
    world: str | None = None,
    num_seeds: int | None = None,
    rows: Sequence[str] | None = None,
    given: Mapping[str, str] | None = None,
    launcher: Launcher | str | None = None,
    launcher_options: Mapping[str, Any] | None = None,
    only_report: bool = False,
    only_list: bool = False,
) -> list[Path]:
    """Make what is missing of a study; write its report.

    Args:
        path: The study's file, or the name of one of daseg's.
        root: Folder of all that is made; None: ``work_dirs/studies/NAME/WORLD``.
        world: A small world to run it in, "demo" or "camvid"; None: the real data.
        num_seeds: How many of the study's seeds, the first ones; None: all.
        rows: Only these rows, and what they need.
        given: By name of a row or step what is given in its place.
        launcher: Runs the jobs, or the name of one in `LAUNCHERS`; None: the one that the study's
            file states, or without one `Local`.
        launcher_options: Arguments of the launcher that take the place of the file's.
        only_report: Run nothing; report on what is there.
        only_list: Run nothing and write nothing; check all, and print the jobs and their states.

    Returns:
        The files of the report.

    Raises:
        ConfigError, DataError: Before anything runs, where it can be known; or the report cannot
            be written.
        StudyError: Jobs failed; the others were run, and the report is written.
    """
    study = read_study(path)
    if num_seeds is not None and not 1 <= num_seeds <= len(study.seeds):
        raise ConfigError(
            f"--seeds {num_seeds}: a number from 1 to {len(study.seeds)}, of the seeds in {path}"
        )
    seeds = study.seeds[:num_seeds]
    default = Path("work_dirs/studies", study.name, name_of(world or "real"))
    root = check_folder(default if root is None else root, "--root")
    plan = Plan(study, root, world=world, seeds=seeds, given=given, rows=rows)
    if not only_report:
        check_plan(plan)
    elif not (root / JSON).is_file():
        raise DataError(f"--only-report: nothing of the study is in {root} (--root, --world)")
    if only_list:
        print(_listed(plan))
        return []
    queue = None
    if not only_report:
        built = build_launcher(study.launcher, launcher, launcher_options)
        for job in plan.jobs.values():
            built.check(job)
        queue = Queue(plan.jobs, built, partial(print, flush=True))  # at once into a file, too
    tested = tuple(name for name in study.rows if name in plan.given)
    content = replace(study, world=world or "real", seeds=seeds, given=tested).content()
    with _writing(str(root / JSON)):
        atomic_write_text(root / JSON, json.dumps(content, indent=2) + "\n")
    try:
        if queue:
            queue.work()
    except KeyboardInterrupt:
        print("\nstopped; the same command continues", file=sys.stderr)
        raise
    finally:
        files = _report(plan, _failures(queue))
    if queue and queue.failed:
        raise StudyError(_failures(queue))
    return files


def _report(plan: Plan, failures: str) -> list[Path]:
    """Write and sum up the report; where that fails, say so behind the failures of jobs."""
    try:
        with _writing(f"the report in {plan.root}"):
            for job in plan.jobs.values():
                note_stopped(job)
            files = write_report(plan.root)
        print(summary(plan.root))
    except UserError as error:
        if not failures:
            raise
        raise StudyError(f"{failures}\nand there is no new report: {error}") from error
    return files


@contextmanager
def _writing(what: str) -> Iterator[None]:
    """Add to an error of the disk what is left of the study."""
    left = "All that was made is complete: the same command continues"
    try:
        yield
    except WriteError as error:
        raise WriteError(f"{error}. {left}") from error
    except OSError as error:  # which does not always know its file
        raise WriteError(f"{what} cannot be written: {error}. {left}") from error


def _listed(plan: Plan) -> str:
    table = PrettyTable(["job", "seed", "state", "after"], align="l")
    for job in plan.jobs.values():
        needs = ", ".join(name for name, _ in job.needs)
        table.add_row([job.step.name, job.seed, state_of(job), needs])
    return table.get_string()


def _failures(queue: Queue | None) -> str:
    """What failed; "" for nothing."""
    if queue is None or not queue.failed:
        return ""
    lines = [f"{len(queue.failed)} of {len(queue.jobs)} jobs failed:"]
    lines += [f"{queue.jobs[key]}: {error}" for key, error in queue.failed.items()]
    if queue.waiting():
        names = ", ".join(sorted({name for name, _ in queue.waiting()}))
        lines.append(f"not run, since they need one of these: {names}")
    return "\n".join([*lines, "the same command tries them again"])
