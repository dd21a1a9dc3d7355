"""The database's own trouble: a file that is out of reach, and one that is damaged."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from idstatus_server.errors import StoreDamagedError, StoreUnavailableError

# What says that the file or its disk, not our SQL, is at fault.
_OUT_OF_REACH = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_PROTOCOL,  # a lock, too
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
# Errors without a kind of their own. All the JSON that we hand to SQL is well-formed.
_DAMAGE_SAID = ("malformed JSON", "Could not decode to UTF-8")


def is_damage(error: sqlite3.Error) -> bool:
    """Tell whether the file does not hold what was written to it."""
    return _kind(error) in _DAMAGED or str(error).startswith(_DAMAGE_SAID)


@contextmanager
def translated(path: str) -> Iterator[None]:
    """Turn the driver's errors into the domain's, at the driver's own door."""
    try:
        yield
    except sqlite3.Error as error:
        if is_damage(error):
            raise StoreDamagedError(f"{path}: {error}") from error
        if _kind(error) not in _OUT_OF_REACH:
            raise
        raise StoreUnavailableError(f"the database cannot be used: {error}", cause=error) from error


def _kind(error: sqlite3.Error) -> int:
    """Return the low byte of the error's code; what the driver itself refuses has none: 0."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
