"""Run the jobs of a study on a Slurm cluster, through submitit."""

import json
import shutil
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Any

from daseg.registry import LAUNCHERS
from daseg.study.check import refuse_changes
from daseg.study.jobs import Job
from daseg.study.launchers import Launcher
from daseg.study.making import (
    LAST_LINES,
    JobLockedError,
    Maker,
    StudyError,
    note_stopped,
    result_of,
    state_of,
)
from daseg.utils.errors import ConfigError, UserError
from daseg.utils.files import atomic_write_text
from daseg.utils.json_files import read_json

RECORD = "cluster.json"  # which job of the cluster makes a job of the study
LOGS = "cluster"  # folder of submitit's files
POLL_SECONDS = 1.0
REQUEUES = 10  # how often a job may run out of its time
STOPPING = (signal.SIGTERM, signal.SIGINT)  # what `scancel` and Ctrl-C send


@LAUNCHERS.register_module()
class Slurm(Launcher):
    """Runs each job as one of Slurm, with the GPUs that its row asks for.

    The study's folder must be on a disk that all machines share. The command that runs the study
    submits a job when what it needs is done, and waits for it. If the command is killed, the jobs
    of the cluster go on, and the same command finds them again. Before its time is over a job stops
    its training, which saves, and is put into the queue again.

    Args:
        partition: Slurm's partition; None: its default.
        account: Slurm's account.
        qos: Slurm's quality of service.
        constraint: Features of the machines, such as "a100".
        time: Minutes that a job may take until it is put into the queue again.
        mem: Memory of a machine, such as "64GB".
        gpus_per_node: GPUs of a job at least; a row with more ``devices`` gets these. 0: none, the
            jobs compute on processors.
        cpus_per_task: Processor cores for each device of a job.
        jobs: How many are in the cluster's queue at a time.
        further: Further parameters of ``sbatch``: ``{"nodelist": "node7"}``.
        cluster: submitit's name of the cluster: "slurm", or "local" for processes on this machine.

    Raises:
        ConfigError: submitit is not installed, or an argument makes no sense.
    """

    def __init__(
        self,
        partition: str | None = None,
        account: str | None = None,
        qos: str | None = None,
        constraint: str | None = None,
        time: int = 24 * 60,
        mem: str | None = None,
        gpus_per_node: int = 1,
        cpus_per_task: int = 8,
        jobs: int = 100,
        further: Mapping[str, Any] | None = None,
        cluster: str = "slurm",
    ) -> None:
        try:
            from submitit import AutoExecutor
        except ImportError as error:
            raise ConfigError(
                "the launcher Slurm needs the package submitit: pip install 'daseg[slurm]'"
            ) from error
        if cluster == "slurm" and shutil.which("sbatch") is None:
            raise ConfigError("the launcher Slurm: there is no command sbatch on this machine")
        least = dict(time=(time, 1), gpus_per_node=(gpus_per_node, 0), jobs=(jobs, 1))
        least["cpus_per_task"] = cpus_per_task, 1
        for name, (value, smallest) in least.items():
            if not isinstance(value, int) or value < smallest:
                raise ConfigError(
                    f"the launcher Slurm: {name} is a whole number from {smallest}, not {value!r}"
                )
        self.slots = [cluster] * jobs
        self.cluster, self.gpus_per_node, self.cpus_per_task = cluster, gpus_per_node, cpus_per_task
        self.time, self._executor = time, AutoExecutor
        stated = dict(partition=partition, account=account, qos=qos, constraint=constraint, mem=mem)
        self._stated = {f"slurm_{key}": value for key, value in stated.items() if value}
        self._further = dict(further or {})
        self._stopping = False

    def run(self, job: Job, slots: Sequence[str]) -> tuple[str, bool]:
        """Submit the job and wait for it; or for the one that an earlier study has submitted."""
        refuse_changes(job)
        if job.state == "done":
            return f"is there already{result_of(job)}", False
        submitted = self._submitted(job) or self._submit(job)
        while not submitted.done():
            if self._stopping:
                submitted.cancel(check=False)
                raise StudyError("stopped")
            time.sleep(POLL_SECONDS)
        return self._outcome(job, submitted)

    def stop(self) -> None:
        """Cancel the jobs of the cluster that this study waits for."""
        self._stopping = True

    def _submitted(self, job: Job) -> Any:
        """The job of the cluster that an earlier study has submitted; None: it has ended."""
        path = job.folder / RECORD
        if job.state not in ("queued", "running") or not path.exists():
            return None
        from submitit.core.plugins import get_executors

        known = read_json(path, "the record of a cluster's job", {"cluster": str, "id": str})
        kind = get_executors().get(known["cluster"])
        found = kind and kind.job_class(folder=job.folder / LOGS, job_id=known["id"])
        return None if found is None or found.done() else found

    def _submit(self, job: Job) -> Any:
        if state_of(job) == "running":
            raise JobLockedError
        if self._stopping:
            raise StudyError("stopped")
        devices = job.step.devices
        folder = job.folder / LOGS
        folder.mkdir(parents=True, exist_ok=True)
        executor = self._executor(folder, cluster=self.cluster, slurm_max_num_timeout=REQUEUES)
        executor.update_parameters(
            name=f"{job.step.name}.{job.seed}",
            timeout_min=self.time,
            cpus_per_task=self.cpus_per_task * devices,
            gpus_per_node=max(self.gpus_per_node, devices) if self.gpus_per_node else 0,
            slurm_additional_parameters=self._further,
            **self._stated,
        )
        job.write(state="queued")
        submitted = executor.submit(Remote(job))
        known = dict(cluster=self.cluster, id=submitted.job_id)
        atomic_write_text(job.folder / RECORD, json.dumps(known) + "\n")
        print(f"{job}: job {submitted.job_id} of {self.cluster}, see {folder}", flush=True)
        return submitted

    def _outcome(self, job: Job, submitted: Any) -> tuple[str, bool]:
        from submitit.core.utils import UncompletedJobError

        try:
            outcome = submitted.result()
        except UncompletedJobError as error:
            note_stopped(job)
            lines = [f"  {line[:200]}" for line in str(error).splitlines()[-LAST_LINES:]]
            start = f"job {submitted.job_id} of {self.cluster} ended without a result:"
            raise StudyError("\n".join([start, *lines])) from error
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


class Remote:
    """A job as a function without arguments, which submitit calls on a machine of the cluster."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.maker: Maker | None = None

    def __call__(self) -> tuple[str, bool] | Exception:
        """Make the job; return its outcome, or the error to raise where the study runs."""
        maker = self.maker = Maker()
        for number in STOPPING:  # submitit would ignore the first
            signal.signal(number, lambda *_: maker.stop())
        try:
            return maker.make(self.job, socket.gethostname(), {})
        except JobLockedError as error:
            return error
        except UserError as error:
            return StudyError(str(error))

    def checkpoint(self) -> Any:
        """What to do when it has been put into the queue again: the same.

        submitit calls it before the time of a job is over, or when it has to give way to another.
        """
        from submitit.helpers import DelayedSubmission

        if self.maker is not None:
            self.maker.stop()
            self.maker.wait()
        return DelayedSubmission(Remote(self.job))
