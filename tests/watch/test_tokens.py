"""Tokens that lead nowhere are refused, each with its reason."""

import asyncio
import base64
import shutil

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from watch.sites import Reading, Site
from watch.truth import origin

from harness import ServerProcess
from idstatus.v1 import task_pb2
from idstatus.v1 import task_service_pb2 as pb

PATIENCE = 60.0
INVALID, OUT_OF_RANGE = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.OUT_OF_RANGE


async def resume(site: Site, token: str) -> Reading:
    return await site.read(pb.WatchTasksRequest(resume_token=token), lambda _: True)


async def compacted(server: ServerProcess, site: Site, token: str) -> Reading:
    """Start the server anew; once it has compacted its log, return what the token brings."""
    server.kill()
    server.start("--log-retention", "1ms")
    async with asyncio.timeout(PATIENCE):
        while True:
            reading = await resume(site, token)
            if reading.code is OUT_OF_RANGE:
                return reading
            await asyncio.sleep(0.1)


async def test_a_token_older_than_the_log_is_out_of_range(
    server: ServerProcess, site: Site
) -> None:
    old = await origin(site)
    tasks = await site.create_many(5, queue="q")
    recent = await origin(site)
    reading = await compacted(server, site, old)
    assert reading.info.reason == "REVISION_COMPACTED"
    assert int(reading.info.metadata["oldest_revision"]) == tasks[-1].revision
    created = await site.create(queue="q")
    rest = await resume(site, recent)
    assert [change.id_status.id for change in rest.changes] == [created.id]


async def test_a_resumed_watch_is_told_at_once_that_it_is_in_place(shared: Site) -> None:
    token = await origin(shared)
    request = pb.WatchTasksRequest(
        filter=task_pb2.TaskFilter(queues=["silent"]),
        resume_token=token,
        bookmark_interval=Duration(seconds=3600),
    )
    (greeting,) = (await shared.read(request, lambda _: True)).messages
    assert not greeting.changes
    assert not greeting.snapshot_complete


async def test_a_token_from_amid_a_snapshot_is_out_of_range_once_compacted(
    server: ServerProcess, site: Site
) -> None:
    tasks = await site.create_many(500, queue="q")
    request = pb.WatchTasksRequest()
    amid = await site.read(request, lambda _: True)
    assert not amid.complete
    await site.cancel(tasks[-1].id)
    reading = await compacted(server, site, amid.token)
    assert reading.info.reason == "REVISION_COMPACTED"


async def test_a_live_watch_outlives_the_compaction_of_its_past(
    server: ServerProcess, site: Site
) -> None:
    old = await origin(site)
    await site.create(queue="q")
    await compacted(server, site, old)
    job = await site.begin(pb.WatchTasksRequest())
    task = await site.create(queue="q")
    stopped = asyncio.create_task(asyncio.to_thread(server.stop))
    assert task.id in [change.id_status.id for change in (await job).changes]
    assert await stopped == 0


@pytest.mark.sqlite
async def test_a_token_from_the_future_is_out_of_range(server: ServerProcess, site: Site) -> None:
    """The store was put back to an older copy."""
    first = await site.create(queue="q")
    assert server.stop() == 0
    path = server.folder / "idstatus.db"
    shutil.copy(path, server.folder / "copy")
    server.start()
    await site.create(queue="q")
    token = await origin(site)
    assert server.stop() == 0
    shutil.copy(server.folder / "copy", path)
    server.start()
    reading = await resume(site, token)
    assert (reading.code, reading.info.reason) == (OUT_OF_RANGE, "REVISION_IN_FUTURE")
    assert int(reading.info.metadata["newest_revision"]) == first.revision
    for _ in range(3):  # the log comes to the token's revision, and past it, another way
        await site.create(queue="q")
        reading = await resume(site, token)
        assert (reading.code, reading.info.reason) == (OUT_OF_RANGE, "REVISION_IN_FUTURE")


async def test_a_token_of_another_store_is_invalid(server: ServerProcess, shared: Site) -> None:
    async with Site(server.address) as site:
        reading = await resume(shared, await origin(site))
    assert (reading.code, reading.info.reason) == (INVALID, "INVALID_TOKEN")


async def test_what_is_no_token_is_invalid(shared: Site) -> None:
    good = await origin(shared)
    raw = bytearray(base64.urlsafe_b64decode(good + "=" * (-len(good) % 4)))
    raw[-5] ^= 1
    flipped = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    page = (await shared.tasks.ListTasks(pb.ListTasksRequest(page_size=1))).next_page_token
    for bad in ("x", "AAAA", "ü", "%%%%", good[:-1], good + "AA", flipped, good * 50, page or "p"):
        reading = await resume(shared, bad)
        assert (reading.code, reading.info.reason) == (INVALID, "INVALID_TOKEN"), bad


async def test_a_page_token_is_no_resume_token(shared: Site, queue: str) -> None:
    await shared.create_many(2, queue=queue)
    page = await shared.tasks.ListTasks(pb.ListTasksRequest(page_size=1))
    assert page.next_page_token
    assert (await resume(shared, page.next_page_token)).info.reason == "INVALID_TOKEN"


async def test_more_than_a_thousand_ids_are_refused(shared: Site) -> None:
    reading = await shared.read(pb.WatchTasksRequest(ids=[f"i{n}" for n in range(1001)]))
    assert (reading.code, reading.info.reason) == (INVALID, "INVALID_FIELD")


async def test_a_thousand_ids_are_not(shared: Site, queue: str) -> None:
    ids = [task.id for task in await shared.create_many(1000, queue=queue)]
    reading = await shared.read(pb.WatchTasksRequest(ids=ids), lambda seen: seen.complete)
    assert {change.id_status.id for change in reading.changes} == set(ids)


async def test_ids_and_a_filter_together_are_refused(shared: Site, queue: str) -> None:
    task = await shared.create(queue=queue)
    wanted = task_pb2.TaskFilter(queues=[queue])
    reading = await shared.read(pb.WatchTasksRequest(ids=[task.id], filter=wanted))
    assert (reading.code, reading.info.reason) == (INVALID, "INVALID_FIELD")


async def test_an_id_that_cannot_be_one_is_refused(shared: Site) -> None:
    reading = await shared.read(pb.WatchTasksRequest(ids=["no spaces"]))
    assert (reading.code, reading.info.reason) == (INVALID, "INVALID_FIELD")


async def test_a_token_wins_over_skip_snapshot(shared: Site, queue: str) -> None:
    token = await origin(shared)
    task = await shared.create(queue=queue)
    wanted = task_pb2.TaskFilter(queues=[queue])
    request = pb.WatchTasksRequest(filter=wanted, resume_token=token, skip_snapshot=True)
    reading = await shared.read(request, lambda seen: bool(seen.changes))
    assert [change.id_status.id for change in reading.changes] == [task.id]
