"""Brings the database's schema up to date."""

from typing import Any

import asyncpg

from idstatus_server.errors import StartError
from idstatus_server.store.base import Schema
from idstatus_server.store.postgres.hosts import OUT_OF_REACH, check, connect, in_one_line
from idstatus_server.store.versions import check_known, steps

# The key of the advisory lock under which the schema is changed.
_MIGRATING = 0x69647374
# How long a step may take, and others' steps that are waited for, in seconds.
_PATIENCE = 600.0


async def migrate(url: str) -> Schema:
    """Run the steps that are missing; others who start at the same time wait.

    Raises:
        StartError: the database is out of reach, or its schema is newer than we are.
    """
    db = await connect_to_start(url, command_timeout=_PATIENCE)
    try:
        async with db.transaction():
            return await _migrate(db)
    except (StartError, *OUT_OF_REACH, asyncpg.PostgresError) as error:
        raise StartError(f"cannot use the database: {in_one_line(error)}") from error
    finally:
        db.terminate()


async def connect_to_start(url: str, **options: Any) -> asyncpg.Connection:
    """Connect, or say in one line why that cannot be done.

    Raises:
        StartError: the database is out of reach, or the URL is wrong.
    """
    try:
        check(url)
        return await connect(url, **options)
    except (*OUT_OF_REACH, asyncpg.InterfaceError) as error:
        raise StartError(f"cannot connect to the database: {in_one_line(error)}") from error
    except (ValueError, OverflowError) as error:  # what it quotes may be a part of the password
        raise StartError(
            "cannot read the database's URL: in a password, / ? # [ ] and % must be percent-encoded"
        ) from error


async def _migrate(db: asyncpg.Connection) -> Schema:
    known = steps(__package__)
    await db.execute("SELECT pg_advisory_xact_lock($1)", _MIGRATING)
    # A role that may not make schemas may still serve from one that is there.
    if not await db.fetchval("SELECT to_regnamespace('idstatus') IS NOT NULL"):
        await db.execute("CREATE SCHEMA idstatus")
    if not await db.fetchval("SELECT to_regclass('idstatus.migrations') IS NOT NULL"):
        await db.execute("CREATE TABLE idstatus.migrations (version integer PRIMARY KEY)")
    was = await db.fetchval("SELECT coalesce(max(version), 0) FROM idstatus.migrations")
    check_known(was, len(known))
    if was and known[was:]:
        # Servers that run on must not commit meanwhile: they lock tables in another order.
        await db.execute("SELECT FROM idstatus.head FOR UPDATE")
    for number, step in enumerate(known[was:], was + 1):
        await db.execute(step.read_text())
        await db.execute("INSERT INTO idstatus.migrations VALUES ($1)", number)
    return Schema(was, len(known))
