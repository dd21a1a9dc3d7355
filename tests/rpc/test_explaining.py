"""ExplainTask: why a task does not run yet, or why it ended so, and what may be done next."""

import pytest
from rpc.wire import Api, names, refused, seconds

from idstatus.v1 import task_pb2 as m
from idstatus.v1 import task_service_pb2 as t


async def test_a_queued_task_tells_how_many_come_before_it(api: Api, queue: str) -> None:
    first = await api.create(queue)
    urgent = await api.create(queue, priority=9)
    last = await api.create(queue)
    told = await api.explain(last.id)
    assert told.task == last
    assert (told.tasks_ahead, told.more_tasks_ahead) == (2, False)
    assert list(told.obstacles) == [t.OBSTACLE_TASKS_AHEAD]
    assert list(told.next_steps) == [t.NEXT_STEP_WAIT, t.NEXT_STEP_CANCEL]
    assert (await api.explain(first.id)).tasks_ahead == 1
    told = await api.explain(urgent.id)
    assert (told.tasks_ahead, list(told.obstacles)) == (0, [])
    assert told.queue.counts.queued == 3


async def test_so_many_tasks_ahead_are_counted_and_no_more(api: Api, queue: str) -> None:
    many = await api.create_many(1000, queue)
    last = (await api.create_many(2, queue))[-1]
    told = await api.explain(many[-1].id)
    assert (told.tasks_ahead, told.more_tasks_ahead) == (999, False)
    told = await api.explain(last.id)
    assert (told.tasks_ahead, told.more_tasks_ahead) == (1000, True)


async def test_what_holds_a_queue_back_is_an_obstacle(api: Api, queue: str) -> None:
    claim = await api.run_one(queue)
    waiting = await api.create(queue)
    await api.update_queue(queue, max_running=1, paused=True)
    told = await api.explain(waiting.id)
    assert list(told.obstacles) == [t.OBSTACLE_QUEUE_PAUSED, t.OBSTACLE_QUEUE_FULL]
    assert (told.queue.paused, told.queue.max_running, told.queue.counts.running) == (True, 1, 1)
    await api.succeed(claim)
    await api.update_queue(queue, paused=False, mask=["paused"])
    assert list((await api.explain(waiting.id)).obstacles) == []


async def test_a_delayed_task_is_not_due(api: Api, queue: str) -> None:
    await api.create(queue, priority=9)
    told = await api.explain((await api.create(queue, delay=seconds(3600))).id)
    assert (list(told.obstacles), told.tasks_ahead) == ([t.OBSTACLE_NOT_DUE], 0)
    assert told.task.HasField("run_time")


async def test_a_running_task_tells_who_holds_it_and_until_when(api: Api, queue: str) -> None:
    claim = await api.run_one(queue, lease=30)
    told = await api.explain(claim.task.id)
    assert (told.task.runner, told.task.lease_expire_time) == ("r1", claim.lease_expire_time)
    assert (list(told.obstacles), told.tasks_ahead) == ([], 0)
    assert list(told.next_steps) == [t.NEXT_STEP_WAIT, t.NEXT_STEP_CANCEL]


async def test_the_last_of_a_chain_may_be_retried_and_each_tells_the_whole_chain(
    api: Api, queue: str
) -> None:
    first = await api.run_one(queue)
    await api.fail(first, m.REASON_KILLED)
    second = await api.retry(first.task.id)
    await api.cancel(second.id)
    third = await api.retry(second.id)
    chain = [await api.status(task_id) for task_id in (first.task.id, second.id, third.id)]
    for link in chain:
        told = await api.explain(link.id)
        assert (list(told.chain), told.more_in_chain) == (chain, False)
    assert list((await api.explain(second.id)).next_steps) == [t.NEXT_STEP_DELETE]
    await api.cancel(third.id)
    told = await api.explain(third.id)
    assert list(told.next_steps) == [t.NEXT_STEP_RETRY, t.NEXT_STEP_DELETE]


async def test_of_a_long_chain_the_last_hundred_are_told(api: Api, queue: str) -> None:
    task = root = await api.create(queue)
    for _ in range(100):
        await api.cancel(task.id)
        task = await api.retry(task.id)
    told = await api.explain(root.id)
    assert (len(told.chain), told.more_in_chain) == (100, True)
    assert root.id not in names(told.chain)
    assert told.chain[-1].id == task.id


@pytest.mark.parametrize(("task_id", "reason"), [("a b", "INVALID_FIELD"), ("", "INVALID_FIELD")])
async def test_a_faulty_id_is_refused(api: Api, task_id: str, reason: str) -> None:
    refusal = await refused(api.explain(task_id))
    assert (refusal.reason, refusal.fields) == (reason, ["id"])


async def test_an_unknown_task_is_not_found(api: Api, queue: str) -> None:
    assert (await refused(api.explain(queue))).kind == ("NOT_FOUND", "TASK_NOT_FOUND")
