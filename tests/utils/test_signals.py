"""Signals: one is obeyed or noted, a second ends at once; and so does a parent's death."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from daseg.utils import signals
from daseg.utils.errors import ConfigError, WriteError
from daseg.utils.progress import track
from daseg.utils.signals import Stopped

ROOT = Path(__file__).parents[2]
TERM = signal.SIGTERM


def send(number: int = TERM) -> None:
    os.kill(os.getpid(), number)


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT)}


def test_a_signal_is_raised_and_the_handlers_are_put_back():
    before = [signal.getsignal(number) for number in signals.STOPPING]
    with pytest.raises(Stopped, match=r"^stopped by SIGTERM$") as stop, signals.obeyed():
        send()
    assert stop.value.status == 143
    assert [signal.getsignal(number) for number in signals.STOPPING] == before
    assert signals.noted() is None


def test_gently_it_is_noted_and_asked_for():
    with signals.obeyed(), signals.gently():
        send()
        assert signals.requested() == TERM
        signals.check()
        with signals.open_to_stop(), pytest.raises(Stopped):
            signals.check()


def test_a_long_job_ends_between_two_items(capsys):
    """Also where the exception was lost, as in a destructor."""

    class Loses:
        def __del__(self):
            send()

    def work():
        for item in track(range(9), 9, "working"):
            done.append(item)
            if item == 3:
                Loses()

    done: list[int] = []
    with Quiet(), signals.obeyed(), pytest.raises(Stopped):
        work()
    assert done == [0, 1, 2, 3]


class Quiet:
    """Python tells of exceptions that it loses."""

    def __enter__(self):
        self.hook, sys.unraisablehook = sys.unraisablehook, lambda *_: None

    def __exit__(self, *_):
        sys.unraisablehook = self.hook


def test_what_a_library_makes_of_it_is_found_again():
    def library():
        try:
            send()
        except BaseException:  # or a bare except, as mmengine's
            raise SyntaxError("the config cannot be formatted") from None

    def full():
        try:
            send()
        except Stopped as stop:
            raise WriteError("the disk is full") from stop

    def checked():
        try:
            library()
        except SyntaxError as error:
            raise ConfigError("the first iteration fails") from error

    for work in (library, checked):
        with pytest.raises(Stopped), signals.obeyed():
            work()
    with pytest.raises(WriteError), signals.obeyed():
        full()
    with pytest.raises(SyntaxError), signals.obeyed():
        raise SyntaxError


def test_another_process_can_ask():
    with pytest.raises(Stopped), signals.obeyed(), signals.asking(lambda: int(TERM)):
        signals.check()


def test_the_same_signal_twice_is_one_and_a_second_one_ends():
    ended = []
    with signals.obeyed(at_second=ended.append), signals.gently():
        send()
        send()
        assert not ended
        time.sleep(signals.TWICE_SECONDS + 0.05)
        with pytest.raises(Stopped) as stop:
            send(signal.SIGINT)
        assert stop.value.at_once
    assert ended == [TERM]


def test_outside_the_main_thread_nothing_is_installed():
    def inside():
        with signals.obeyed():
            handlers.append(signal.getsignal(TERM))

    handlers: list = []
    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(TERM)]


def test_a_forked_process_leaves_it_to_its_parent():
    with signals.obeyed():
        child = os.fork()
        if child == 0:
            send()
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


TOOL = """
import sys, time
from daseg.cli.exits import reports_errors

@reports_errors
def main():
    try:
        print('begun', flush=True)
        time.sleep(600)
    except KeyboardInterrupt:
        print('tidied up', flush=True)
        if sys.argv[1:] == ['slowly']:
            time.sleep(600)
        raise

main()
"""


def tool(*arguments: str, command: tuple[str, ...] = ()) -> subprocess.Popen:
    started = subprocess.Popen(
        [*command, sys.executable, "-c", TOOL, *arguments],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "begun\n"
    return started


@pytest.mark.parametrize(
    ("number", "status", "said"),
    [
        (signal.SIGTERM, 143, "stopped by SIGTERM"),
        (signal.SIGINT, 130, "stopped by the user"),
        (signal.SIGHUP, 129, "stopped by SIGHUP"),
        (signal.SIGUSR1, 138, "stopped by SIGUSR1"),
    ],
)
def test_a_tool_ends_with_the_signals_status(number, status, said):
    running = tool()
    running.send_signal(number)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, out, err) == (status, "tidied up\n", f"\n{said}\n")


def test_a_second_signal_ends_a_tool_at_once_with_the_same_status():
    running = tool("slowly")
    running.send_signal(signal.SIGTERM)
    assert running.stdout.readline() == "tidied up\n"
    time.sleep(signals.TWICE_SECONDS + 0.1)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=60)
    assert (running.returncode, err) == (143, "\nstopped at once by a second signal\n")


def test_nohup_is_respected():
    running = tool(command=("nohup",))
    running.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    assert running.poll() is None
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=60)
    assert running.returncode == 143


PARENT = """
import os, subprocess, sys, time
from daseg.utils.parent import named_parent
child = subprocess.Popen([sys.executable, '-c', sys.argv[1]], env=os.environ | named_parent())
print(child.pid, flush=True)
time.sleep(600)
"""


def test_a_tool_ends_when_its_parent_is_killed():
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, TOOL],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    lines = sorted(parent.stdout.readline() for _ in range(2))
    assert lines[1] == "begun\n"
    parent.kill()
    parent.wait()
    began = time.monotonic()
    assert parent.stdout.read() == "tidied up\n"  # up to the end of its last writer
    assert time.monotonic() - began < 15
