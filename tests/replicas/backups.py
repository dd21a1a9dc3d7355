"""PostgreSQL servers with an archive, and their backups: the commands of docs/operating.md."""

import os
import shutil
import subprocess
from pathlib import Path

from postgres_server import UNPRIVILEGED, own_folder, programs
from waiting import until

_START_LIMIT = "120"


class Backups:
    """A folder with the data of some servers, what they archive, and base backups."""

    def __init__(self, version: int) -> None:
        self.folder = own_folder()
        self._programs = programs(version)
        self._running: dict[str, Path] = {}
        self.run("mkdir", "archive")

    def run(self, *command: str) -> str:
        """Run a command in the folder, as PostgreSQL's user; return what it prints."""
        path = f"{self._programs}:{os.environ['PATH']}"
        done = subprocess.run(
            [*UNPRIVILEGED, *command],
            cwd=self.folder,
            env={**os.environ, "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout.strip()

    def write(self, path: str, text: str) -> None:
        """Append to a file."""
        with (self.folder / path).open("a") as file:
            file.write(text)

    def create(self) -> None:
        """Make a primary that archives its log."""
        self.run("initdb", "-A", "trust", "-U", "postgres", "-N", "-D", "primary")
        archive = self.folder / "archive"
        self.write(
            "primary/postgresql.conf",
            "archive_mode = on\n"
            f"archive_command = 'test ! -f {archive}/%f && cp %p {archive}/%f'\n",
        )
        self.start("primary")

    def start(self, data: str) -> None:
        """Start a server; its socket lies beside its data."""
        socket = self.folder / f"{data}-socket"
        if not socket.exists():
            self.run("mkdir", socket.name)
        flags = f"-c listen_addresses='' -c unix_socket_directories={socket}"
        # Its output must not keep our pipe open.
        self.run(
            "pg_ctl", "-D", data, "-l", f"{data}.log", "-t", _START_LIMIT, "-o", flags, "start"
        )
        self._running[data] = socket

    def halt(self, data: str) -> None:
        """Stop a server; what it has logged is archived first."""
        self.run("pg_ctl", "-D", data, "-m", "fast", "stop")
        del self._running[data]

    def restore(self, data: str, target: str) -> None:
        """Make a new server of the base backup and the archive, up to a target; start it."""
        self.run("cp", "-a", "base", data)
        self.write(
            f"{data}/postgresql.auto.conf",
            f"restore_command = 'cp {self.folder}/archive/%f \"%p\"'\n"
            f"recovery_target_action = 'promote'\narchive_mode = off\n{target}\n",
        )
        self.run("touch", f"{data}/recovery.signal")
        self.start(data)
        until(lambda: self.sql(data, "SELECT pg_is_in_recovery()") == "f")

    def close(self) -> None:
        """Stop all servers and delete everything."""
        for data in tuple(self._running):
            self.halt(data)
        shutil.rmtree(self.folder)

    def sql(self, data: str, statements: str, database: str = "postgres") -> str:
        """Run statements with psql; return what they print."""
        at = ("-h", str(self._running[data]), "-U", "postgres", "-d", database)
        return self.run("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", *at, "-c", statements)

    def url(self, data: str, database: str = "postgres") -> str:
        """Return the URL of a database."""
        return f"postgresql://postgres@/{database}?host={self._running[data]}"
