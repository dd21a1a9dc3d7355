"""Copies a file while a server serves from it."""

import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from idstatus_server.errors import StartError
from idstatus_server.store.sqlite.opening import open_reader, read_head, refused


def copy_database(path: str, target: Path) -> int:
    """Copy one state of the database to a file that is not there yet; return its size in bytes.

    All that was committed before is in it. VACUUM INTO reads every row and builds the indexes
    anew: a page that cannot be read is noticed, where sqlite3_backup would copy it.

    Raises:
        StartError: it cannot be read or written; there is no copy then.
    """
    if target.exists():
        raise StartError(f"{target} is there already: a backup overwrites nothing")
    try:
        with closing(open_reader(path)) as db:
            with refused(path):
                read_head(db)
            _copy(db, path, target)
    except FileExistsError as error:
        raise StartError(f"{target} has come meanwhile: a backup overwrites nothing") from error
    except OSError as error:
        raise StartError(f"cannot write {target}: {error.strerror}") from error
    except sqlite3.Error as error:
        raise StartError(f"cannot copy {path} to {target}: {error}") from error
    return target.stat().st_size


def _copy(db: sqlite3.Connection, path: str, target: Path) -> None:
    """Make the copy under another name, and give it its own once it is on disk."""
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
        copy = Path(folder) / target.name
        db.execute("VACUUM INTO ?", (str(copy),))
        shutil.copymode(path, copy)
        _to_disk(copy)
        os.link(copy, target)  # unlike a renaming it overwrites nothing
        _to_disk(target.parent)


def _to_disk(path: Path) -> None:
    """Return once a file, or what a folder says of its files, is on disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
