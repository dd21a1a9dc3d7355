"""Procrastinate on PostgreSQL: procrastinate_postgres.py TASKS [--unary]."""

import asyncio
import os
import sys
import time
from contextlib import ExitStack

import rig
from database import Database
from procrastinate import App, PsycopgConnector

CONCURRENCY = 10
# Its guide: for short jobs a connection for each job at a time, and one. Where the database is,
# the variables of libpq say.
app = App(connector=PsycopgConnector(max_size=CONCURRENCY + 1))


@app.task(name="nothing")
async def nothing(payload: str) -> None:
    """Do nothing."""


async def enqueue(tasks: int, *, unary: bool) -> None:
    """Enqueue tasks."""
    if not unary:
        for first in range(0, tasks, rig.BATCH):
            size = min(rig.BATCH, tasks - first)
            await nothing.batch_defer_async(*[{"payload": rig.PAYLOAD}] * size)
        return
    left = iter(range(tasks))

    async def call() -> None:
        for _ in left:
            await nothing.defer_async(payload=rig.PAYLOAD)

    await asyncio.gather(*(call() for _ in range(rig.CALLERS)))


async def live(tasks: int, *, unary: bool) -> float:
    """Return how long it takes until the last job is known to have ended."""
    start = time.perf_counter()
    await enqueue(tasks, unary=unary)
    while any(
        queue["todo"] + queue["doing"] for queue in await app.job_manager.list_queues_async()
    ):
        await asyncio.sleep(0.02)
    return time.perf_counter() - start


async def measure(tasks: int, *, unary: bool) -> float:
    """Warm up, and return how long it takes until the last job is known to have succeeded."""
    async with app.open_async(), asyncio.timeout(rig.patience(tasks)):
        await live(rig.WARM_UP, unary=unary)
        seconds = await live(tasks, unary=unary)
        (queue,) = await app.job_manager.list_queues_async()
    assert queue["succeeded"] == rig.WARM_UP + tasks, queue
    return seconds


def workers() -> ExitStack:
    """Start a worker for each core."""
    with ExitStack() as stack:
        for _ in range(rig.CORES):
            how = ("-a", "procrastinate_postgres.app", "worker", f"--concurrency={CONCURRENCY}")
            stack.enter_context(rig.running(sys.executable, "-m", "procrastinate", *how))
        return stack.pop_all()


def main() -> None:
    """Run PostgreSQL and workers, and measure."""
    asked = rig.asked()
    with Database() as database:
        name = database.new()[0]
        os.environ |= {"PGHOST": str(database.folder), "PGUSER": "postgres", "PGDATABASE": name}
        with app.open() as opened:
            opened.schema_manager.apply_schema()
        up = "SELECT count(*) FROM procrastinate_workers"
        with workers():
            rig.until(lambda: database.sql(up, name) == str(rig.CORES))
            seconds = asyncio.run(measure(asked.tasks, unary=asked.unary))
        postgres = database.sql("SHOW server_version", name)
    rig.tell(
        "Procrastinate on PostgreSQL",
        asked.tasks,
        seconds,
        versions=rig.versions("procrastinate", "psycopg", PostgreSQL=postgres),
        settings={
            "workers": f"{rig.CORES} processes, concurrency {CONCURRENCY} each",
            "enqueue": f"defer_async, {rig.CALLERS} callers"
            if asked.unary
            else f"batch_defer_async of {rig.BATCH}",
            "known by": "list_queues",
            "PostgreSQL": "as it is by default: fsync, synchronous_commit",
        },
        promises_less=[
            "no result is kept",
            "no watch: statuses are polled",
            "a job whose worker dies is doing for ever, or, if you have it retried, runs twice",
        ],
    )


if __name__ == "__main__":
    main()
