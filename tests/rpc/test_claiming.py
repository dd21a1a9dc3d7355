"""Claims: who gets which task, and when."""

import asyncio
import time
from collections.abc import Callable

from rpc.wire import Api, micros, names, seconds, span, until

from harness import ServerProcess
from idstatus.v1 import runner_service_pb2 as r
from idstatus.v1 import task_pb2 as m


async def waiting(api: Api, *queues: str, wait: float = 30, **fields: object) -> asyncio.Task:  # type: ignore[type-arg]
    """Start to claim, and return once the server has heard of it."""
    claiming = asyncio.create_task(api.claim(*queues, wait=wait, **fields))
    await api.settle()
    return claiming


async def test_a_higher_priority_goes_first_and_then_who_came_first(api: Api, queue: str) -> None:
    priorities = [0, 5, 0, 9, 5, 9, 0]
    created = [await api.create(queue, priority=priority) for priority in priorities]
    expected = [created[i].id for i in (3, 5, 1, 4, 0, 2, 6)]
    one_by_one = [names(await api.claim(queue))[0] for _ in range(3)]
    assert one_by_one + names(await api.claim(queue, max_tasks=10)) == expected


async def test_a_task_that_was_delayed_stands_behind_those_queued_before_it_was_due(
    api: Api, queue: str
) -> None:
    delayed = await api.create(queue, delay=seconds(0.3))
    queued = await api.create(queue)
    await until(lambda: is_queued(api, delayed.id))
    after = await api.create(queue)
    assert names(await api.claim(queue, max_tasks=3)) == [queued.id, delayed.id, after.id]


async def is_queued(api: Api, task_id: str) -> bool:
    return (await api.status(task_id)).status == m.STATUS_QUEUED


async def test_queues_are_served_in_the_order_of_preference(api: Api, queue: str) -> None:
    last, first = f"{queue}-a", f"{queue}-b"
    low = await api.create(last, priority=9)
    high = await api.create(first, priority=0)
    assert names(await api.claim(first, last, max_tasks=2)) == [high.id, low.id]


async def test_a_claim_shows_the_whole_task_and_its_lease(api: Api, queue: str) -> None:
    created = await api.create(queue, payload=b"work", labels={"a": "b"}, content_type="text/x")
    (claim,) = await api.claim(queue, runner="böb", lease_duration=seconds(20))
    task = claim.task
    assert task == await api.get(created.id)
    assert (task.payload, task.runner, task.content_type) == (b"work", "böb", "text/x")
    assert (task.status, task.execution) == (m.STATUS_RUNNING, m.EXECUTION_MAY_BE_RUNNING)
    assert task.start_time == task.update_time
    assert task.lease_expire_time == claim.lease_expire_time
    assert micros(claim.lease_expire_time) - micros(task.start_time) == 20_000_000
    assert claim.lease_token
    moved = task.transitions[-1]
    assert (getattr(moved, "from"), moved.to) == (m.STATUS_QUEUED, m.STATUS_RUNNING)
    assert (moved.actor, moved.revision, moved.time) == (
        "runner:böb",
        task.revision,
        task.update_time,
    )


async def test_without_work_and_without_a_wait_the_answer_is_empty_at_once(
    api: Api, queue: str
) -> None:
    assert await api.claim(queue) == []
    assert await api.claim(queue, wait=0.2) == []


async def test_a_wait_ends_as_soon_as_a_task_arrives(api: Api, queue: str) -> None:
    claiming = await waiting(api, f"{queue}-other", queue)
    created = await api.create(queue)
    assert names(await asyncio.wait_for(claiming, 5)) == [created.id]


async def test_each_of_many_who_wait_gets_one_of_as_many_tasks(api: Api, queue: str) -> None:
    claimers = [await waiting(api, queue) for _ in range(10)]
    created = await api.create_many(10, queue)
    claims = await asyncio.wait_for(asyncio.gather(*claimers), 5)
    assert sorted(names([claim for (claim,) in claims])) == sorted(names(created))


async def test_a_delayed_task_is_handed_out_when_it_is_due_and_never_early(
    api: Api, queue: str
) -> None:
    claiming = await waiting(api, queue)
    created = await api.create(queue, delay=seconds(0.7))
    assert created.status == m.STATUS_DELAYED
    assert micros(created.run_time) - micros(created.create_time) == 700_000
    (claim,) = await asyncio.wait_for(claiming, 5)
    now = time.time()
    due = claim.task.transitions[1]
    assert (due.to, due.actor) == (m.STATUS_QUEUED, "server")
    assert span(created.run_time) <= span(due.time) <= span(claim.task.start_time) <= now
    assert span(due.time) - span(created.run_time) < 5


async def test_a_run_time_that_has_passed_means_at_once(api: Api, queue: str) -> None:
    created = await api.create(queue, run_time={"seconds": 1})
    assert created.status == m.STATUS_QUEUED
    assert names(await api.claim(queue)) == [created.id]


async def test_a_delay_of_nothing_means_at_once(api: Api, queue: str) -> None:
    created = await api.create(queue, delay=seconds(0))
    assert (created.status, created.HasField("run_time")) == (m.STATUS_QUEUED, False)


async def test_a_due_task_is_queued_after_a_restart(server: ServerProcess, queue: str) -> None:
    async with Api.at(server.address) as api:
        created = await api.create(queue, delay=seconds(0.5))
    server.kill()
    server.start()
    async with Api.at(server.address) as api:
        assert names(await api.claim(queue, wait=10)) == [created.id]


async def test_no_more_than_max_running_run_at_once(api: Api, queue: str) -> None:
    await api.create_many(4, queue)
    await api.update_queue(queue, max_running=2)
    claims = await api.claim(queue, max_tasks=10)
    assert len(claims) == 2
    claimers = [await waiting(api, queue, max_tasks=10) for _ in range(2)]
    await api.succeed(claims[0])
    done, pending = await asyncio.wait(claimers, timeout=5, return_when=asyncio.FIRST_COMPLETED)
    assert [len(claimer.result()) for claimer in done] == [1]
    await api.update_queue(queue, mask=["max_running"])  # no limit again
    assert len(await asyncio.wait_for(pending.pop(), 5)) == 1


async def test_cancelling_a_running_task_makes_room_under_max_running(api: Api, queue: str) -> None:
    first, second = await api.create_many(2, queue)
    await api.update_queue(queue, max_running=1)
    await api.claim(queue)
    claiming = await waiting(api, queue)
    await api.cancel(first.id)
    assert names(await asyncio.wait_for(claiming, 5)) == [second.id]


async def test_a_full_queue_leaves_room_for_the_next_one(api: Api, queue: str) -> None:
    other = f"{queue}-other"
    await api.create_many(2, queue)
    await api.update_queue(queue, max_running=1)
    created = await api.create(other)
    claims = await api.claim(queue, other, max_tasks=5)
    assert [claim.task.queue for claim in claims] == [queue, other]
    assert claims[1].task.id == created.id


async def test_a_paused_queue_hands_out_nothing_until_it_is_resumed(api: Api, queue: str) -> None:
    running, queued = await api.create_many(2, queue)
    (claim,) = await api.claim(queue)
    await api.update_queue(queue, paused=True)
    claimers = [await waiting(api, queue, max_tasks=10) for _ in range(2)]
    later = await api.create(queue)
    assert await api.claim(queue, wait=0.2) == []
    await api.succeed(claim)  # running ones go on
    assert (await api.status(running.id)).status == m.STATUS_SUCCESS
    await api.update_queue(queue, mask=["paused"])
    done, pending = await asyncio.wait(claimers, timeout=5, return_when=asyncio.FIRST_COMPLETED)
    assert sorted(names(next(iter(done)).result())) == sorted([queued.id, later.id])
    for claimer in pending:
        claimer.cancel()


async def test_a_repeat_that_finds_nothing_left_does_not_keep_work_from_others(
    api: Api, queue: str
) -> None:
    await api.create(queue)
    (claim,) = await api.claim(queue, wait=20, request_id=queue)
    await api.succeed(claim)
    repeat = await waiting(api, queue, wait=20, request_id=queue)
    claiming = await waiting(api, queue)
    created = await api.create(queue)
    assert names(await asyncio.wait_for(claiming, 5)) == [created.id]
    assert await asyncio.wait_for(repeat, 1) == []


async def test_a_claimer_that_has_gone_does_not_keep_work_from_others(
    api: Api, shared_server: ServerProcess, queue: str
) -> None:
    async with Api.at(shared_server.address) as other:
        for _ in range(30):
            gone = await waiting(other, queue)
            claiming = await waiting(api, queue, wait=5)
            creating = asyncio.create_task(api.create(queue))
            gone.cancel()
            created = await creating
            status = await until(lambda: unless_queued(api, created.id), within=3)  # noqa: B023
            if not claiming.done() and status.status == m.STATUS_RUNNING:
                await api.create(queue)  # the one that has gone got it: nobody can help that
            assert await asyncio.wait_for(claiming, 3)


async def unless_queued(api: Api, task_id: str) -> m.IdStatus | None:
    status = await api.status(task_id)
    return None if status.status == m.STATUS_QUEUED else status


Start = Callable[..., ServerProcess]


async def test_the_longest_wait_is_the_operators(start_server: Start, queue: str) -> None:
    async with Api.at(start_server("--max-wait", "200ms").address) as api:
        assert await asyncio.wait_for(api.claim(queue, wait=60), 5) == []
        task = await api.create(queue)
        waited = await asyncio.wait_for(api.wait(task.id, 60), 5)
        assert waited.status == m.STATUS_QUEUED


async def test_a_wait_is_answered_before_the_calls_deadline(api: Api, queue: str) -> None:
    request = r.ClaimTasksRequest(queues=[queue], wait=seconds(60))
    assert not (await api.runners.ClaimTasks(request, timeout=2)).claims
