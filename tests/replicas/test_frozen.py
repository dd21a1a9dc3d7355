"""A server stands still, amid whatever it was doing, and is woken again."""

import asyncio
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import grpc
import pytest
from faults.storm import EVERYTHING, Storm
from google.protobuf.duration_pb2 import Duration
from watch.following import request_for
from watch.sites import Site, resumed
from watch.truth import origin

from harness import ServerProcess
from idstatus.v1 import runner_service_pb2 as runner_pb
from idstatus.v1 import task_pb2

FROZEN = 0
OTHERS = (1, 2)
PATIENCE = 60.0
SECOND = Duration(seconds=1)


async def test_many_short_freezes_amid_commits_hold_up_nobody_for_long(
    replicas: list[ServerProcess], sites: list[Site]
) -> None:
    """Some freezes outlast what the database bears of one that holds the head."""
    luck = random.Random(4)
    storm = Storm(sites, await origin(sites[0]), seed=4)
    for _ in range(5):
        await storm.acknowledged(10)
        replicas[FROZEN].signal(signal.SIGSTOP)
        thaw = asyncio.get_running_loop().call_later(
            luck.choice((0.1, 0.5, 3.5)), replicas[FROZEN].signal, signal.SIGCONT
        )
        async with asyncio.timeout(PATIENCE):
            await storm.acknowledged(10, *OTHERS)
            while not thaw.when() < asyncio.get_running_loop().time():
                await asyncio.sleep(0.05)
    await storm.settle()


async def test_nothing_runs_twice_after_a_freeze_longer_than_leases_and_duty(
    replicas: list[ServerProcess], sites: list[Site]
) -> None:
    storm = Storm(sites, await origin(sites[0]), seed=5)
    await storm.acknowledged(30)
    held = await hold(sites[FROZEN])
    replicas[FROZEN].signal(signal.SIGSTOP)
    async with asyncio.timeout(PATIENCE):  # the others take over its duty
        while (await sites[1].status(held.task.id)).status == task_pb2.STATUS_RUNNING:
            await storm.acknowledged(1, *OTHERS)
    replicas[FROZEN].signal(signal.SIGCONT)
    await storm.acknowledged(30)
    report = runner_pb.Report(id=held.task.id, lease_token=held.lease_token)
    report.success.result = b"too late"
    answer = await sites[FROZEN].runners.FinishTasks(runner_pb.FinishTasksRequest(reports=[report]))
    assert answer.results[0].error.code == grpc.StatusCode.FAILED_PRECONDITION.value[0]
    await storm.settle()


async def hold(site: Site) -> runner_pb.Claim:
    """Claim a task whose runner never comes back in time."""
    await site.create(queue="held")
    claim = runner_pb.ClaimTasksRequest(queues=["held"], max_tasks=1, lease_duration=SECOND)
    return (await site.runners.ClaimTasks(claim)).claims[0]


@pytest.fixture
def short_lived(tmp_path: Path, store: str) -> Iterator[list[ServerProcess]]:
    """Two servers that keep the log for a second."""
    servers = []
    for number in range(2):
        folder = tmp_path / f"short{number}"
        folder.mkdir()
        servers.append(ServerProcess(folder, "--log-retention", "1s", store=store).start())
    yield servers
    for server in servers:
        server.kill()


async def test_one_that_slept_longer_than_the_log_is_kept_tells_its_watchers(
    short_lived: list[ServerProcess], store: str
) -> None:
    sleeper, other = short_lived
    async with Site(sleeper.address) as asleep, Site(other.address) as awake:
        first = await asleep.create(queue="q")
        job = await asleep.begin(request_for(EVERYTHING))
        sleeper.signal(signal.SIGSTOP)
        async with asyncio.timeout(PATIENCE):
            while await compacted(store) <= first.revision:
                await awake.create(queue="q")
                await asyncio.sleep(0.05)
        sleeper.signal(signal.SIGCONT)
        reading = await job
        assert reading.code is grpc.StatusCode.UNAVAILABLE
        again = await asleep.read(resumed(reading.request, reading.token))
        assert again.code is grpc.StatusCode.OUT_OF_RANGE
        assert again.info.reason == "REVISION_COMPACTED"
        task = await asleep.create(queue="q")  # it serves on, and watches go on anew
        whole = await asleep.read(request_for(EVERYTHING), lambda seen: seen.complete)
        assert task.id in {change.id_status.id for change in whole.changes}


async def compacted(store: str) -> int:
    db = await asyncpg.connect(store)
    oldest = await db.fetchval("SELECT compacted FROM idstatus.head")
    await db.close()
    return int(oldest)
