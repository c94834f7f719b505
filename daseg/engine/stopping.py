"""Several processes stop together: after the same iteration, or in the same validation."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from mmengine.dist import all_reduce, is_distributed
from torch.distributed.distributed_c10d import _get_default_store

from daseg.utils import signals
from daseg.utils.errors import UserError
from daseg.utils.signals import Stopped

_number = itertools.count()


class LauncherLostError(UserError):
    """What keeps the processes together has ended."""


class Stopping:
    """Finds the iteration after which all processes stop, when one or all of them got a signal.

    One process does so after the iteration that it is in. Several must not stop after different
    ones: those that go on would wait for the others for ever. The signal reaches them at different
    times, or only one of them. They agree by way of the store through which they found each other,
    which costs a look-up an iteration (some 60 us on one machine) and never waits for the device:

    1. Who has got a signal says so under ``asked``; all look there after each iteration.
    2. Who has seen it lets the device finish, after this iteration and each later one, and counts
       itself under ``ready``.
    3. Who sees after an iteration i that all are ready puts i + 1 under ``at``, if that is empty.
    4. All stop after the iteration ``at``.

    That is the same one for all. Gradients are averaged over all processes in each iteration, so
    that a process which is ready ends an iteration i, on its device and thus here too, only after
    all have begun i. Let P be who puts i + 1 there. No one has ended i + 1 by then, since P has not
    begun it; so nobody is too late. Who ends i + 1 does so after P has begun it, and has written
    before; so nobody misses it. Nor can anyone put something else there later on.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._ready = False
        self._store: dist.Store | None = None
        if is_distributed():
            name = f"daseg_stop_{next(_number)}"  # all processes have made as many
            self._store = dist.PrefixStore(name, _get_default_store())

    def requested(self) -> int | None:
        """The number of the signal by which to stop, as far as this process knows; None: none."""
        own = signals.noted()
        if self._store is None or self.number is not None:
            return self.number or own
        try:
            if own is not None:
                self._store.set("asked", str(own))
                self.number = own
            elif self._store.check(["asked"]):
                self.number = int(self._store.get("asked"))
        except RuntimeError as error:
            raise LauncherLostError(
                "what has started the processes has ended, and with it their common store: "
                "--resume goes on from the newest checkpoint"
            ) from error
        return self.number

    def due(self, iteration: int) -> int | None:
        """The number of the signal if all processes stop after this iteration; else None."""
        number = self.requested()
        if number is None or self._store is None:
            return number
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        if not self._ready:
            self._store.add("ready", 1)
            self._ready = True
        if self._store.add("ready", 0) == dist.get_world_size():
            self._store.compare_set("at", "", str(iteration + 1))
        is_set = self._store.check(["at"])
        return number if is_set and int(self._store.get("at")) <= iteration else None


@contextmanager
def all_or_none() -> Iterator[None]:
    """Work that each process does by itself: a signal ends it early, in all of them or in none.

    Between two images `signals.check` raises `Stopped` in the body. All processes wait for each
    other at its end. The body has nothing that the processes do together.
    """
    stopped: int | None = None
    with signals.open_to_stop():
        try:
            yield
        except Stopped as error:
            if error.at_once:
                raise
            stopped = error.number
    flag = torch.tensor(stopped or 0)
    all_reduce(flag, "max")
    if flag:
        raise Stopped(int(flag))
