"""Opens the database file, or says in one line why it cannot."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from idstatus_server.errors import StartError
from idstatus_server.store.base import Schema
from idstatus_server.store.sqlite.trouble import is_damage
from idstatus_server.store.versions import check_current, check_known, steps

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


class Opened(NamedTuple):
    """The file, opened for writing."""

    db: sqlite3.Connection
    schema: Schema
    store_id: str


def connect(path: str) -> sqlite3.Connection:
    """Open one connection; whoever opens it sees to it that one thread uses it at a time."""
    db = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, cached_statements=512, timeout=0
    )
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA cache_size = -16384")  # KiB; the system keeps pages, too
    db.execute("PRAGMA temp_store = MEMORY")
    db.execute("PRAGMA cell_size_check = ON")  # a torn page is noticed as it is read
    return db


def open_writer(path: str) -> Opened:
    """Open the file for writing, making or migrating it as needed.

    Raises:
        StartError: it is not ours, is newer than we are, is damaged, locked or unwritable.
    """
    if path != MEMORY and Path(path).is_file() and not Path(path).stat().st_size:
        raise StartError(f"{path} is empty, which no store ever is: if it never was one, delete it")
    with refused(path), _closed_on_error(connect(path)) as db:
        _recognize(db)
        db.execute("PRAGMA journal_mode = WAL")
        schema = _migrate(db)
        store_id = read_head(db)
    return Opened(db, schema, store_id)


def open_reader(path: str) -> sqlite3.Connection:
    """Open the file for reading, also while a server serves from it; nothing is written.

    Raises:
        StartError: it is not ours, or of another version than we are, or is damaged.
    """
    uri = f"{Path(path).absolute().as_uri()}?mode=ro"
    with (
        refused(path),
        _closed_on_error(sqlite3.connect(uri, uri=True, isolation_level=None)) as db,
    ):
        if not _recognize(db):
            raise StartError("there is no store in it")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        check_current(version, len(steps(__package__)))
    return db


@contextmanager
def _closed_on_error(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Close the connection if the block cannot use it."""
    try:
        yield db
    except BaseException:
        db.close()
        raise


@contextmanager
def refused(path: str) -> Iterator[None]:
    """Say in one line why the file cannot be opened."""
    try:
        yield
    except (sqlite3.Error, StartError) as error:
        damaged = isinstance(error, sqlite3.Error) and is_damage(error)
        hint = " (it is damaged, or never was a store: see docs/operating.md)" if damaged else ""
        raise StartError(f"cannot open {path}: {error}{hint}") from error


def _recognize(db: sqlite3.Connection) -> bool:
    """Refuse another program's database; tell whether there is anything in this one."""
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (objects,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if objects and application != _APPLICATION_ID:
        raise StartError("it is a database of another program")
    return bool(objects)


def read_head(db: sqlite3.Connection) -> str:
    """Return the store's id, or refuse a head that is not as it was written.

    Raises:
        StartError: it is not.
    """
    rows = db.execute("SELECT store_id, revision, compacted, time FROM head").fetchall()
    if len(rows) != 1 or None in rows[0]:
        raise StartError("its head is damaged: see docs/operating.md")
    return str(rows[0][0])


def _migrate(db: sqlite3.Connection) -> Schema:
    known = steps(__package__)
    db.execute("BEGIN IMMEDIATE")
    (version,) = db.execute("PRAGMA user_version").fetchone()
    check_known(version, len(known))
    for step in known[version:]:
        for statement in step.read_text().split(";\n"):
            db.execute(statement)
    db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {len(known)}")
    db.execute("COMMIT")
    return Schema(version, len(known))
