"""A server is cut off from the database, without a word to either, and healed."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from faults.storm import EVERYTHING, Storm
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from grpc_health.v1 import health_pb2, health_pb2_grpc
from network import UNPRIVILEGED, Network
from postgres_server import PostgresServer
from watch.following import request_for
from watch.sites import Site, detail
from watch.truth import origin

from harness import ServerProcess
from idstatus.v1 import task_service_pb2 as pb

CUT_OFF = 0
OTHERS = (1, 2)
PATIENCE = 20.0
HOLDS_THE_HEAD = """
SELECT count(*) FROM pg_stat_activity JOIN pg_locks USING (pid)
WHERE client_addr = '{}' AND state = 'idle in transaction' AND mode = 'RowShareLock'"""


@pytest.fixture
def network() -> Iterator[Network]:
    network = Network(3)
    yield network
    network.close()


@pytest.fixture
def database(network: Network, postgres_version: int) -> Iterator[PostgresServer]:
    inside = network.switch.enter
    server = PostgresServer(
        postgres_version, host=Network.ADDRESS, inside=inside, unprivileged=UNPRIVILEGED
    )
    yield server.start()
    server.stop()


@pytest.fixture
def replicas(
    tmp_path: Path, network: Network, database: PostgresServer
) -> Iterator[list[ServerProcess]]:
    """Each server is on a machine of its own; clients reach it through the file system."""
    store = database.new_database()
    servers = []
    for number, machine in enumerate(network.machines):
        folder = tmp_path / str(number)
        folder.mkdir()
        address = f"unix:{database.folder}/{number}"
        server = ServerProcess(folder, store=store, address=address, inside=machine.enter)
        servers.append(server.start())
    yield servers
    for server in servers:
        server.kill()


async def test_one_that_is_cut_off_says_so_and_holds_up_nobody(
    network: Network, database: PostgresServer, sites: list[Site]
) -> None:
    storm = Storm(sites, await origin(sites[0]), seed=1)
    lonely = sites[CUT_OFF]
    await storm.acknowledged(30)
    watch = await lonely.begin(request_for(EVERYTHING))
    await cut_amid_a_commit(network, database, storm)
    async with asyncio.timeout(PATIENCE):
        await storm.acknowledged(30, *OTHERS)
        assert (await watch).code is grpc.StatusCode.UNAVAILABLE
        while await serves(lonely):
            await asyncio.sleep(0.1)
    await assert_refused(lonely)
    network.heal(CUT_OFF)
    async with asyncio.timeout(PATIENCE):
        while not await serves(lonely):
            await asyncio.sleep(0.1)
    await storm.acknowledged(30)
    await storm.settle()


async def cut_amid_a_commit(network: Network, database: PostgresServer, storm: Storm) -> None:
    """Cut the server off while it holds the lock for which the others wait."""
    question = HOLDS_THE_HEAD.format(network.address(CUT_OFF))
    while True:
        await asyncio.to_thread(network.cut, CUT_OFF)
        for _ in range(10):  # it may have to wait for the lock before it holds it
            if await asyncio.to_thread(database.sql, question) != "0":
                return
        await asyncio.to_thread(network.heal, CUT_OFF)
        await storm.acknowledged(5, CUT_OFF)


async def serves(site: Site) -> bool:
    health: Any = health_pb2_grpc.HealthStub(site.channel)
    answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


async def assert_refused(site: Site) -> None:
    """Calls are answered that the store is out of reach, well before their deadline."""
    calls: list[Any] = [
        site.tasks.CreateTask(pb.CreateTaskRequest(queue="q"), timeout=PATIENCE),
        site.tasks.ListTasks(pb.ListTasksRequest(), timeout=PATIENCE),
    ]
    for refused in await asyncio.gather(*calls, return_exceptions=True):
        assert isinstance(refused, grpc.aio.AioRpcError)
        assert refused.code() is grpc.StatusCode.UNAVAILABLE
        assert detail(refused, ErrorInfo).reason == "STORE_UNAVAILABLE"
        assert detail(refused, RetryInfo).HasField("retry_delay")
