"""What one may not see is, on every way to ask, as if it were not there."""

import asyncio
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

import grpc
import pytest
from access.people import Issuer, api_of
from google.longrunning import operations_pb2
from rpc.wire import PATIENCE, Api, Refusal, lease, names, new, outcome, refused, report

from idstatus.v1 import queue_service_pb2 as q
from idstatus.v1 import task_pb2 as m
from idstatus.v1 import task_service_pb2 as t

Acting = Callable[[str], Api]
Ask = Callable[[Api, str], Coroutine[Any, Any, Any]]
NOT_PERMITTED = ("PERMISSION_DENIED", "NOT_PERMITTED")

READS: dict[str, Ask] = {
    "get": lambda api, task: api.get(task),
    "status": lambda api, task: api.status(task),
    "statuses": lambda api, task: api.tasks.BatchGetIdStatuses(
        t.BatchGetIdStatusesRequest(ids=[task])
    ),
    "explain": lambda api, task: api.explain(task),
    "wait": lambda api, task: api.wait(task),
    "watch": lambda api, task: api.tasks.WatchTasks(t.WatchTasksRequest(ids=[task])).read(),
    "operation": lambda api, task: api.operations.GetOperation(_named("Get", task)),
    "wait operation": lambda api, task: api.operations.WaitOperation(_named("Wait", task)),
}
CHANGES: dict[str, Ask] = {
    "cancel": lambda api, task: api.cancel(task),
    "retry": lambda api, task: api.retry(task),
    "delete": lambda api, task: api.delete(task),
    "cancel operation": lambda api, task: api.operations.CancelOperation(_named("Cancel", task)),
    "delete operation": lambda api, task: api.operations.DeleteOperation(_named("Delete", task)),
}


def _named(verb: str, task_id: str) -> Any:
    return getattr(operations_pb2, f"{verb}OperationRequest")(name=f"tasks/{task_id}")


def nameless(refusal: Refusal, task_id: str) -> tuple[Any, ...]:
    """Return all that a refusal tells, but for the id."""
    told = {key: value.replace(task_id, "ID") for key, value in refusal.metadata.items()}
    return refusal.code, refusal.reason, told, refusal.message.replace(task_id, "ID")


@pytest.mark.parametrize("ask", [*READS, *CHANGES])
async def test_a_task_of_others_is_as_unknown_as_one_that_never_was(
    acting: Acting, root: Api, theirs: str, ask: str
) -> None:
    task, never = await root.create(theirs), f"never-{uuid.uuid4()}"
    operator = acting("operator")
    of_others = await refused((READS | CHANGES)[ask](operator, task.id))
    of_nobody = await refused((READS | CHANGES)[ask](operator, never))
    assert nameless(of_others, task.id) == nameless(of_nobody, never)
    assert of_others.kind == ("NOT_FOUND", "TASK_NOT_FOUND")
    assert (await root.status(task.id)).status == m.STATUS_QUEUED


@pytest.mark.parametrize("ask", READS)
async def test_what_one_may_see_one_sees(acting: Acting, root: Api, ours: str, ask: str) -> None:
    task = await root.create(ours)
    await root.cancel(task.id)
    assert not isinstance(await outcome(READS[ask](acting("viewer"), task.id)), Refusal)


async def test_a_list_shows_the_tasks_of_ones_queues_page_by_page(
    acting: Acting, root: Api, ours: str, theirs: str
) -> None:
    mine: list[str] = []
    for _ in range(3):
        mine += names(await root.create_many(2, ours))
        await root.create_many(2, theirs)
    viewer = acting("viewer")
    since = (await root.get(mine[0])).create_time
    wanted = m.TaskFilter(create_time=m.TimeRange(start=since))
    listed = await viewer.every(filter=wanted, page_size=2, order=t.LIST_ORDER_OLDEST_FIRST)
    assert {task.queue[:2] for task in listed} == {"a-"}
    assert [task.id for task in listed if task.queue == ours] == mine
    operations = await viewer.operations.ListOperations(
        operations_pb2.ListOperationsRequest(filter=f"metadata.queue={ours}")
    )
    assert len(operations.operations) == len(mine)


async def test_a_watch_shows_the_tasks_of_ones_queues_from_snapshot_to_deletion(
    acting: Acting, root: Api, ours: str, theirs: str
) -> None:
    before = [await root.create(queue) for queue in (theirs, ours)]
    watch = acting("viewer").tasks.WatchTasks(t.WatchTasksRequest())
    seen: list[str] = []

    async def seen_so_far(task_id: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while task_id not in seen:
                seen.extend(change.id_status.id for change in (await watch.read()).changes)

    await seen_so_far(before[1].id)
    for queue in (theirs, ours):
        task = await root.create(queue)
        await root.cancel(task.id)
        await root.delete(task.id)
        before.append(task)
    last = await root.create(ours)
    await seen_so_far(last.id)
    assert not {before[0].id, before[2].id}.intersection(seen)
    assert seen.count(before[3].id) == 3
    watch.cancel()


@pytest.mark.parametrize("deleted", [False, True])
async def test_a_token_of_ones_own_resumes_no_watch_on_a_task_of_others(
    acting: Acting, root: Api, theirs: str, *, deleted: bool
) -> None:
    task = await root.create(theirs)
    viewer = acting("viewer")
    started = viewer.tasks.WatchTasks(t.WatchTasksRequest(skip_snapshot=True))
    token = (await started.read()).resume_token
    started.cancel()
    await root.cancel(task.id)
    retry = await root.retry(task.id)
    if deleted:
        await root.delete(task.id)
    for follow in (False, True):
        request = t.WatchTasksRequest(ids=[task.id], resume_token=token, follow_retries=follow)
        refusal = await refused(viewer.tasks.WatchTasks(request).read())
        assert refusal.kind == ("NOT_FOUND", "TASK_NOT_FOUND")
    assert (await root.status(retry.id)).status == m.STATUS_QUEUED


async def test_a_task_of_others_that_came_and_went_since_a_token_is_as_one_that_never_was(
    acting: Acting, root: Api, theirs: str
) -> None:
    viewer = acting("viewer")
    started = viewer.tasks.WatchTasks(t.WatchTasksRequest(skip_snapshot=True))
    token = (await started.read()).resume_token
    started.cancel()
    task = await root.create(theirs, labels={"secret": "label"})
    await root.cancel(task.id)
    await root.retry(task.id)
    await root.delete(task.id)
    for task_id in (task.id, "never-was"):
        request = t.WatchTasksRequest(ids=[task_id], resume_token=token, follow_retries=True)
        refusal = await refused(viewer.tasks.WatchTasks(request).read())
        assert refusal.kind == ("NOT_FOUND", "TASK_NOT_FOUND")


async def test_queues_of_others_are_not_listed(
    acting: Acting, root: Api, ours: str, theirs: str
) -> None:
    for queue in (ours, theirs):
        await root.create(queue)
    viewer, found, page = acting("viewer"), [], ""
    while True:
        answer = await viewer.queues.ListQueues(q.ListQueuesRequest(page_size=2, page_token=page))
        found += [queue.name for queue in answer.queues]
        if not (page := answer.next_page_token):
            break
    assert ours in found
    assert all(name.startswith("a-") for name in found)


@pytest.mark.parametrize(
    ("who", "ask"),
    [
        ("producer", lambda api, name: api.create(name, payload=b"x" * 300_000)),
        ("producer", lambda api, name: api.batch(new("a-1"), new(name, priority=99))),
        ("producer", lambda api, _: api.create()),
        ("viewer", lambda api, name: api.page(filter=m.TaskFilter(queues=["a-1", name]))),
        ("viewer", lambda api, name: api.queue(name)),
        ("operator", lambda api, name: api.update_queue(name, paused=True, max_running=-1)),
        ("operator", lambda api, name: api.cancel_batch(filter=m.TaskFilter(queues=[name]))),
        ("runner", lambda api, name: api.claim("a-1", name, max_tasks=-1)),
        ("runner", lambda api, _: api.claim()),
    ],
)
async def test_to_name_a_queue_of_others_is_refused_before_all_else_and_whether_or_not_it_exists(
    acting: Acting, root: Api, theirs: str, who: str, ask: Ask
) -> None:
    before = await refused(ask(acting(who), theirs))
    await root.create(theirs)
    assert before == await refused(ask(acting(who), theirs))
    assert before.kind == NOT_PERMITTED


async def test_to_cancel_by_filter_reaches_ones_own_queues_only(
    acting: Acting, root: Api, ours: str, theirs: str
) -> None:
    mine, other = [await root.create(queue, labels={"of": ours}) for queue in (ours, theirs)]
    wanted = m.TaskFilter(labels={"of": ours})
    producer = acting("producer")
    assert (await producer.cancel_batch(filter=wanted, validate_only=True)).count == 1
    counted = await producer.cancel_batch(ids=[mine.id, other.id], validate_only=True)
    assert counted.count == 1
    assert names((await producer.cancel_batch(filter=wanted)).id_statuses) == [mine.id]
    assert (await root.status(other.id)).status == m.STATUS_QUEUED


async def test_a_batch_by_ids_tells_nothing_of_others_tasks_nor_does_its_repeat(
    acting: Acting, root: Api, theirs: str
) -> None:
    ended = await root.create(theirs)
    (claim,) = await root.claim(theirs)
    await root.succeed(claim)
    request = {"ids": [ended.id], "request_id": str(uuid.uuid4())}
    first, again = [await acting("producer").cancel_batch(**request) for _ in range(2)]
    assert first == again
    (error,) = first.errors
    assert error.error.message == f"there is no task {ended.id}"


async def test_a_name_that_is_none_is_refused_at_once_and_not_repeated_at_length(
    channel: grpc.aio.Channel, issuer: Issuer
) -> None:
    """Held against a pattern with two stars, it would take minutes."""
    producer = api_of(channel, issuer.token("producer:*-eu-*"))
    refusal = await refused(producer.create("-eu-" * 50_000 + "!"))
    assert refusal.kind == NOT_PERMITTED
    assert len(str(refusal)) < 500


async def test_what_one_may_see_but_not_change_is_refused_as_such(
    channel: grpc.aio.Channel, issuer: Issuer, root: Api, ours: str, theirs: str
) -> None:
    mixed = api_of(channel, issuer.token(f"viewer:{theirs}", f"producer:{ours}"))
    mine, other = await root.create(ours), await root.create(theirs)
    assert (await mixed.status(other.id)).status == m.STATUS_QUEUED
    assert (await refused(mixed.cancel(other.id))).kind == NOT_PERMITTED
    assert (await refused(mixed.cancel_batch(ids=[mine.id, other.id]))).kind == NOT_PERMITTED
    assert (await mixed.cancel(mine.id)).status == m.STATUS_CANCELLED


async def test_the_holder_of_a_unique_key_is_told_to_those_only_who_may_see_it(
    acting: Acting, root: Api, ours: str, theirs: str
) -> None:
    producer = acting("producer")
    for queue, told in ((ours, True), (theirs, False)):
        key = f"key-{uuid.uuid4()}"
        holder = await root.create(queue, unique_key=key)
        refusal = await refused(producer.create(ours, unique_key=key))
        assert refusal.kind == ("ALREADY_EXISTS", "UNIQUE_KEY_HELD")
        assert (holder.id in str(refusal)) == told


async def test_a_request_id_is_its_callers_own(acting: Acting, root: Api, ours: str) -> None:
    request_id = str(uuid.uuid4())
    first, again, other = [
        await api.create(ours, request_id=request_id) for api in (root, root, acting("producer"))
    ]
    assert first.id == again.id != other.id


async def test_who_runs_tasks_may_report_on_those_it_holds_and_no_other(
    acting: Acting, root: Api, ours: str, theirs: str
) -> None:
    runner = acting("runner")
    await root.create_many(1, ours)
    await root.create_many(1, theirs)
    (held,), (other,) = await runner.claim(ours), await root.claim(theirs)
    (result,) = await runner.extend(lease(other))
    assert result.state == result.STATE_LOST
    (refusal,) = await runner.finish_all(report(other, success=m.Success()))
    assert isinstance(refusal, Refusal)
    assert refusal.kind == ("NOT_FOUND", "TASK_NOT_FOUND")
    (refusal,) = await runner.finish_all(report(held, token="guess", success=m.Success()))  # noqa: S106
    assert isinstance(refusal, Refusal)
    assert refusal.kind == ("FAILED_PRECONDITION", "LEASE_NOT_HELD")
    assert (await runner.succeed(held)).status == m.STATUS_SUCCESS
    assert (await root.status(other.task.id)).status == m.STATUS_RUNNING
