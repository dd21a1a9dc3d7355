"""Opens the database file, or says in one line why it cannot."""

import fcntl
import os
import sqlite3
from importlib import resources
from pathlib import Path

from idstatus_server.errors import StartError
from idstatus_server.store.base import Schema

# "idst": tells our files from those of other programs (PRAGMA application_id).
_APPLICATION_ID = 0x69647374
MEMORY = ":memory:"


class Lock:
    """Keeps a second server off the file. The system lets go of it if we die."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + ".lock")
        try:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StartError(f"cannot write in {path.parent}: {error.strerror}") from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._fd)
            raise StartError(f"{path} is in use by another idstatus-server") from error

    def release(self) -> None:
        """Let another server have the file."""
        os.close(self._fd)


def connect(path: str) -> sqlite3.Connection:
    """Open one connection; whoever opens it sees to it that one thread uses it at a time."""
    db = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, cached_statements=512, timeout=0
    )
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA cache_size = -65536")
    db.execute("PRAGMA temp_store = MEMORY")
    return db


def open_writer(path: str) -> tuple[sqlite3.Connection, Schema]:
    """Open the file for writing, making or migrating it as needed.

    Raises:
        StartError: it is not ours, is newer than we are, is locked or unwritable.
    """
    try:
        db = connect(path)
    except sqlite3.Error as error:
        raise StartError(f"cannot open {path}: {error}") from error
    try:
        _recognize(db)
        db.execute("PRAGMA journal_mode = WAL")
        schema = _migrate(db)
    except (sqlite3.Error, StartError) as error:
        db.close()
        raise StartError(f"cannot open {path}: {error}") from error
    return db, schema


def _recognize(db: sqlite3.Connection) -> None:
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (objects,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if objects and application != _APPLICATION_ID:
        raise StartError("it is a database of another program")


def _migrate(db: sqlite3.Connection) -> Schema:
    steps = sorted(
        (step for step in resources.files(__package__).joinpath("migrations").iterdir()),
        key=lambda step: step.name,
    )
    db.execute("BEGIN IMMEDIATE")
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > len(steps):
        db.execute("ROLLBACK")
        raise StartError(
            f"its schema version {version} is newer than {len(steps)}, the newest that this server "
            "knows: start a newer idstatus-server"
        )
    for step in steps[version:]:
        for statement in step.read_text().split(";\n"):
            db.execute(statement)
    db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {len(steps)}")
    db.execute("COMMIT")
    return Schema(version, len(steps))
