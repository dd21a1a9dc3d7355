"""The primary dies and its standby takes its place; the servers stay."""

import asyncio
from urllib.parse import urlsplit

import grpc
import pytest
from check.tools import check
from faults.storm import Storm
from postgres_pair import LOCAL, PostgresPair
from replicas.insisting import insist
from waiting import until
from watch.sites import Site
from watch.truth import origin

from idstatus.v1 import task_service_pb2 as pb


@pytest.fixture
def store(pair: PostgresPair) -> str:
    return pair.start().new_database()


@pytest.mark.parametrize("seed", [1, 2])
async def test_what_was_acknowledged_outlives_the_primary(
    pair: PostgresPair, sites: list[Site], seed: int
) -> None:
    storm = Storm(sites, await origin(sites[0]), seed)
    await storm.acknowledged(50)
    await asyncio.to_thread(pair.fail_over)
    await storm.acknowledged(50)  # the servers have found the way by themselves
    await storm.settle()


async def test_what_the_standby_does_not_have_is_neither_acknowledged_nor_shown(
    pair: PostgresPair, sites: list[Site]
) -> None:
    """Until the standby goes on, a commit that waits for it may still be lost."""
    writer, reader, _ = sites
    request = {"queue": "q", "request_id": "once"}
    with pair.hang():
        with pytest.raises(grpc.aio.AioRpcError, match="not known") as refused:
            await writer.create(**request)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        listed = await reader.tasks.ListTasks(pb.ListTasksRequest())
        assert not listed.tasks
    made = await insist(writer, **request)
    listed = await reader.tasks.ListTasks(pb.ListTasksRequest())
    assert [task.id for task in listed.tasks] == [made.id]


async def test_a_standby_can_be_checked(pair: PostgresPair, store: str, sites: list[Site]) -> None:
    await sites[0].cancel(*(task.id for task in await sites[0].create_many(5, queue="q")))
    until(pair.is_even)
    database = urlsplit(store).path
    standby = f"postgresql://postgres@{LOCAL}:{pair.standby.port}{database}"
    said = await asyncio.to_thread(check, standby)
    assert (said.status, said.err) == (0, [])
    assert "10 changes" in said.out[-1]
