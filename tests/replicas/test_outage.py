"""The database goes away and comes back; the servers stay."""

import asyncio
from contextlib import aclosing
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from postgres_server import PostgresServer
from rpc.wire import until

from harness import ServerProcess
from idstatus import AsyncClient, Status, UnavailableError
from idstatus.v1 import task_service_pb2 as t
from idstatus.v1.task_service_pb2_grpc import TaskServiceStub

PATIENCE = 60.0


async def test_servers_outlive_the_loss_of_their_database(
    replicas: list[ServerProcess],
    clients: list[AsyncClient],
    postgres: PostgresServer,
    queue: str,
) -> None:
    client = clients[0]
    before = await client.create(b"x", queue=queue)
    async with grpc.aio.insecure_channel(replicas[0].address) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)

        async def serves() -> bool:
            answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
            return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

        async def is_down() -> bool:
            return not await serves()

        assert await serves()
        raw: Any = TaskServiceStub(channel).WatchTasks(t.WatchTasksRequest())
        assert (await raw.read()).resume_token
        async with aclosing(client.watch([before.id])) as watch:
            assert (await anext(watch)).id_status.status is Status.QUEUED
            going_on = asyncio.ensure_future(anext(watch))

            postgres.halt()
            with pytest.raises(UnavailableError) as refused:
                await client.create(queue=queue, rpc_timeout=20)
            assert refused.value.reason == "STORE_UNAVAILABLE"
            assert refused.value.retry_after
            await until(is_down, within=PATIENCE)
            with pytest.raises(grpc.aio.AioRpcError) as ended:
                await raw.read()
            assert ended.value.code() is grpc.StatusCode.UNAVAILABLE

            postgres.resume()
            await until(serves, within=PATIENCE)
            assert (await client.status(before.id)).status is Status.QUEUED
            await clients[1].cancel(before.id)
            async with asyncio.timeout(PATIENCE):
                assert (await going_on).id_status.status is Status.CANCELLED
        for server in replicas:
            assert server.log.read_text().count("Traceback") == 0
