"""The parent's end of the line: a worker, whichever process it is just now."""

import asyncio
import logging
import os
import signal
import socket
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Sequence
from contextlib import suppress

from idstatus_server.errors import StartError
from idstatus_server.workers.parent import LISTENS

_log = logging.getLogger(__name__)

# A worker that dies is replaced at once. If the new one does not live for so long, the next
# is waited for, each time twice as long: at first, and at most, for so long. In seconds.
_SETTLED = 10.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 8.0


class Worker:
    """One worker: a process, and another one whenever it has died."""

    def __init__(self, command: Sequence[str], leaving: asyncio.Event) -> None:
        self._command = command
        self._leaving = leaving
        self._process: Process | None = None
        self._line: asyncio.StreamWriter | None = None

    async def start(self) -> None:
        """Start a process and return once it listens.

        Raises:
            StartError: it cannot; it has ended then.
        """
        self._process = None
        ours, theirs = socket.socketpair()
        with theirs:
            line = theirs.fileno()
            try:
                # In a session of its own it does not hear of Ctrl-C, which we pass on.
                self._process = await asyncio.create_subprocess_exec(
                    *self._command,
                    *("--parent", str(line)),
                    pass_fds=[line],
                    stdin=DEVNULL,
                    start_new_session=True,
                )
            except OSError as error:
                ours.close()
                raise StartError(f"cannot start a worker: {error.strerror}") from error
        if self._leaving.is_set():
            self.signal(signal.SIGTERM)
        await self._hear(ours)

    async def _hear(self, line: socket.socket) -> None:
        """Return when the worker says that it listens."""
        if self._line:
            self._line.close()
        reader, self._line = await asyncio.open_connection(sock=line)
        said = (await reader.readline()).decode().strip()
        if said != LISTENS:
            status = await self._wait()
            raise StartError(said or f"a worker {_ended(status)} before it listened")

    async def keep(self) -> int:
        """Replace the process whenever it dies; told to stop, return its exit status."""
        pause = 0.0
        while True:
            since = time.monotonic()
            status = await self._wait()
            if self._leaving.is_set():
                return status
            if time.monotonic() - since > _SETTLED:
                pause = 0.0
            _log.warning("a worker %s, the next one starts in %g s", _ended(status), pause)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._leaving.wait(), pause)
                return os.EX_OK
            pause = min(2 * pause or _FIRST_PAUSE, _LONGEST_PAUSE)
            try:
                await self.start()
            except StartError as error:
                _log.error("a worker cannot start: %s", error)

    async def _wait(self) -> int:
        return await self._process.wait() if self._process else os.EX_OSERR

    def signal(self, number: int) -> None:
        """Send the process a signal, if there is one."""
        if self._process:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)


def _ended(status: int) -> str:
    if status < 0:
        return f"was ended by signal {-status}"
    return f"ended with status {status}"
