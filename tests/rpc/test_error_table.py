"""Every row of the error table: code, reason, domain, metadata."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from rpc.wire import Api, Refusal, copy, names, new, outcome, refused, report, seconds

from idstatus.v1 import runner_service_pb2 as r
from idstatus.v1 import task_pb2 as m
from idstatus.v1 import task_service_pb2 as t

UNKNOWN = "nobody-has-this-id"


def without_message(refusal: object) -> Refusal:
    assert isinstance(refusal, Refusal)
    assert all(value in refusal.message for value in refusal.metadata.values())
    return Refusal(refusal.code, refusal.reason, refusal.domain, refusal.metadata)


async def refused_with(call: Coroutine[Any, Any, Any]) -> Refusal:
    refusal = await refused(call)
    assert (refusal.violations, refusal.retry_after) == ({}, None)
    return without_message(refusal)


@pytest.mark.parametrize(
    "call",
    [
        lambda api: api.get(UNKNOWN),
        lambda api: api.status(UNKNOWN),
        lambda api: api.tasks.BatchGetIdStatuses(t.BatchGetIdStatusesRequest(ids=[UNKNOWN])),
        lambda api: api.cancel(UNKNOWN),
        lambda api: api.retry(UNKNOWN),
        lambda api: api.delete(UNKNOWN),
        lambda api: api.wait(UNKNOWN),
        lambda api: api.tasks.WatchTasks(t.WatchTasksRequest(ids=[UNKNOWN])).read(),
    ],
    ids=["get", "status", "batch-get", "cancel", "retry", "delete", "wait", "watch"],
)
async def test_an_unknown_task_is_not_found(
    api: Api, call: Callable[[Api], Coroutine[Any, Any, Any]]
) -> None:
    expected = Refusal("NOT_FOUND", "TASK_NOT_FOUND", metadata={"id": UNKNOWN})
    assert await refused_with(call(api)) == expected


async def test_an_unknown_task_is_not_found_within_a_batch(api: Api) -> None:
    expected = Refusal("NOT_FOUND", "TASK_NOT_FOUND", metadata={"id": UNKNOWN})
    (result,) = await api.finish_all(
        r.Report(id=UNKNOWN, lease_token="x", stopped=m.Stopped())  # noqa: S106
    )
    assert without_message(result) == expected


async def test_an_unknown_queue_is_not_found(api: Api, queue: str) -> None:
    expected = Refusal("NOT_FOUND", "QUEUE_NOT_FOUND", metadata={"queue": queue})
    assert await refused_with(api.queue(queue)) == expected
    assert await refused_with(api.update_queue(queue, paused=True)) == expected
    assert await refused_with(api.queue(queue)) == expected


async def test_a_chosen_id_is_used_once_ever(api: Api, queue: str) -> None:
    task = await api.create(queue, task_id=queue)
    expected = Refusal("ALREADY_EXISTS", "TASK_EXISTS", metadata={"id": queue})
    assert await refused_with(api.create(queue, task_id=queue)) == expected
    assert await refused_with(api.batch(new(queue), new(queue, task_id=queue))) == expected
    assert names(await api.every(filter=m.TaskFilter(queues=[queue]))) == [task.id]
    await api.cancel(task.id)
    assert await refused_with(api.create(queue, task_id=queue)) == expected
    await api.delete(task.id)
    assert await refused_with(api.create(queue, task_id=queue)) == expected


async def test_a_chosen_id_cannot_be_used_twice_in_one_batch(api: Api, queue: str) -> None:
    refusal = await refused_with(api.batch(new(queue, task_id=queue), new(queue, task_id=queue)))
    assert refusal == Refusal("ALREADY_EXISTS", "TASK_EXISTS", metadata={"id": queue})
    assert (await refused(api.get(queue))).reason == "TASK_NOT_FOUND"


async def test_a_unique_key_is_held_until_its_task_is_finished(api: Api, queue: str) -> None:
    first = await api.create(queue, unique_key=queue)
    expected = Refusal(
        "ALREADY_EXISTS", "UNIQUE_KEY_HELD", metadata={"unique_key": queue, "id": first.id}
    )
    assert await refused_with(api.create(queue + "-other", unique_key=queue)) == expected
    (claim,) = await api.claim(queue)
    assert await refused_with(api.batch(new(queue, unique_key=queue))) == expected
    await api.succeed(claim)
    second = await api.create(queue, unique_key=queue)
    refusal = await refused_with(api.create(queue, unique_key=queue))
    assert refusal.metadata == {"unique_key": queue, "id": second.id}


REUSES: dict[str, Callable[[Api, str], Coroutine[Any, Any, Any]]] = {
    "create": lambda api, key: api.create(key, priority=1, request_id=key),
    "batch-create": lambda api, key: api.batch(new(key), new(key), request_id=key),
    "item of a batch": lambda api, key: api.batch(new(key, priority=1, request_id=key)),
    "claim": lambda api, key: api.claim(key, max_tasks=2, request_id=key),
    "cancel": lambda api, key: api.cancel(UNKNOWN, request_id=key),
    "batch-cancel": lambda api, key: api.cancel_batch(ids=[UNKNOWN], request_id=key),
    "filter-cancel": lambda api, key: api.cancel_batch(
        filter=m.TaskFilter(queues=[key]), request_id=key
    ),
    "retry": lambda api, key: api.retry(UNKNOWN, request_id=key),
}


@pytest.mark.parametrize("again", REUSES.values(), ids=REUSES.keys())
async def test_a_request_id_goes_with_one_body_and_one_method(
    api: Api, queue: str, again: Callable[[Api, str], Coroutine[Any, Any, Any]]
) -> None:
    task = await api.create(queue, request_id=queue)
    expected = Refusal("ALREADY_EXISTS", "REQUEST_ID_REUSED", metadata={"request_id": queue})
    assert await refused_with(again(api, queue)) == expected
    assert names(await api.every(filter=m.TaskFilter(queues=[queue]))) == [task.id]
    assert (await api.get(task.id)).status == m.STATUS_QUEUED


async def test_each_method_refuses_another_body_under_its_own_request_id(
    api: Api, queue: str
) -> None:
    a, b, c, d, e, f = await api.create_many(6, queue)
    first: list[Coroutine[Any, Any, Any]] = [
        api.batch(new(queue), request_id=queue + "1"),
        api.claim(queue, request_id=queue + "2"),
        api.cancel(b.id, request_id=queue + "3"),
        api.cancel_batch(ids=[c.id], request_id=queue + "4"),
        api.cancel_batch(filter=m.TaskFilter(root_id=d.id), request_id=queue + "5"),
    ]
    for call in first:
        await call
    await api.retry(b.id, request_id=queue + "6")
    second: list[Coroutine[Any, Any, Any]] = [
        api.batch(new(queue), new(queue), request_id=queue + "1"),
        api.claim(queue, lease_duration=seconds(9), request_id=queue + "2"),
        api.cancel(b.id, message="other", request_id=queue + "3"),
        api.cancel_batch(ids=[c.id, e.id], request_id=queue + "4"),
        api.cancel_batch(filter=m.TaskFilter(root_id=e.id), request_id=queue + "5"),
        api.retry(c.id, request_id=queue + "6"),
    ]
    refusals = [await refused_with(call) for call in second]
    assert [refusal.reason for refusal in refusals] == ["REQUEST_ID_REUSED"] * 6
    statuses = [(await api.status(task.id)).status for task in (a, b, c, d, e, f)]
    running, cancelled, queued = m.STATUS_RUNNING, m.STATUS_CANCELLED, m.STATUS_QUEUED
    assert statuses == [running, cancelled, cancelled, cancelled, queued, queued]
    assert unretried(await api.get(c.id))


def unretried(task: m.Task) -> bool:
    return not task.retried_by


@pytest.mark.parametrize("ending", ["success", "error"])
async def test_a_finished_task_cannot_be_cancelled(api: Api, queue: str, ending: str) -> None:
    claim = await api.run_one(queue)
    await (api.succeed(claim) if ending == "success" else api.fail(claim))
    before = await api.get(claim.task.id)
    refusal = await refused_with(api.cancel(claim.task.id))
    assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "TASK_FINISHED")
    assert refusal.metadata["id"] == claim.task.id
    assert refusal.metadata["status"] == ending.upper()
    assert await api.get(claim.task.id) == before


async def test_a_report_on_a_task_that_never_ran_is_refused(api: Api, queue: str) -> None:
    queued = await api.create(queue)
    delayed = await api.create(queue, delay=seconds(3600))
    for task, status in ((queued, "QUEUED"), (delayed, "DELAYED")):
        (result,) = await api.finish_all(
            r.Report(id=task.id, lease_token="x", success=m.Success())  # noqa: S106
        )
        refusal = without_message(result)
        assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "TASK_NOT_RUNNING")
        assert (refusal.metadata["id"], refusal.metadata["status"]) == (task.id, status)
        assert (await api.status(task.id)).revision == task.revision


@pytest.mark.parametrize("status", ["DELAYED", "QUEUED", "RUNNING"])
async def test_an_unfinished_task_is_neither_retried_nor_deleted(
    api: Api, queue: str, status: str
) -> None:
    task = await api.create(queue, delay=seconds(3600) if status == "DELAYED" else None)
    if status == "RUNNING":
        await api.claim(queue)
    before = await api.get(task.id)
    for call in (api.retry(task.id), api.delete(task.id)):
        refusal = await refused_with(call)
        assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "TASK_NOT_FINISHED")
        assert (refusal.metadata["id"], refusal.metadata["status"]) == (task.id, status)
    assert await api.get(task.id) == before


async def test_work_that_nobody_cancelled_cannot_be_reported_as_stopped(
    api: Api, queue: str
) -> None:
    claim = await api.run_one(queue)
    refusal = without_message(await api.finish(claim, stopped=m.Stopped()))
    assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "TASK_NOT_FINISHED")
    assert (await api.status(claim.task.id)).revision == claim.task.revision


async def test_a_task_is_retried_once(api: Api, queue: str) -> None:
    task = await api.create(queue)
    await api.cancel(task.id)
    retry = await api.retry(task.id)
    expected = Refusal(
        "FAILED_PRECONDITION",
        "TASK_ALREADY_RETRIED",
        metadata={"id": task.id, "retried_by": retry.id},
    )
    assert await refused_with(api.retry(task.id)) == expected
    await api.cancel(retry.id)
    assert await refused_with(api.retry(task.id)) == expected


@pytest.mark.parametrize("token", ["", "x", "another's"])
async def test_only_the_holder_of_the_lease_can_report(api: Api, queue: str, token: str) -> None:
    claim = await api.run_one(queue)
    if token == "another's":  # noqa: S105
        token = (await api.run_one(queue + "-other")).lease_token
    (result,) = await api.finish_all(report(claim, token=token, success=m.Success()))
    expected = Refusal("FAILED_PRECONDITION", "LEASE_NOT_HELD", metadata={"id": claim.task.id})
    assert without_message(result) == expected
    assert (await api.status(claim.task.id)).revision == claim.task.revision
    await api.succeed(claim)


async def test_a_foreign_token_is_refused_after_the_end_and_keeps_no_late_report(
    api: Api, queue: str
) -> None:
    claim = await api.run_one(queue)
    await api.cancel(claim.task.id)
    (result,) = await api.finish_all(report(claim, token="x", success=m.Success()))  # noqa: S106
    assert without_message(result).reason == "LEASE_NOT_HELD"
    assert not (await api.get(claim.task.id)).HasField("late_report")


async def test_every_fault_of_a_request_is_told_at_once(api: Api, queue: str) -> None:
    refusal = await refused(
        api.create(
            "Upper",
            priority=10,
            content_type="c" * 256,
            labels={"": "", "k": "v" * 256},
            unique_key="u" * 256,
            timeout=seconds(0.5),
            retry_policy=m.RetryPolicy(max_retries=26, backoff_multiplier=0.5),
            task_id="no spaces",
            request_id="a/b",
        )
    )
    assert refusal.kind == ("INVALID_ARGUMENT", "INVALID_FIELD")
    assert sorted(refusal.fields) == [
        "content_type",
        "labels",
        "labels[k]",
        "priority",
        "queue",
        "request_id",
        "retry_policy.backoff_multiplier",
        "retry_policy.max_retries",
        "task_id",
        "timeout",
        "unique_key",
    ]
    good = new(queue)
    bad = copy(good, priority=-1)
    refusal = await refused(api.batch(good, bad, good, bad))
    assert refusal.fields == ["requests[1].priority", "requests[3].priority"]
    assert await api.every(filter=m.TaskFilter(queues=[queue])) == []


@pytest.mark.parametrize("count", [10, 50, 1000])
async def test_a_refusal_arrives_however_many_faults_there_are(
    api: Api, queue: str, count: int
) -> None:
    refusal = await outcome(api.batch(*[new(queue, priority=10)] * count))
    assert refusal.kind == ("INVALID_ARGUMENT", "INVALID_FIELD")
    assert refusal.fields[:2] == ["requests[0].priority", "requests[1].priority"]


async def test_a_refusal_arrives_whatever_it_has_to_quote(api: Api, queue: str) -> None:
    wide = "\U0001f600"  # four bytes, twelve in a header
    too_long = {f"{i:02}" + wide * 61: "v" * 256 for i in range(32)}
    too_wide = {f"{i:02}" + wide * 78: "" for i in range(32)}
    await api.create(queue, unique_key=wide * 243 + queue[:12])
    for _ in range(10):  # what is too large is thrown away by chance
        refusals = [
            await outcome(api.create(queue, labels=too_long)),
            await outcome(api.batch(*[new(queue, labels=too_wide)] * 100)),
            await outcome(api.create(queue, unique_key=wide * 243 + queue[:12])),
        ]
        reasons = [refusal.reason for refusal in refusals]
        assert reasons == ["INVALID_FIELD", "INVALID_FIELD", "UNIQUE_KEY_HELD"]
