"""Runs the server in forks of a process that has imported it, so that a start costs little.

The tests start some hundreds. What is about the program itself, its flags and its end, runs it
as a user does.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from idstatus_server.__main__ import main

_context = get_context("forkserver")
_context.set_forkserver_preload([main.__module__])


class Fork:
    """A server that was begun with these arguments; used like a Popen."""

    def __init__(self, arguments: Sequence[str], log: Path) -> None:
        ours, its = _context.Pipe(duplex=False)
        # At the latest it ends with the tests.
        self._process = _context.Process(
            target=_run, args=(arguments, dict(os.environ), its, log), daemon=True
        )
        self._process.start()
        its.close()
        self.stdout = os.fdopen(os.dup(ours.fileno()))

    @property
    def pid(self) -> int:
        """Its number."""
        assert self._process.pid
        return self._process.pid

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self._process.is_alive():
            os.kill(self.pid, number)

    def wait(self, timeout: float) -> int:
        """Return its exit status once it has ended."""
        self._process.join(timeout)
        assert self._process.exitcode is not None
        return self._process.exitcode


def _run(arguments: Sequence[str], environ: Mapping[str, str], out: Connection, log: Path) -> None:
    os.environ.clear()
    os.environ.update(environ)
    os.dup2(out.fileno(), 1)
    with log.open("a") as errors:
        os.dup2(errors.fileno(), 2)
    sys.argv = ["idstatus-server", *arguments]
    sys.orig_argv = [sys.executable, "-m", "idstatus_server", *arguments]
    main()
