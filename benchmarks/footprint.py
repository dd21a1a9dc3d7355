"""What a task takes on disk: created with 1 KiB of payload, claimed, finished.

    .venv/bin/python benchmarks/footprint.py

The figures do not depend on how busy the machine is.
"""

import asyncio
import sqlite3
import sys
import tempfile
from pathlib import Path

import work
from database import Database

from idstatus_server.engine import Ledger
from idstatus_server.engine.commands import Purge
from idstatus_server.store.postgres import PostgresStore
from idstatus_server.store.sqlite import SqliteStore

TASKS = 20_000
BATCH = 100
_SIZES = """
SELECT relname, pg_total_relation_size(relid), pg_indexes_size(relid)
FROM pg_stat_user_tables WHERE schemaname = 'idstatus' ORDER BY 2 DESC"""
_SQLITE_SIZES = """
SELECT m.tbl_name, sum(d.pgsize), sum(CASE m.type WHEN 'index' THEN d.pgsize ELSE 0 END)
FROM dbstat AS d JOIN sqlite_schema AS m ON m.name = d.name GROUP BY 1 ORDER BY 2 DESC"""


def show(title: str, sizes: list[tuple[str, int, int]], total: int, wal: int | None) -> None:
    """Print a table, in bytes per task."""
    print(f"\n{title}: {total / TASKS:.0f} bytes per task on disk", end="")
    print(f", {wal / TASKS:.0f} bytes of WAL" if wal is not None else "")
    for name, size, indexes in sizes:
        if size / TASKS >= 1:
            print(f"  {name:10} {size / TASKS:7.0f}  of it indexes {indexes / TASKS:6.0f}")


async def on_postgres(database: Database, *, batch: int) -> None:
    """Measure PostgreSQL."""
    name, url = database.new()

    def number(sql: str) -> int:
        return int(database.sql(sql, name))

    async with PostgresStore(url) as store, work.ledger_on(store) as ledger:
        await work.live(ledger, BATCH, BATCH, "warm")
        database.sql("CHECKPOINT", name)
        start = database.sql("SELECT pg_current_wal_lsn()", name)
        before = number("SELECT sum(pg_total_relation_size(relid)) FROM pg_stat_user_tables")
        if batch > 1:
            await work.live(ledger, TASKS, batch, "q")
        else:
            await work.live_alone(ledger, TASKS, 50, "q")
        show_growth(database, name, batch, start, before)
        if batch > 1:
            await show_deletion(database, name, store, ledger)


def show_growth(database: Database, name: str, batch: int, start: str, before: int) -> None:
    """Print by how much the tables have grown."""

    def number(sql: str) -> int:
        return int(database.sql(sql, name))

    wal = number(f"SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '{start}')::bigint")
    total = number("SELECT sum(pg_total_relation_size(relid)) FROM pg_stat_user_tables")
    rows = (line.split("|") for line in database.sql(_SIZES, name).splitlines())
    sizes = [(table, int(size), int(indexes)) for table, size, indexes in rows]
    how = f"{batch} tasks a commit" if batch > 1 else "single calls, 50 callers"
    show(f"PostgreSQL 18, {how}", sizes, total - before, wal)
    database.sql("VACUUM FULL", name)
    dense = number("SELECT sum(pg_total_relation_size(relid)) FROM pg_stat_user_tables")
    print(f"  after VACUUM FULL {dense / TASKS:.0f}")


async def show_deletion(
    database: Database, name: str, store: PostgresStore, ledger: Ledger
) -> None:
    """Print what is left of tasks once their retention is over."""
    log = "SELECT pg_total_relation_size('idstatus.log')"
    before = int(database.sql(log, name))
    while ids := await store.outlived(1 << 60, 0, 500):
        await ledger.submit(Purge(ids))
    grown = int(database.sql(log, name)) - before
    kept = int(database.sql("SELECT pg_total_relation_size('idstatus.used_ids')", name))
    print(
        f"  of a deleted task: used_ids {kept / TASKS:.0f} for ever, log {grown / TASKS:.0f} more"
    )


async def on_sqlite() -> None:
    """Measure SQLite."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "idstatus.db"
        async with SqliteStore(str(path)) as store, work.ledger_on(store) as ledger:
            await work.live(ledger, TASKS, BATCH, "q")
        db = sqlite3.connect(path)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        try:
            sizes = db.execute(_SQLITE_SIZES).fetchall()
        except sqlite3.OperationalError:  # this SQLite was built without dbstat
            sizes = []
        db.close()
        title = f"SQLite {sqlite3.sqlite_version}, {BATCH} tasks a commit"
        show(title, sizes, path.stat().st_size, None)


async def main() -> None:
    """Measure both."""
    with Database() as database:
        print(database.sql("SELECT version()", "postgres"), "| Python", sys.version.split()[0])
        await on_postgres(database, batch=BATCH)
        await on_postgres(database, batch=1)
    await on_sqlite()


if __name__ == "__main__":
    asyncio.run(main())
