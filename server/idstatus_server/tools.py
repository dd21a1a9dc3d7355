"""What the program does with a store beside serving from it."""

import sys
from pathlib import Path

from idstatus_server.check import audit, totals
from idstatus_server.config import Config
from idstatus_server.store.sqlite import MEMORY, copy_database
from idstatus_server.stores import open_snapshot, open_store, sqlite_path

_NOT_OURS = (
    "backup copies a SQLite file; for PostgreSQL use pg_dump or pg_basebackup, see "
    "docs/operating.md"
)


async def migrate(settings: Config) -> None:
    """Bring the store's schema up to date, and say so.

    Raises:
        StartError: the store is not to be had, or newer than we are.
    """
    async with open_store(settings.store, settings.store_connections) as store:
        print(f"schema at version {store.schema.now} (was {store.schema.was})")  # noqa: T201


async def check(settings: Config) -> int:
    """Say what is wrong with the store, each breach in a line; return 1 if anything is.

    Raises:
        StartError: the store is not to be had.
        StoreUnavailableError: it has gone away meanwhile.
    """
    breaches = 0
    async with open_snapshot(settings.store) as snapshot:
        async for breach in audit(snapshot):
            breaches += 1
            print(breach)  # noqa: T201
        said = f"damaged: {breaches} breaches" if breaches else f"sound: {await totals(snapshot)}"
    print(said)  # noqa: T201
    return min(breaches, 1)


def backup(settings: Config, target: Path) -> int:
    """Copy the store to a file, and say so; return 2 if the store is not for us to copy.

    Raises:
        StartError: the store, or a place for the copy, is not to be had.
    """
    path = sqlite_path(settings.store)
    if path is None or path == MEMORY:
        print(f"idstatus-server: {_NOT_OURS}", file=sys.stderr)  # noqa: T201
        return 2
    print(f"{target}: {copy_database(path, target)} bytes")  # noqa: T201
    return 0
