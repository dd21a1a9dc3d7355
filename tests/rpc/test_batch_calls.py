"""Batches of reads and of cancellations."""

from rpc.wire import Api, names, refusal_of, refused, seconds

from idstatus.v1 import task_pb2 as m
from idstatus.v1 import task_service_pb2 as t


async def statuses(api: Api, *ids: str) -> list[m.IdStatus]:
    request = t.BatchGetIdStatusesRequest(ids=ids)
    return list((await api.tasks.BatchGetIdStatuses(request)).id_statuses)


async def test_statuses_come_in_the_order_asked(api: Api, queue: str) -> None:
    one, two, three = names(await api.create_many(3, queue))
    await api.cancel(two)
    wanted = [three, one, two, one]
    assert await statuses(api, *wanted) == [await api.status(task_id) for task_id in wanted]


async def test_a_thousand_statuses_come_in_one_call(api: Api, queue: str) -> None:
    created = names(await api.create_many(1000, queue))
    assert names(await statuses(api, *created)) == created


async def test_one_unknown_id_makes_the_whole_call_not_found(api: Api, queue: str) -> None:
    task = await api.create(queue)
    refusal = await refused(statuses(api, task.id, "unknown", "unknown-too"))
    assert (refusal.code, refusal.reason) == ("NOT_FOUND", "TASK_NOT_FOUND")
    assert refusal.metadata == {"id": "unknown"}


async def test_a_batch_is_created_in_order_and_in_one_commit(api: Api, queue: str) -> None:
    requests = [t.CreateTaskRequest(queue=queue, priority=n % 10, payload=b"p") for n in range(20)]
    tasks = await api.batch(*requests)
    assert [task.priority for task in tasks] == [n % 10 for n in range(20)]
    assert len({task.create_time.ToNanoseconds() for task in tasks}) == 1
    assert {task.payload for task in tasks} == {b""}
    assert await api.get(tasks[3].id, m.TASK_VIEW_BASIC) == tasks[3]


async def test_each_of_the_ids_has_its_own_answer(api: Api, queue: str) -> None:
    queued = await api.create(queue + "-queued")
    delayed = await api.create(queue, delay=seconds(3600))
    running = await api.run_one(queue)
    done = await api.run_one(queue)
    await api.succeed(done)
    before = await api.create(queue)
    was = await api.cancel(before.id)
    ids = ["nobody", running.task.id, done.task.id, queued.id, before.id, delayed.id, queued.id]
    answer = await api.cancel_batch(ids=ids, message="enough")
    cancelled = [running.task.id, queued.id, before.id, delayed.id]
    assert names(answer.id_statuses) == cancelled
    assert answer.count == 3  # one was cancelled already
    assert {status.status for status in answer.id_statuses} == {m.STATUS_CANCELLED}
    assert answer.id_statuses[2] == was
    refusals = [(error.id, refusal_of(error.error)) for error in answer.errors]
    assert [(task_id, *refusal.kind) for task_id, refusal in refusals] == [
        ("nobody", "NOT_FOUND", "TASK_NOT_FOUND"),
        (done.task.id, "FAILED_PRECONDITION", "TASK_FINISHED"),
    ]
    assert refusals[0][1].metadata == {"id": "nobody"}
    assert (await api.get(running.task.id)).message == "enough"
    assert [await api.status(task_id) for task_id in cancelled] == list(answer.id_statuses)


async def test_a_filter_cancels_all_that_match_and_are_unfinished(api: Api, queue: str) -> None:
    other = await api.create(f"{queue}-other", labels={"x": "1"})
    unlike = await api.create(queue, labels={"x": "2"})
    for size in (1000, 1000, 200):
        await api.create_many(size, queue, labels={"x": "1"})
    running = await api.claim(queue, max_tasks=10)
    await api.succeed(running[1])
    wanted = m.TaskFilter(queues=[queue], labels={"x": "1"})
    preview = await api.cancel_batch(filter=wanted, validate_only=True)
    assert (preview.count, list(preview.id_statuses), list(preview.errors)) == (2199, [], [])
    assert (await api.queue(queue)).counts.cancelled == 0
    answer = await api.cancel_batch(filter=wanted, message="all of them")
    assert (answer.count, len(answer.id_statuses), list(answer.errors)) == (2199, 1000, [])
    assert len(set(names(answer.id_statuses))) == 1000
    counts = (await api.queue(queue)).counts
    assert (counts.cancelled, counts.success, counts.queued, counts.running) == (2199, 1, 0, 1)
    assert (await api.status(other.id)).status == m.STATUS_QUEUED
    assert (await api.status(unlike.id)).status == m.STATUS_RUNNING
    assert (await api.get(answer.id_statuses[0].id)).message == "all of them"
    again = await api.cancel_batch(filter=wanted)
    assert (again.count, list(again.id_statuses), list(again.errors)) == (0, [], [])


async def test_a_filter_on_statuses_cancels_only_those(api: Api, queue: str) -> None:
    await api.create_many(3, queue)
    await api.create(queue, delay=seconds(3600))
    await api.claim(queue)
    delayed = m.TaskFilter(queues=[queue], statuses=[m.STATUS_DELAYED, m.STATUS_SUCCESS])
    assert (await api.cancel_batch(filter=delayed)).count == 1
    terminal = m.TaskFilter(queues=[queue], statuses=[m.STATUS_CANCELLED, m.STATUS_ERROR])
    assert (await api.cancel_batch(filter=terminal)).count == 0
    counts = (await api.queue(queue)).counts
    assert (counts.queued, counts.running, counts.cancelled) == (2, 1, 1)


async def test_a_preview_by_ids_counts_what_would_be_cancelled(api: Api, queue: str) -> None:
    one, two, three = names(await api.create_many(3, queue))
    await api.cancel(two)
    ids = [one, two, "nobody", three, one]
    assert (await api.cancel_batch(ids=ids, validate_only=True)).count == 2
    assert (await api.status(one)).status == m.STATUS_QUEUED
    assert (await api.cancel_batch(ids=ids)).count == 2
