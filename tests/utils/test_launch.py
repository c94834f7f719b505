"""How torchrun ends: with the status of the process that has failed, or with the reason."""

import pytest
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

from daseg.utils import launch


@pytest.mark.parametrize(("code", "status", "message"), [
    (2, 2, ""),  # the process has told what is wrong
    (1, 1, ""),
    (143, 143, ""),
    (-9, 1, "error: process 3 was killed by SIGKILL; the others were stopped\n"),
    (77, 1, "error: process 3 ended with 77; the others were stopped\n"),
])  # fmt: skip
def test_a_process_that_fails(code, status, message, monkeypatch, capsys):
    def fail(_):
        failure = ProcessFailure(local_rank=1, pid=1, exitcode=code, error_file="none")
        raise ChildFailedError("train", {3: failure})

    monkeypatch.setattr(launch, "main", fail)
    assert launch.launch([]) == status
    assert capsys.readouterr().err == message


def test_a_signal(monkeypatch):
    def stop(_):
        raise SignalException("stopped", sigval=15)

    monkeypatch.setattr(launch, "main", stop)
    assert launch.launch([]) == 143
