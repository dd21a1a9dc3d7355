"""Request ids: a repeat returns the first answer, whatever has happened since."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from rpc.wire import Api, lease, names, new, seconds

from harness import ServerProcess
from idstatus.v1 import task_pb2 as m

Move = Callable[[Api, m.Task], Awaitable[object]]


async def nothing(_: Api, __: m.Task) -> None:
    return


async def cancelled(api: Api, task: m.Task) -> None:
    await api.cancel(task.id, message="why")


async def running(api: Api, task: m.Task) -> None:
    (claim,) = await api.claim(task.queue)
    await api.extend(lease(claim, progress=m.Progress(fraction=0.5)))


async def failed(api: Api, task: m.Task) -> None:
    (claim,) = await api.claim(task.queue)
    await api.fail(claim, message="why", exit_code=1, signal=2)


async def reported_late(api: Api, task: m.Task) -> None:
    (claim,) = await api.claim(task.queue)
    await api.cancel(task.id)
    await api.finish(claim, success=m.Success(result=b"x"))


async def retried(api: Api, task: m.Task) -> None:
    await api.cancel(task.id)
    await api.retry(task.id)


async def deleted(api: Api, task: m.Task) -> None:
    await api.cancel(task.id)
    await api.delete(task.id)


MOVES = [nothing, cancelled, running, failed, reported_late, retried, deleted]


@pytest.mark.parametrize("move", MOVES)
async def test_a_create_repeated_returns_the_task_as_it_was_created(
    api: Api, queue: str, move: Move
) -> None:
    fields: dict[str, Any] = {
        "payload": b"work",
        "labels": {chr(97 + i): str(i) for i in range(20)},
        "unique_key": queue,
        "retry_policy": m.RetryPolicy(max_retries=1, retry_delay=seconds(3600)),
    }
    first = await api.create(queue, request_id=queue, **fields)
    await move(api, first)
    assert await api.create(queue, request_id=queue, **fields) == first


@pytest.mark.parametrize("move", MOVES)
async def test_a_batch_repeated_returns_its_tasks_as_they_were_created(
    api: Api, queue: str, move: Move
) -> None:
    requests = [new(queue, payload=b"1"), new(f"{queue}-other", delay=seconds(3600))]
    first = await api.batch(*requests, request_id=queue)
    await move(api, first[0])
    assert await api.batch(*requests, request_id=queue) == first


async def test_items_of_a_batch_have_request_ids_of_their_own(api: Api, queue: str) -> None:
    item = new(queue, request_id=queue)
    alone = await api.create(queue, request_id=queue)
    await api.cancel(alone.id)
    first, second = await api.batch(item, new(queue))
    assert first == alone
    assert second.id != alone.id
    third, fourth = await api.batch(*[new(queue, request_id=queue + "-twice")] * 2)
    assert third == fourth


@pytest.mark.parametrize("move", [nothing, failed, deleted])
async def test_a_retry_repeated_returns_the_new_task_as_it_was_created(
    api: Api, queue: str, move: Move
) -> None:
    old = await api.create(f"{queue}-old")
    await api.cancel(old.id)
    retry = await api.retry(old.id, request_id=queue)
    moved = m.Task(id=retry.id, queue=retry.queue)
    await move(api, moved)
    assert await api.retry(old.id, request_id=queue) == retry


async def test_a_cancellation_repeated_returns_what_stood_then(api: Api, queue: str) -> None:
    claim = await api.run_one(queue)
    first = await api.cancel(claim.task.id, request_id=queue)
    await api.finish(claim, stopped=m.Stopped())
    await api.retry(claim.task.id)
    assert (await api.status(claim.task.id)).revision > first.revision
    assert await api.cancel(claim.task.id, request_id=queue) == first


async def test_a_cancellation_of_what_was_cancelled_is_repeated_as_it_was_answered(
    api: Api, queue: str
) -> None:
    claim = await api.run_one(queue)
    await api.cancel(claim.task.id)
    await api.finish(claim, stopped=m.Stopped())
    first = await api.cancel(claim.task.id, request_id=queue)
    assert first.execution == m.EXECUTION_ENDED
    assert await api.cancel(claim.task.id, request_id=queue) == first


async def test_a_cancellation_repeated_after_the_task_was_deleted_returns_the_first_answer(
    api: Api, queue: str
) -> None:
    task = await api.create(queue)
    first = await api.cancel(task.id, request_id=queue)
    await api.delete(task.id)
    assert await api.cancel(task.id, request_id=queue) == first


async def test_a_batch_cancellation_by_ids_is_repeated_with_its_refusals(
    api: Api, queue: str
) -> None:
    one, two = await api.create_many(2, queue)
    done = await api.run_one(f"{queue}-done")
    await api.succeed(done)
    ids = [one.id, done.task.id, "unknown", two.id]
    first = await api.cancel_batch(ids=ids, request_id=queue)
    assert (first.count, names(first.id_statuses)) == (2, [one.id, two.id])
    await api.retry(one.id)
    assert await api.cancel_batch(ids=ids, request_id=queue) == first


@pytest.mark.parametrize("count", [0, 3, 1500])
async def test_a_batch_cancellation_by_filter_is_repeated_whatever_its_size(
    api: Api, queue: str, count: int
) -> None:
    for start in range(0, count, 1000):
        await api.create_many(min(1000, count - start), queue)
    wanted = m.TaskFilter(queues=[queue])
    first = await api.cancel_batch(filter=wanted, request_id=queue)
    assert (first.count, len(first.id_statuses)) == (count, min(count, 1000))
    later = await api.create(queue)
    again = await api.cancel_batch(filter=wanted, request_id=queue)
    assert (again.count, names(again.id_statuses)) == (count, names(first.id_statuses))
    assert again == first
    assert (await api.status(later.id)).status == m.STATUS_QUEUED


async def test_a_claim_repeated_returns_the_same_leases_while_they_run(
    api: Api, queue: str
) -> None:
    await api.create_many(4, queue, payload=b"work")
    first = await api.claim(queue, max_tasks=3, request_id=queue)
    assert await api.claim(queue, max_tasks=3, request_id=queue) == first
    await api.succeed(first[0])
    await api.cancel(first[2].task.id)
    again = await api.claim(queue, max_tasks=3, request_id=queue)
    assert again == [first[1]]
    await api.succeed(again[0])
    assert await api.claim(queue, max_tasks=3, request_id=queue) == []
    assert len(await api.claim(queue, max_tasks=3)) == 1


async def test_a_claim_that_found_nothing_may_find_something_later(api: Api, queue: str) -> None:
    assert await api.claim(queue, request_id=queue) == []
    task = await api.create(queue)
    assert names(await api.claim(queue, request_id=queue)) == [task.id]


async def test_a_refused_request_is_not_remembered(api: Api, queue: str) -> None:
    holder = await api.create(queue, unique_key=queue)
    with pytest.raises(Exception, match="unique key"):
        await api.create(queue, unique_key=queue, request_id=queue)
    await api.cancel(holder.id)
    second = await api.create(queue, unique_key=queue, request_id=queue)
    assert second.id != holder.id
    assert await api.create(queue, unique_key=queue, request_id=queue) == second


async def test_first_answers_outlive_a_crash(server: ServerProcess, queue: str) -> None:
    async def answers(api: Api) -> list[Any]:
        task = await api.create(queue, request_id="create")
        batch = await api.batch(new(queue), new(queue), request_id="batch")
        claims = await api.claim(queue, request_id="claim", lease_duration=seconds(600))
        for claim in claims:  # a restart may extend leases
            claim.ClearField("lease_expire_time")
            claim.task.ClearField("lease_expire_time")
        cancelled = await api.cancel(batch[0].id, request_id="cancel")
        many = await api.cancel_batch(ids=[task.id, batch[1].id], request_id="batch-cancel")
        retry = await api.retry(batch[0].id, request_id="retry")
        return [task, batch, cancelled, many, retry, claims]

    async with Api.at(server.address) as api:
        first = await answers(api)
    server.kill()
    server.start()
    async with Api.at(server.address) as api:
        again = await answers(api)
        assert again[:-1] == first[:-1]
        assert len(await api.every()) == 4
        # The claimed task was cancelled since, so the repeat of its claim is empty.
        assert (len(first[-1]), again[-1]) == (1, [])


async def test_leases_are_returned_again_after_a_crash(server: ServerProcess, queue: str) -> None:
    async with Api.at(server.address) as api:
        await api.create(queue)
        (first,) = await api.claim(queue, request_id=queue)
    server.kill()
    server.start()
    async with Api.at(server.address) as api:
        (again,) = await api.claim(queue, request_id=queue)
        assert (again.task.id, again.lease_token) == (first.task.id, first.lease_token)
        await api.succeed(first)
