"""Starts and kills real servers."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from preloaded import Fork

SERVER = (sys.executable, "-m", "idstatus_server")
# What starts a module of the tests.
OF_TESTS = ("env", f"PYTHONPATH={Path(__file__).parent}", sys.executable, "-m")
_START_LIMIT = 30.0


def sqlite_in(folder: Path) -> str:
    """Return the URL of a store in a folder."""
    return f"sqlite:///{folder / 'idstatus.db'}"


new_store: Callable[[Path], str] = sqlite_in
"""Makes a store for a server that is given none; the option --store changes it."""


class ServerProcess:
    """One idstatus-server on an address and a store of its own, which outlive its restarts.

    ``inside`` is the command that starts another one in a network namespace, and ``program``
    the server's own.
    """

    def __init__(
        self,
        folder: Path,
        *flags: str,
        store: str | None = None,
        address: str = "",
        inside: Sequence[str] = (),
        program: Sequence[str] = SERVER,
    ) -> None:
        self.folder = folder
        self.store = store or new_store(folder)
        self.address = address or f"127.0.0.1:{free_port()}"
        self.program = program
        self._inside = inside
        self.flags = flags
        self.log = folder / "server.log"
        self.said = ""
        self._process: subprocess.Popen[str] | Fork | None = None

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def start(self, *flags: str) -> Self:
        """Start it and return once it listens."""
        words = ("--listen", self.address, "--store", self.store, *self.flags, *flags)
        if self.program == SERVER and not self._inside:
            self._process = Fork(words, self.log)
        else:
            command = [*self._inside, *self.program, *words]
            with self.log.open("a") as log:
                self._process = subprocess.Popen(
                    command, stdout=subprocess.PIPE, stderr=log, text=True
                )
        assert self._process.stdout
        self.said = self._process.stdout.readline()
        assert re.search("listens on", self.said), self.log.read_text()
        return self

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask it to drain, and return its exit status."""
        return self._end(signal.SIGTERM)

    def signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def wait(self) -> int:
        """Return its exit status once it has ended by itself."""
        assert self._process
        status = self._process.wait(_START_LIMIT)
        self.kill()
        return status

    def _end(self, number: int) -> int:
        if self._process is None:
            return 0
        process, self._process = self._process, None
        process.send_signal(number)
        status = process.wait(_START_LIMIT)
        if process.stdout:
            process.stdout.close()
        return status


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])
