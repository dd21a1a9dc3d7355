"""Queues: what they show, and how they are set."""

import time

import pytest
from rpc.wire import Api, refused, seconds, span, until

from harness import ServerProcess
from idstatus.v1 import queue_service_pb2 as q
from idstatus.v1 import task_pb2 as m


async def test_a_queue_exists_from_its_first_task_on(api: Api, queue: str) -> None:
    assert (await refused(api.queue(queue))).reason == "QUEUE_NOT_FOUND"
    assert await api.claim(queue) == []
    assert (await refused(api.queue(queue))).reason == "QUEUE_NOT_FOUND"
    task = await api.create(queue)
    shown = await api.queue(queue)
    assert (shown.name, shown.paused, shown.max_running) == (queue, False, 0)
    assert not shown.HasField("retention")
    await api.cancel(task.id)
    await api.delete(task.id)
    empty = await api.queue(queue)
    assert (empty.name, empty.counts) == (queue, q.QueueCounts())


async def test_counts_follow_every_step(api: Api, queue: str) -> None:
    await api.create(queue, delay=seconds(3600))
    await api.create_many(6, queue)
    claims = await api.claim(queue, max_tasks=5)
    assert (await api.queue(queue)).counts == q.QueueCounts(delayed=1, queued=1, running=5)
    await api.succeed(claims[0])
    await api.fail(claims[1])
    await api.fail(claims[2])
    await api.cancel(claims[3].task.id)
    expected = q.QueueCounts(delayed=1, queued=1, running=1, success=1, error=2, cancelled=1)
    assert (await api.queue(queue)).counts == expected
    await api.retry(claims[1].task.id)
    await api.delete(claims[2].task.id)
    expected.queued, expected.error = 2, 1
    assert (await api.queue(queue)).counts == expected


async def test_the_longest_waiting_task_dates_the_queue(api: Api, queue: str) -> None:
    await api.create(queue, delay=seconds(3600))
    waiting = await api.queue(queue)
    assert not waiting.HasField("oldest_queued_time")
    assert not waiting.HasField("oldest_queued_age")
    first = await api.create(queue, priority=0)
    second = await api.create(queue, priority=9)
    shown = await api.queue(queue)
    assert shown.oldest_queued_time == first.create_time
    age = time.time() - span(first.create_time)
    assert 0 <= span(shown.oldest_queued_age) <= age
    await api.cancel(first.id)
    assert (await api.queue(queue)).oldest_queued_time == second.create_time


async def test_a_delayed_task_waits_from_when_it_was_due(api: Api, queue: str) -> None:
    await api.update_queue((await api.create(queue)).queue, paused=True)
    await api.cancel_batch(filter=m.TaskFilter(queues=[queue]))
    task = await api.create(queue, delay=seconds(0.2))
    await until(lambda: somebody_waits(api, queue))
    shown = await api.queue(queue)
    due = (await api.get(task.id)).transitions[-1].time
    assert shown.oldest_queued_time == due


async def somebody_waits(api: Api, queue: str) -> bool:
    return (await api.queue(queue)).HasField("oldest_queued_time")


async def test_a_retry_leaves_the_settings_of_its_queue_alone(api: Api, queue: str) -> None:
    policy = m.RetryPolicy(max_retries=1)
    by_policy, by_client = [
        await api.run_one(queue, retry_policy=policy if automatic else None)
        for automatic in (True, False)
    ]
    set_so = await api.update_queue(queue, paused=True, max_running=3, retention=seconds(60))
    assert (await api.fail(by_policy)).status == m.STATUS_ERROR
    await api.fail(by_client)
    await api.retry(by_client.task.id)
    kept = await api.queue(queue)
    assert (kept.counts.delayed, kept.counts.queued) == (1, 1)
    assert (kept.paused, kept.max_running, kept.retention) == (True, 3, set_so.retention)


async def test_only_what_the_mask_names_is_changed(api: Api, queue: str) -> None:
    await api.create(queue)
    kept = await api.update_queue(
        queue, paused=True, max_running=5, retention=seconds(60), mask=["paused", "retention"]
    )
    assert (kept.paused, kept.max_running, span(kept.retention)) == (True, 0, 60)
    kept = await api.update_queue(queue, max_running=5, mask=["max_running"])
    assert (kept.paused, kept.max_running, span(kept.retention)) == (True, 5, 60)
    kept = await api.update_queue(queue, mask=["paused", "max_running", "retention"])
    assert (kept.paused, kept.max_running, kept.HasField("retention")) == (False, 0, False)
    shown = await api.queue(queue)
    assert (shown.paused, shown.max_running, shown.HasField("retention")) == (False, 0, False)


async def test_without_a_mask_what_is_set_is_changed(api: Api, queue: str) -> None:
    await api.create(queue)
    await api.update_queue(queue, paused=True, max_running=5, retention=seconds(60))
    kept = await api.update_queue(queue, max_running=6)
    assert (kept.paused, kept.max_running, span(kept.retention)) == (True, 6, 60)
    kept = await api.update_queue(queue)
    assert (kept.paused, kept.max_running, span(kept.retention)) == (True, 6, 60)
    kept = await api.update_queue(queue, mask=["*"])
    assert (kept.paused, kept.max_running, kept.HasField("retention")) == (False, 0, False)


async def test_what_the_server_sets_is_ignored_without_a_mask(api: Api, queue: str) -> None:
    await api.create(queue)
    kept = await api.update_queue(queue, counts=q.QueueCounts(error=7), paused=True)
    assert (kept.counts, kept.paused) == (q.QueueCounts(queued=1), True)


@pytest.mark.parametrize("path", ["counts", "name", "nonsense", "", "queue.paused", "Paused"])
async def test_a_mask_names_settings_only(api: Api, queue: str, path: str) -> None:
    await api.create(queue)
    refusal = await refused(api.update_queue(queue, paused=True, mask=["max_running", path]))
    assert (*refusal.kind, refusal.fields) == (
        "INVALID_ARGUMENT",
        "INVALID_FIELD",
        ["update_mask"],
    )
    assert not (await api.queue(queue)).paused


async def test_a_mask_has_at_most_1000_paths(api: Api, queue: str) -> None:
    request = q.UpdateQueueRequest(queue=q.Queue(name=queue))
    request.update_mask.paths.extend(["paused"] * 1001)
    assert (await refused(api.queues.UpdateQueue(request))).fields == ["update_mask"]


async def test_settings_have_bounds(api: Api, queue: str) -> None:
    await api.create(queue)
    refusal = await refused(api.update_queue(queue, max_running=-1, retention=seconds(0.5)))
    assert sorted(refusal.fields) == ["queue.max_running", "queue.retention"]
    assert (await refused(api.update_queue("No", paused=True))).fields == ["queue.name"]
    assert (await refused(api.queue("No"))).fields == ["name"]
    kept = await api.update_queue(queue, max_running=2**31 - 1, retention=seconds(1))
    assert (kept.max_running, span(kept.retention)) == (2**31 - 1, 1)


async def test_settings_are_no_change_of_a_task(api: Api, queue: str) -> None:
    first = await api.create(queue)
    await api.update_queue(queue, paused=True)
    assert await api.get(first.id, m.TASK_VIEW_BASIC) == first


async def test_queues_are_listed_by_name_page_by_page(own: Api) -> None:
    expected = sorted(["b", "a", "a.b", "a-b", "a_b", "z9", "0", "default"])
    for name in reversed(expected):
        await own.create(name)
    listed: list[str] = []
    token = ""
    for _ in range(10):
        request = q.ListQueuesRequest(page_size=3, page_token=token)
        page = await own.queues.ListQueues(request)
        assert len(page.queues) <= 3
        listed += [queue.name for queue in page.queues]
        token = page.next_page_token
        if not token:
            break
    assert listed == expected
    everything = await own.queues.ListQueues(q.ListQueuesRequest())
    assert [queue.counts.queued for queue in everything.queues] == [1] * len(expected)
    assert everything.next_page_token == ""


async def test_settings_outlive_a_crash(own: Api, server: ServerProcess, queue: str) -> None:
    await own.create(queue)
    kept = await own.update_queue(queue, paused=True, max_running=3, retention=seconds(60))
    server.kill()
    server.start()
    async with Api.at(server.address) as api:
        again = await api.queue(queue)
    for field in ("paused", "max_running", "retention", "counts", "oldest_queued_time"):
        assert getattr(again, field) == getattr(kept, field)
