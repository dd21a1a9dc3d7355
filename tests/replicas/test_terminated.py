"""Connections to the database end, or fall silent, at any moment."""

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import pytest
from faults.storm import Storm
from postgres_server import PostgresServer
from replicas.proxy import Proxy
from waiting import until
from watch.sites import Reading, Site
from watch.truth import origin

from harness import ServerProcess
from idstatus import AsyncClient
from idstatus.v1 import task_service_pb2 as pb

PATIENCE = 30.0


async def test_sessions_that_are_terminated_at_random_cost_no_more_than_a_repeat(
    replicas: list[ServerProcess], sites: list[Site], postgres: PostgresServer, store: str
) -> None:
    database = urlsplit(store).path.lstrip("/")
    ours = f"FROM pg_stat_activity WHERE datname = '{database}'"
    luck = random.Random(6)
    storm = Storm(sites, await origin(sites[0]), seed=6)
    for _ in range(8):
        await storm.acknowledged(luck.randint(1, 5))
        chance = luck.choice((0.2, 0.6, 1.0))
        end = f"SELECT pg_terminate_backend(pid) {ours} AND random() < {chance}"
        await asyncio.to_thread(postgres.sql, end)
    await storm.settle()
    listeners = f"SELECT count(*) {ours} AND query LIKE '%transaction_read_only%'"
    await asyncio.to_thread(until, lambda: postgres.sql(listeners) == str(len(replicas)))
    for server in replicas:
        assert "Traceback" not in server.log.read_text()
        assert await asyncio.to_thread(server.stop) == 0


async def test_who_hears_no_hints_any_more_still_looks(
    proxy: Proxy, postgres: PostgresServer, tmp_path: Path, queue: str
) -> None:
    deaf = ServerProcess(tmp_path, store=proxy.url)
    await asyncio.to_thread(deaf.start)
    (tmp_path / "other").mkdir()
    other = ServerProcess(tmp_path / "other", store=proxy.direct)
    await asyncio.to_thread(other.start)
    async with AsyncClient(deaf.address) as here, AsyncClient(other.address) as there:
        proxy.hushed = True  # the listener's connection brings nothing more, and does not end
        for _ in range(3):
            task = await there.create(queue=queue)
            assert (await here.status(task.id)).id == task.id
            waiting = asyncio.create_task(here.wait(task.id, timeout=PATIENCE))
            await there.cancel(task.id)
            async with asyncio.timeout(4):  # a look is due each second
                await waiting
    await asyncio.to_thread(other.kill)
    await asyncio.to_thread(deaf.kill)


@contextmanager
def standing_still(postgres: PostgresServer) -> Iterator[None]:
    """Let the database accept everything and answer nothing."""
    processes = postgres.processes()
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


async def test_calls_end_within_their_deadline_and_servers_within_their_grace(
    postgres: PostgresServer, tmp_path: Path, queue: str
) -> None:
    server = ServerProcess(tmp_path, "--grace", "1s", store=postgres.new_database())
    await asyncio.to_thread(server.start)
    async with Site(server.address) as site:
        task = await site.create(queue=queue)
        with standing_still(postgres):
            calls: list[Awaitable[Any]] = [
                site.tasks.CreateTask(pb.CreateTaskRequest(queue=queue), timeout=2),
                site.tasks.GetTask(pb.GetTaskRequest(id=task.id), timeout=2),
                site.tasks.ListTasks(pb.ListTasksRequest(), timeout=3),
            ]
            for call in calls:
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await call
                told = Reading(pb.WatchTasksRequest())
                told.fail(refused.value)
                assert told.code is grpc.StatusCode.UNAVAILABLE
                assert told.info.reason == "STORE_UNAVAILABLE"
                assert told.retry_info.HasField("retry_delay")
            server.signal(signal.SIGTERM)
            assert await asyncio.to_thread(server.wait) == 0
