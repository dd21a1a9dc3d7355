"""A server with all that may be struck: its disk or its database, its clock, its runners."""

import asyncio
import errno
import os
import signal
import subprocess
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

from check.scene import breaches
from faults.storm import QUEUES, Storm
from postgres_server import PostgresServer
from replicas.proxy import Proxy
from watch.history import History
from watch.sites import Site
from watch.truth import Violation, swept

from harness import OF_TESTS, ServerProcess, sqlite_in

_MIB = 1 << 20
_DISK = 256 * _MIB
_FAKETIME = "faketime/libfaketimeMT.so.1"


class Disk:
    """A small disk of its own, in memory, which can be full."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"
        mount = ["mount", "-t", "tmpfs", "-o", f"size={_DISK}", "tmpfs", str(folder)]
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"mounting a disk takes root: {done.stderr}"

    def fill(self) -> None:
        """Leave no byte free."""
        with self._ballast.open("wb", buffering=0) as file:
            for size in (_MIB, 4096):
                while _fits(file.fileno(), bytes(size)):
                    pass

    def free(self) -> None:
        """Undo ``fill``."""
        self._ballast.unlink()

    def close(self) -> None:
        """Let go of it."""
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)


def _fits(file: int, data: bytes) -> bool:
    try:
        return os.write(file, data) == len(data)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False


class Clock:
    """A machine's clock, which can be set; those who go by it are started ``inside``."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self._ahead = 0
        self.set(0)
        found = [*Path("/usr").glob(f"lib*/{_FAKETIME}"), *Path("/usr").glob(f"lib*/*/{_FAKETIME}")]
        assert found, "to set a clock takes libfaketime: apt-get install faketime"
        self.inside = (
            "env",
            f"LD_PRELOAD={found[0]}",
            f"FAKETIME_TIMESTAMP_FILE={self._file}",
            "FAKETIME_CACHE_DURATION=1",
            "DONT_FAKE_MONOTONIC=1",
        )

    def set(self, seconds: int) -> None:
        """Set it so far forward, or back."""
        self._ahead += seconds
        new = self._file.with_suffix(".new")
        new.write_text(f"{self._ahead:+d}\n")
        new.rename(self._file)


class RunnerProcess:
    """Runners in a process of their own; what they were told goes into ``history``."""

    history: History

    def __init__(self, folder: Path, address: str) -> None:
        self._told = folder / "told.jsonl"
        self._address = address
        self._seed = 1000
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it is another one each time."""
        self._seed += 1
        command = [*OF_TESTS, "faults.runner", self._address, str(self._seed), *QUEUES]
        with self._told.open("w") as told:
            self._process = subprocess.Popen(command, stdout=told)

    def kill(self) -> None:
        """Kill it amid whatever it does, and take what it was told into the history."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None
            with self._told.open() as told:
                self.history.add(told)


class Scene:
    """One server, on SQLite or on PostgreSQL, the way to which can be cut.

    It goes through one storm after the other, each with a ``begin`` and a ``verdict``.
    """

    server: ServerProcess
    storm: Storm
    runner: RunnerProcess
    clock: Clock
    disk: Disk
    way: Proxy

    def __init__(self, folder: Path, postgres: PostgresServer | None, *flags: str) -> None:
        self.folder = folder
        self.postgres = postgres
        self.store = "postgres" if postgres else "sqlite"
        self._flags = flags
        self._stack = AsyncExitStack()
        self._sites: list[Site] = []

    async def __aenter__(self) -> Self:
        """Start the server, and all it needs."""
        self.clock = Clock(self.folder)
        store = await self._reach(self.postgres) if self.postgres else self._mount()
        self.server = ServerProcess(
            self.folder, *self._flags, store=store, inside=self.clock.inside
        )
        self._stack.callback(self.server.kill)
        await asyncio.to_thread(self.server.start)
        self.runner = RunnerProcess(self.folder, self.server.address)
        self._stack.callback(self.runner.kill)
        for _ in range(2):
            self._sites.append(await self._stack.enter_async_context(Site(self.server.address)))
        return self

    async def begin(self, seed: int) -> None:
        """Let a storm begin, on an empty store."""
        start, since = await swept(self._sites[0])
        self.storm = Storm(self._sites, start, seed, since)
        self.runner.history = self.storm.history
        self.runner.start()

    async def __aexit__(self, *_: object) -> None:
        """End everything."""
        await self._stack.aclose()

    def _mount(self) -> str:
        folder = self.folder / "disk"
        folder.mkdir()
        self.disk = Disk(folder)
        self._stack.callback(self.disk.close)
        return sqlite_in(folder)

    async def _reach(self, postgres: PostgresServer) -> str:
        folder = tempfile.TemporaryDirectory()  # a socket's path must be short
        self._stack.callback(folder.cleanup)
        self.way = Proxy(postgres.new_database(), Path(folder.name))
        await self.way.start()
        self._stack.push_async_callback(self.way.stop)
        return self.way.url

    def freeze(self) -> None:
        """Let the server stand still."""
        self.server.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Undo ``freeze``."""
        self.server.signal(signal.SIGCONT)

    async def verdict(self) -> list[Violation]:
        """End the work, and return every promise that was broken."""
        await asyncio.to_thread(self.runner.kill)
        await self.storm.calm()
        broken = await self.storm.verdict()
        return broken + [Violation("Sound", str(one)) for one in await breaches(self.server.store)]
