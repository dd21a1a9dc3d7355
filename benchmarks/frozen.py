"""Watchers of a queue that can stop to take anything, and go on later as if nothing had been.

They watch whole tasks, so that a few large ones fill what is on the way to them.
"""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from contest import Setting
from following import QUEUE, Crowd
from frames import DEFAULT_WINDOW
from scaling import Program
from wire import Wire

from idstatus.v1.task_pb2 import TaskView

_LOOK = 0.05


class Frozen(Protocol):
    """One of them. The server has ended its stream so many times as it was ``interrupted``."""

    interrupted: int

    def freeze(self) -> None:
        """Take nothing from now on."""
        ...

    def thaw(self, newest: int) -> None:
        """Take everything up to the newest change."""
        ...

    def faults(self, newest: int) -> int:
        """Return 0 if each change was told once and in order."""
        ...


Freezer = Callable[[Setting, str], AbstractContextManager[Frozen]]
"""Makes one of them, given the address of a server whose store is empty."""


class Unread:
    """A connection that is not read; it holds as much as HTTP/2 lets it by default, 64 KiB.

    It has a watch only while it is frozen, each time from its last token on.
    """

    def __init__(self, wire: Wire) -> None:
        self.interrupted = 0
        self._wire = wire
        self._crowd = Crowd(1, TaskView.TASK_VIEW_FULL)
        self._start()
        wire.until(lambda: self._call.messages > 0)
        self._stop()

    def _start(self) -> None:
        (connection,) = self._wire.connections
        self._call = self._crowd.followers[0].start(connection, self._end)
        self._wire.flush()

    def _stop(self) -> None:
        self._wire.connections[0].cancel(self._call)
        self._wire.flush()

    def _end(self) -> None:
        self.interrupted += 1
        self._start()

    def freeze(self) -> None:
        """Watch, and read nothing of it."""
        self._start()

    def thaw(self, newest: int) -> None:
        """Read it all; where the server has ended the stream, begin another with the last token."""
        self._crowd.until_told(self._wire, newest)
        self._stop()

    def faults(self, newest: int) -> int:
        """Return 0 if each change was told once and in order."""
        return self._crowd.faulty(newest)


class Stopped:
    """A process with our client package, which is stopped."""

    def __init__(self, program: Program) -> None:
        self.interrupted = self._faults = 0
        self._program = program
        program.hear()

    def freeze(self) -> None:
        """Stop it."""
        os.kill(self._program.process.pid, signal.SIGSTOP)

    def thaw(self, newest: int) -> None:
        """Let it go on."""
        os.kill(self._program.process.pid, signal.SIGCONT)
        known = 0
        while known < newest:
            time.sleep(_LOOK)
            self._program.tell()
            told = json.loads(self._program.hear())
            known, self._faults, self.interrupted = (
                told[key] for key in ("newest", "faults", "interruptions")
            )

    def faults(self, _: int) -> int:
        """Return how many changes were missed, or told twice."""
        return self._faults


@contextmanager
def unread(_: Setting, address: str) -> Iterator[Frozen]:
    """Return a connection that can be left unread."""
    with Wire(address, 1, DEFAULT_WINDOW) as wire:
        yield Unread(wire)


@contextmanager
def stopped(at: Setting, address: str) -> Iterator[Frozen]:
    """Return a process that can be stopped."""
    with Program("follower.py", address, QUEUE, on=at.load_cores) as program:
        yield Stopped(program)
