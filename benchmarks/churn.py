"""What changes leave behind in PostgreSQL, and what it costs: dead rows, vacuum, compaction.

    .venv/bin/python benchmarks/churn.py [head] [lives] [log]

Ratios and sizes matter here, not rates: so the disk is not waited for (synchronous_commit is off).
"""

import asyncio
import re
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

import asyncpg
import work
from database import Database

from idstatus_server.store.postgres import PostgresStore

# The first and the last statement of each commit of the store, and one count.
_COMMIT = """
BEGIN;
WITH locked AS MATERIALIZED (SELECT revision, time FROM idstatus.head FOR UPDATE)
SELECT locked.revision, coalesce(log.time, 0), locked.time
FROM locked LEFT JOIN idstatus.log ON log.revision = locked.revision;
INSERT INTO idstatus.counts VALUES ('q', 2, 1)
ON CONFLICT (queue, status) DO UPDATE SET tasks = counts.tasks + excluded.tasks;
UPDATE idstatus.head SET revision = revision + 1, time = time + 1;
COMMIT;
"""
_CHURN = """
SELECT relname, n_tup_upd, n_tup_hot_upd, n_dead_tup, autovacuum_count, pg_relation_size(relid)
FROM pg_stat_user_tables WHERE schemaname = 'idstatus' AND relname IN ({tables}) ORDER BY 1"""
_SETTINGS = {
    "as PostgreSQL has it": "",
    "fillfactor 10": "fillfactor = 10",
    "autovacuum each 1,000 updates": "autovacuum_vacuum_threshold = 1000, "
    "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 0",
}


def show_churn(database: Database, name: str, *tables: str) -> None:
    """Print what the tables have gone through."""
    database.sql("SELECT pg_stat_force_next_flush()", name)
    quoted = ", ".join(f"'{table}'" for table in tables)
    for row in database.sql(_CHURN.format(tables=quoted), name).splitlines():
        table, updates, hot, dead, vacuums, size = row.split("|")
        print(
            f"      {table:9} {int(updates):7} updates, {int(hot):7} of them HOT, "
            f"{int(dead):6} dead rows, {int(size) >> 10:6} KiB, vacuumed {vacuums} times"
        )


async def hold_snapshot(url: str) -> "asyncpg.Connection[asyncpg.Record]":
    """Begin a transaction that sees what is there now, as pg_dump or a forgotten psql does."""
    db = await asyncpg.connect(url)
    await db.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    await db.fetch("SELECT FROM idstatus.head")
    return db


def commits(database: Database, name: str, count: int) -> float:
    """Make bare commits from one connection; return how many microseconds each took."""
    script = database.folder / "commit.sql"
    script.write_text(_COMMIT)
    said = database.run(
        *("pgbench", "-n", "-M", "prepared", "-c", "1", "-t", str(count), "-f", str(script)),
        *("-h", str(database.folder), "-U", "postgres", name),
    )
    latency = re.search(r"latency average = ([\d.]+) ms", said)
    assert latency, said
    return float(latency[1]) * 1000


async def head(database: Database) -> None:
    """Show how the head and the counts bear commits, with and without an old snapshot."""
    for title, setting in _SETTINGS.items():
        name, url = database.new()
        async with PostgresStore(url):
            pass
        if setting:
            database.sql(f"ALTER TABLE idstatus.head SET ({setting})", name)

        def go_on(what: str, steps: int, count: int, name: str = name) -> None:
            took = [commits(database, name, count) for _ in range(steps)]
            print(f"  {what}, µs a commit, each {count} commits:", *(f"{t:.0f}" for t in took))
            show_churn(database, name, "head", "counts")

        print(f"\nhead {title}")
        go_on("alone", 10, 20_000)
        old = await hold_snapshot(url)
        go_on("an old snapshot is held", 5, 5_000)
        await old.close()
        go_on("it is gone", 2, 5_000)
        database.sql("VACUUM idstatus.head", name)
        go_on("vacuumed", 2, 5_000)
        database.sql("VACUUM FULL idstatus.head", name)
        go_on("vacuumed full", 1, 5_000)


async def lives(database: Database) -> None:
    """Show what whole lives of tasks leave behind."""
    for held in (False, True):
        name, url = database.new()
        print(f"\nlives of tasks, 10 in a commit, {'an old snapshot is held' if held else 'alone'}")
        async with PostgresStore(url) as store, work.ledger_on(store) as ledger:
            await work.live(ledger, 500, 10, "q")
            old = await hold_snapshot(url) if held else None
            took = []
            for step in range(6):
                start = time.perf_counter()
                await work.live(ledger, 5000, 10, f"q{step % 2}")
                took.append((time.perf_counter() - start) / 1500 * 1000)
            print("    ms a commit, each 1,500 commits:", *(f"{t:.2f}" for t in took))
            show_churn(database, name, "head", "counts", "tasks", "log", "requests")
            if old:
                await old.close()


async def log(database: Database) -> None:
    """Show how fast the log is compacted, and what vacuum has to do then."""
    name, url = database.new()
    async with PostgresStore(url) as store, work.ledger_on(store) as ledger:
        await work.live(ledger, 5000, 100, "q")
        rows = (await store.head()).newest.revision
        for copy in range(1, 20):
            database.sql(
                "INSERT INTO idstatus.log SELECT revision + {0}, unit + {0}, kind, seq + {0}, time,"
                " before, after FROM idstatus.log WHERE revision <= {1}".format(copy * rows, rows),
                name,
            )
        rows *= 20
        database.sql(f"UPDATE idstatus.head SET revision = {rows}", name)
        database.sql("VACUUM ANALYZE idstatus.log", name)
        database.sql("CHECKPOINT", name)
        size = "SELECT pg_total_relation_size('idstatus.log')"
        print(f"\nlog of {rows} rows, {int(database.sql(size, name)) >> 20} MiB")
        start, longest, gone = time.perf_counter(), 0.0, 0
        now = await store.now()
        while True:
            began = time.perf_counter()
            dropped = await store.compact(now, 2000)
            longest = max(longest, time.perf_counter() - began)
            gone += dropped
            if not dropped:
                break
        took = time.perf_counter() - start
        print(f"    compacted {gone} rows in {took:.1f} s: {gone / took:.0f} rows/s,", end=" ")
        print(f"at most {longest * 1000:.0f} ms a commit of 2,000")
        start = time.perf_counter()
        database.sql("VACUUM idstatus.log", name)
        print(f"    VACUUM took {time.perf_counter() - start:.2f} s;", end=" ")
        print(f"then the log has {int(database.sql(size, name)) >> 20} MiB")


PARTS: dict[str, Callable[[Database], Coroutine[Any, Any, None]]] = {
    "head": head,
    "lives": lives,
    "log": log,
}


async def main() -> None:
    """Measure what is asked for, or all."""
    with Database(synchronous_commit="off") as database:
        for part in sys.argv[1:] or PARTS:
            await PARTS[part](database)


if __name__ == "__main__":
    asyncio.run(main())
