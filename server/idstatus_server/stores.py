"""Opens the store that a URL names."""

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path

from idstatus_server.errors import StartError
from idstatus_server.store.base import Snapshot, Store
from idstatus_server.store.sqlite import MEMORY, SqliteStore, sqlite_snapshot


def sqlite_path(url: str) -> str | None:
    """Return the path of a SQLite file, or None if the URL is PostgreSQL's."""
    path = url.removeprefix("sqlite:///")
    return None if path == url else path


def open_store(url: str, connections: int) -> AbstractAsyncContextManager[Store]:
    """Return the store at a URL, to be opened with ``async with``; SQLite's is made if need be.

    Raises:
        StartError: it cannot be opened.
    """
    path = sqlite_path(url)
    if path is None:
        with _driver():
            from idstatus_server.store.postgres import PostgresStore  # noqa: PLC0415
        return PostgresStore(url, connections)
    if path != MEMORY:
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StartError(f"cannot make the folder of {path}: {error.strerror}") from error
    return SqliteStore(path)


def open_snapshot(url: str) -> AbstractAsyncContextManager[Snapshot]:
    """Return one state of the store at a URL, to be held with ``async with``; nothing is made.

    Raises:
        StartError: it cannot be read.
    """
    path = sqlite_path(url)
    if path is None:
        with _driver():
            from idstatus_server.store.postgres import postgres_snapshot  # noqa: PLC0415
        return postgres_snapshot(url)
    return sqlite_snapshot(path)


@contextmanager
def _driver() -> Iterator[None]:
    """Say what to do without PostgreSQL's driver, which is an extra."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise StartError(f"{error}: pip install 'idstatus[postgres]'") from error
