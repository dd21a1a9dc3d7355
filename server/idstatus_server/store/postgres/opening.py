"""Connects to the database and brings its schema up to date."""

from importlib import resources

import asyncpg

from idstatus_server.errors import StartError

SCHEMA = "idstatus"
# How long the database may keep us waiting before it counts as out of reach, in seconds.
PATIENCE = 5.0
# The key of the advisory lock under which the schema is changed.
_MIGRATING = 0x69647374


async def connect(url: str) -> "asyncpg.Pool[asyncpg.Record]":
    """Return a pool of connections to a database whose schema is ours and current.

    Raises:
        StartError: it is out of reach, or its schema is newer than we are.
    """
    try:
        pool = await asyncpg.create_pool(
            url,
            min_size=2,
            max_size=10,
            command_timeout=PATIENCE,
            timeout=PATIENCE,
            server_settings={"search_path": SCHEMA, "application_name": "idstatus-server"},
        )
    except (
        OSError,
        TimeoutError,
        ValueError,
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
    ) as error:
        raise StartError(f"cannot connect to the database: {error}") from error
    try:
        async with pool.acquire() as db, db.transaction():
            await _migrate(db)
    except (StartError, asyncpg.PostgresError) as error:
        await pool.close()
        raise StartError(f"cannot use the database: {error}") from error
    return pool


async def _migrate(db: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]") -> None:
    """Run the steps that are missing; others who start at the same time wait."""
    steps = sorted(
        resources.files(__package__).joinpath("migrations").iterdir(), key=lambda step: step.name
    )
    await db.execute("SELECT pg_advisory_xact_lock($1)", _MIGRATING)
    await db.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    await db.execute("CREATE TABLE IF NOT EXISTS migrations (version integer PRIMARY KEY)")
    version = await db.fetchval("SELECT coalesce(max(version), 0) FROM migrations")
    if version > len(steps):
        raise StartError(
            f"its schema version {version} is newer than {len(steps)}, the newest that this server "
            "knows: start a newer idstatus-server"
        )
    for number, step in enumerate(steps[version:], version + 1):
        await db.execute(step.read_text())
        await db.execute("INSERT INTO migrations VALUES ($1)", number)
