"""A server of several processes, as seen from outside: who they are, and who serves whom."""

import asyncio
import subprocess

import psutil
from waiting import PATIENCE, until

from harness import SERVER, ServerProcess


class Crew:
    """The processes of a server that was started with --workers."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.parent = psutil.Process(server.pid)

    @property
    def port(self) -> int:
        return int(self.server.said.split()[4].rstrip(",").rpartition(":")[2])

    @property
    def workers(self) -> list[psutil.Process]:
        """The workers that listen."""
        return [worker for worker in self.parent.children() if self._has(worker, "LISTEN")]

    def serves(self, worker: psutil.Process) -> bool:
        """Tell whether a client is connected to this worker."""
        return self._has(worker, "ESTABLISHED")

    def _has(self, process: psutil.Process, status: str) -> bool:
        try:
            connections = process.net_connections("tcp")
        except psutil.Error:  # it has just ended
            return False
        return any(c.status == status and c.laddr.port == self.port for c in connections)

    @property
    def log(self) -> str:
        return self.server.log.read_text()

    async def whole_again(self, without: psutil.Process, size: int = 2) -> list[psutil.Process]:
        """Return the workers once so many listen and this one is gone."""
        # To be asked again may miss one: the system's list of connections is no single state.
        seen: list[psutil.Process] = []

        def whole() -> bool:
            seen[:] = self.workers
            return len(seen) == size and without not in seen

        await asyncio.to_thread(until, whole)
        return seen


async def gone(processes: list[psutil.Process]) -> None:
    """Return once all of these have ended."""
    await asyncio.to_thread(until, lambda: all(map(_has_ended, processes)))


def _has_ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def refused(*flags: str) -> str:
    """Return the one line that a server says as it refuses to start."""
    done = subprocess.run(
        [*SERVER, *flags], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    return line
