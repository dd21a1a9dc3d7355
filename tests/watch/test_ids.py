"""Watches on ids: they end with OK when there is nothing more to come, and not before."""

import asyncio

import grpc
import pytest
from watch.checker import Watched, check
from watch.sites import Reading, Site, resumed
from watch.truth import DELETED, Wanted, origin, read_truth
from watch.workload import Workload

from harness import ServerProcess
from idstatus.v1 import runner_service_pb2 as runner_pb
from idstatus.v1 import task_pb2
from idstatus.v1 import task_service_pb2 as pb

OK, NOT_FOUND = grpc.StatusCode.OK, grpc.StatusCode.NOT_FOUND
SUCCESS, ERROR = task_pb2.STATUS_SUCCESS, task_pb2.STATUS_ERROR
CANCELLED = task_pb2.STATUS_CANCELLED


def policy(retries: int, delay: int = 0) -> task_pb2.RetryPolicy:
    made = task_pb2.RetryPolicy(max_retries=retries)
    made.retry_delay.FromSeconds(delay)
    return made


def watch(*ids: str, follow: bool = False, token: str = "") -> pb.WatchTasksRequest:
    return pb.WatchTasksRequest(ids=ids, follow_retries=follow, resume_token=token)


def outcomes(reading: Reading) -> list[tuple[str, int]]:
    return [(change.id_status.id, change.id_status.status) for change in reading.changes]


async def claim(site: Site, queue: str) -> runner_pb.Claim:
    request = runner_pb.ClaimTasksRequest(queues=[queue])
    request.wait.FromSeconds(10)
    (claimed,) = (await site.runners.ClaimTasks(request)).claims
    return claimed


async def finish(site: Site, queue: str, *, well: bool) -> None:
    claimed = await claim(site, queue)
    report = runner_pb.Report(id=claimed.task.id, lease_token=claimed.lease_token)
    if well:
        report.success.SetInParent()
    else:
        report.error.reason = task_pb2.REASON_BAD_EXIT
    await site.runners.FinishTasks(runner_pb.FinishTasksRequest(reports=[report]))


async def failed(site: Site, queue: str, retries: int = 1, delay: int = 0) -> tuple[str, str]:
    """Return a task that has failed, and its retry."""
    task = await site.create(queue=queue, retry_policy=policy(retries, delay))
    await finish(site, queue, well=False)
    whole = (await site.tasks.GetTask(pb.GetTaskRequest(id=task.id))).task
    assert whole.retried_by
    return task.id, whole.retried_by


async def test_it_ends_once_every_named_task_is_terminal(shared: Site, queue: str) -> None:
    one, two = await shared.create_many(2, queue=queue)
    job = await shared.begin(watch(one.id, two.id))
    await shared.cancel(one.id)
    assert (await shared.read(watch(two.id), lambda seen: seen.complete)).code is None
    assert not job.done()
    await shared.cancel(two.id)
    reading = await job
    assert reading.code is OK
    assert outcomes(reading)[-1] == (two.id, CANCELLED)


async def test_it_ends_at_once_when_all_are_terminal_already(shared: Site, queue: str) -> None:
    task = await shared.create(queue=queue)
    await shared.cancel(task.id)
    for follow in (False, True):
        reading = await shared.read(watch(task.id, follow=follow))
        assert (reading.code, outcomes(reading)) == (OK, [(task.id, CANCELLED)])
        assert reading.messages[-1].snapshot_complete


async def test_it_ends_without_a_snapshot_when_all_are_terminal_already(
    shared: Site, queue: str
) -> None:
    task = await shared.create(queue=queue)
    await shared.cancel(task.id)
    reading = await shared.read(pb.WatchTasksRequest(ids=[task.id], skip_snapshot=True))
    assert (reading.code, reading.changes) == (OK, [])


@pytest.mark.parametrize("follow", [False, True])
async def test_a_task_that_is_unknown_is_not_found(
    shared: Site, queue: str, *, follow: bool
) -> None:
    task = await shared.create(queue=queue)
    reading = await shared.read(watch(task.id, "who-is-this", follow=follow))
    assert (reading.code, reading.messages) == (NOT_FOUND, [])
    assert (reading.info.reason, reading.info.metadata["id"]) == ("TASK_NOT_FOUND", "who-is-this")


async def test_a_task_that_is_unknown_is_not_found_with_a_token_either(
    shared: Site, queue: str
) -> None:
    task = await shared.create(queue=queue)
    token = (await shared.read(watch(task.id), lambda seen: seen.complete)).token
    reading = await shared.read(watch("who-is-this", token=token))
    assert reading.code is NOT_FOUND


async def test_a_deletion_is_shown_and_ends_it(shared: Site, queue: str) -> None:
    first, last = await shared.create_many(2, queue=queue)
    job = await shared.begin(watch(first.id, last.id))
    await shared.cancel(first.id)
    await shared.delete(first.id)
    await shared.cancel(last.id)
    reading = await job
    assert reading.code is OK
    assert DELETED in [change.type for change in reading.changes]
    assert outcomes(reading)[-1] == (last.id, CANCELLED)


async def test_it_resumes_to_the_end_though_all_its_tasks_were_deleted(
    shared: Site, queue: str
) -> None:
    one, two = await shared.create_many(2, queue=queue)
    before = await shared.read(watch(one.id, two.id), lambda seen: seen.complete)
    await shared.cancel(one.id, two.id)
    await shared.delete(one.id)
    await shared.delete(two.id)
    rest = await shared.read(resumed(before.request, before.token))
    assert rest.code is OK
    assert len({change.id_status.revision for change in rest.changes}) >= 2
    again = await shared.read(resumed(before.request, rest.token))
    assert (again.code, again.changes) == (OK, [])


async def test_without_following_it_ends_at_the_error(shared: Site, queue: str) -> None:
    task = await shared.create(queue=queue, retry_policy=policy(1))
    job = await shared.begin(watch(task.id))
    await finish(shared, queue, well=False)
    reading = await job
    assert (reading.code, outcomes(reading)[-1]) == (OK, (task.id, ERROR))


async def test_a_chain_is_followed_to_its_last_task(site: Site) -> None:
    start = await origin(site)
    task = await site.create(queue="q", retry_policy=policy(2))
    job = await site.begin(watch(task.id, follow=True))
    for well in (False, False, True):
        await finish(site, "q", well=well)
    reading = await job
    truth = await read_truth(site, start)
    chain = truth.chain([task.id])
    until = reading.revision
    assert (reading.code, len(chain), outcomes(reading)[-1][1]) == (OK, 3, SUCCESS)
    assert check(Watched(reading.messages, truth, Wanted(chain), until)) == []


async def test_a_chain_is_followed_from_its_snapshot_on(shared: Site, queue: str) -> None:
    task, retry = await failed(shared, queue)
    job = await shared.begin(watch(task, follow=True))
    await finish(shared, queue, well=True)
    reading = await job
    assert reading.code is OK
    assert outcomes(reading)[0] == (task, ERROR)
    assert outcomes(reading)[-1] == (retry, SUCCESS)


async def test_a_chain_is_followed_after_a_restart(server: ServerProcess, site: Site) -> None:
    task, retry = await failed(site, "q")
    before = await site.read(watch(task, follow=True), lambda seen: seen.complete)
    server.kill()
    server.start()
    job = asyncio.create_task(site.read(resumed(before.request, before.token)))
    await finish(site, "q", well=True)
    reading = await job
    assert (reading.code, outcomes(reading)[-1]) == (OK, (retry, SUCCESS))


async def test_a_chain_is_followed_though_its_first_task_was_deleted_meanwhile(
    shared: Site, queue: str
) -> None:
    task, retry = await failed(shared, queue)
    job = await shared.begin(watch(task, follow=True))
    await shared.delete(task)
    await finish(shared, queue, well=True)
    reading = await job
    assert (reading.code, outcomes(reading)[-1]) == (OK, (retry, SUCCESS))


async def test_a_chain_is_followed_by_a_resumption_though_its_first_task_is_gone(
    shared: Site, queue: str
) -> None:
    task, retry = await failed(shared, queue)
    request = watch(task, follow=True)
    snapshot = await shared.read(request, lambda seen: seen.complete)
    await shared.delete(task)
    before = await shared.read(
        resumed(request, snapshot.token), lambda seen: outcomes(seen) == [(task, ERROR)]
    )
    assert before.changes[0].type == DELETED
    rest = asyncio.create_task(shared.read(resumed(request, before.token)))
    await finish(shared, queue, well=True)
    reading = await rest
    assert (reading.code, outcomes(reading)[-1:]) == (OK, [(retry, SUCCESS)])


async def test_a_chain_whose_second_task_was_deleted_is_no_error(shared: Site, queue: str) -> None:
    task, retry = await failed(shared, queue)
    await shared.cancel(retry)
    await shared.delete(retry)
    reading = await shared.read(watch(task, follow=True))
    assert reading.code is OK
    assert outcomes(reading)[0] == (task, ERROR)


async def test_a_watch_on_many_ids_beside_busy_writers_is_whole(site: Site) -> None:
    start = await origin(site)
    work = Workload(site, ("q",), seed=3)
    tasks = await site.create_many(60, queue="q", retry_policy=policy(2))
    ids = [task.id for task in tasks]
    jobs = [await site.begin(watch(*ids, follow=follow)) for follow in (False, True)]
    await work.run(30, producers=1, meddlers=1)
    listed = await site.tasks.ListTasks(pb.ListTasksRequest(page_size=1000))
    for task in listed.tasks:
        if task.status < SUCCESS:
            await site.cancel(task.id)
    plain, following = [await job for job in jobs]
    truth = await read_truth(site, start)
    assert (plain.code, following.code) == (OK, OK)
    wanted = Wanted(frozenset(ids))
    assert check(Watched(plain.messages, truth, wanted, plain.revision)) == []
    wanted = Wanted(truth.chain(ids))
    assert check(Watched(following.messages, truth, wanted, following.revision)) == []
