"""Counts what a server sends to PostgreSQL: for one commit of each kind, for a read, and idle.

.venv/bin/python benchmarks/messages.py

Each message is a round trip. The figures do not depend on how busy the machine is.
"""

import asyncio
import tempfile
import threading
from itertools import pairwise
from pathlib import Path

import grpc
import work
from database import Database
from delay import Wire
from servers import idstatus

from idstatus.v1 import task_service_pb2 as t
from idstatus.v1.task_service_pb2_grpc import TaskServiceStub
from idstatus_server.store.postgres import PostgresStore

IDLE = 20.0


async def show_commits(url: str, wire: Wire) -> None:
    """Count those of single commits, once their statements are prepared."""
    async with PostgresStore(url) as store, work.ledger_on(store) as ledger:
        for number in range(3):
            await work.live(ledger, 1, 1, "q")
            counts = [wire.requests]
            await ledger.submit(work.new_tasks(1, "q", request=f"again.{number}"))
            counts.append(wire.requests)
            claimed = await ledger.submit(work.claim(1, "q"))
            counts.append(wire.requests)
            await ledger.submit(work.finish(claimed.tasks))
            counts.append(wire.requests)
        create, claim, finish = (b - a for a, b in pairwise(counts))
        print(f"messages for a commit: create {create}, claim {claim}, finish {finish}")
        for _ in range(4):
            before = wire.requests
            await store.tasks([claimed.tasks[0].id])
        print(f"messages for the read of a task: {wire.requests - before}")


async def show_server(url: str, wire: Wire) -> None:
    """Count those of a server with nothing to do, and with a watcher."""
    with idstatus(url, {0}) as server:
        await asyncio.sleep(3)
        before = wire.requests
        await asyncio.sleep(IDLE)
        print(f"messages of an idle server: {(wire.requests - before) / IDLE:.1f} a second")
        async with grpc.aio.insecure_channel(server.address) as channel:
            watch = TaskServiceStub(channel).WatchTasks(t.WatchTasksRequest(skip_snapshot=True))
            await watch.read()
            before = wire.requests
            await asyncio.sleep(IDLE)
            print(f"with a watcher: {(wire.requests - before) / IDLE:.1f} a second")


async def main() -> None:
    """Count them."""
    with Database() as database, tempfile.TemporaryDirectory() as folder:
        name = database.new()[0]
        socket = ".s.PGSQL.5432"
        wire = Wire(Path(folder) / socket, database.folder / socket, 0.0)
        threading.Thread(target=wire.serve, daemon=True).start()
        url = f"postgresql://postgres@/{name}?host={folder}"
        await show_commits(url, wire)
        await show_server(url, wire)


if __name__ == "__main__":
    asyncio.run(main())
