"""The parent of the workers."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence

from idstatus_server.config import Config
from idstatus_server.errors import StartError
from idstatus_server.rpc.listening import hold
from idstatus_server.rpc.tls import Door
from idstatus_server.workers.worker import Worker


def run(settings: Config, door: Door, announce: Callable[[Sequence[str]], None]) -> int:
    """Keep workers until told to stop; return the exit status.

    Args:
        settings: what this process was started with; its workers get the same.
        door: how clients will come in.
        announce: called with the addresses once all workers listen.

    Raises:
        StartError: an address is not to be had or not safe, or the workers cannot start.
    """
    if settings.store.startswith("sqlite:"):
        raise StartError(
            "--workers needs PostgreSQL: a SQLite file has one writer at a time, so several "
            "processes would wait for each other, and it tells none of another's commits"
        )
    held = [hold(address, door) for address in settings.listen]
    bound = [address for _, address in held]
    # The same interpreter, options and program as this one; of two flags the last one counts.
    command = (sys.executable, *sys.orig_argv[1:], "--listen", ",".join(bound))
    commands = [(*command, *_own_metrics(settings, k)) for k in range(settings.workers)]
    return asyncio.run(_Crew(commands).work(lambda: announce(bound)))


def _own_metrics(settings: Config, worker: int) -> Sequence[str]:
    """Return the flag by which each worker has a port of its own for its metrics."""
    if not settings.metrics_listen:
        return ()
    host, port = settings.metrics_listen
    return ("--metrics-listen", f"{host}:{port + worker if port else 0}")


class _Crew:
    """All workers, from their start to their end."""

    def __init__(self, commands: Sequence[Sequence[str]]) -> None:
        self._leaving = asyncio.Event()
        self._workers = [Worker(command, self._leaving) for command in commands]

    async def work(self, announce: Callable[[], None]) -> int:
        """Start them, keep them until told to stop; return the exit status once all have ended."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._hear, number)
        starts = (worker.start() for worker in self._workers)
        failures = [
            error for error in await asyncio.gather(*starts, return_exceptions=True) if error
        ]
        told = self._leaving.is_set()
        if failures:
            self._leave()
        else:
            announce()
        statuses = await asyncio.gather(*(worker.keep() for worker in self._workers))
        if failures and not told:
            raise failures[0]
        return int(any(status not in (os.EX_OK, -signal.SIGTERM) for status in statuses))

    def _hear(self, number: int) -> None:
        """Drain at the first signal; the second ends all processes at once."""
        if self._leaving.is_set():
            for worker in self._workers:
                worker.signal(signal.SIGKILL)
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self._leave()

    def _leave(self) -> None:
        self._leaving.set()
        for worker in self._workers:
            worker.signal(signal.SIGTERM)
