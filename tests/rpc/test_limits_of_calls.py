"""Each limit of the calls on tasks: at its edge, and one past it."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from rpc.wire import Api, Refusal, lease, micros, names, outcome, refused, report, seconds, span

from idstatus.v1 import queue_service_pb2 as q
from idstatus.v1 import runner_service_pb2 as r
from idstatus.v1 import task_pb2 as m
from idstatus.v1 import task_service_pb2 as t

KIB_256 = 256 * 1024
UNKNOWN_VIEW: dict[str, Any] = {"view": 5}
Call = Callable[[Api, str], Coroutine[Any, Any, Any]]


def listing(**fields: Any) -> Call:
    return lambda api, _: api.page(**fields)


def filtering(**fields: Any) -> Call:
    return lambda api, _: api.page(filter=m.TaskFilter(**fields))


def claiming(**fields: Any) -> Call:
    return lambda api, queue: api.claim(*fields.pop("queues", [queue]), **dict(fields))


def ids(count: int) -> list[str]:
    return ["no-such-task"] * count


def queueing(**fields: Any) -> Call:
    return lambda api, _: api.queues.ListQueues(q.ListQueuesRequest(**fields))


BAD: list[tuple[str, Call]] = [
    ("page_size", listing(page_size=-1)),
    ("page_size", listing(page_size=-(2**31))),
    ("order", listing(order=3)),
    ("order", listing(order=-1)),
    ("view", listing(view=4)),
    ("filter.statuses", filtering(statuses=[7])),
    ("filter.statuses", filtering(statuses=[m.STATUS_UNSPECIFIED])),
    ("filter.statuses", filtering(statuses=[-1])),
    ("filter.statuses", filtering(statuses=[m.STATUS_QUEUED] * 1001)),
    ("filter.queues", filtering(queues=["ok", "Not ok"])),
    ("filter.queues", filtering(queues=["ok"] * 1001)),
    ("filter.root_id", filtering(root_id="a/b")),
    ("filter.labels", filtering(labels={"": "x"})),
    ("filter.labels", filtering(labels={"k" * 64: "x"})),
    ("filter.labels", filtering(labels={f"k{n}": "x" for n in range(33)})),
    ("filter.labels[k]", filtering(labels={"k": "x" * 256})),
    ("filter.create_time.start", filtering(create_time=m.TimeRange(start=Timestamp(nanos=-1)))),
    ("filter.create_time.end", filtering(create_time=m.TimeRange(end=Timestamp(seconds=2**60)))),
    ("page_size", queueing(page_size=-1)),
    ("view", lambda api, _: api.get("x", 9)),
    ("view", lambda api, _: api.wait("x", 0, -1)),
    ("view", lambda api, _: api.tasks.WatchTasks(t.WatchTasksRequest(**UNKNOWN_VIEW)).read()),
    ("wait", lambda api, _: api.wait("x", -1)),
    ("delay", lambda api, _: api.retry("x", delay=seconds(-1))),
    ("delay", lambda api, _: api.retry("x", delay=seconds(365 * 86400 + 1))),
    ("message", lambda api, _: api.cancel("x", message="m" * 4097)),
    ("message", lambda api, _: api.cancel_batch(ids=["x"], message="m" * 4097)),
    ("ids", lambda api, _: api.cancel_batch(ids=ids(1001))),
    ("filter", lambda api, _: api.cancel_batch()),
    ("filter", lambda api, _: api.cancel_batch(ids=["x"], filter=m.TaskFilter())),
    ("ids", lambda api, _: api.tasks.BatchGetIdStatuses(t.BatchGetIdStatusesRequest())),
    (
        "ids",
        lambda api, _: api.tasks.BatchGetIdStatuses(t.BatchGetIdStatusesRequest(ids=ids(1001))),
    ),
    ("ids", lambda api, _: api.tasks.WatchTasks(t.WatchTasksRequest(ids=ids(1001))).read()),
    ("queues", claiming(queues=["q"] * 101)),
    ("queues[1]", claiming(queues=["q", "Q"])),
    ("queues[0]", claiming(queues=[""])),
    ("max_tasks", claiming(max_tasks=-1)),
    ("max_tasks", claiming(max_tasks=1001)),
    ("wait", claiming(wait=-1)),
    ("lease_duration", claiming(lease_duration=seconds(0))),
    ("lease_duration", claiming(lease_duration=seconds(0.999))),
    ("lease_duration", claiming(lease_duration=seconds(3600.001))),
    ("lease_duration", claiming(lease_duration=Duration(nanos=2**31 - 1))),
    ("runner", claiming(runner="r" * 256)),
    ("request_id", claiming(request_id="r" * 129)),
    ("leases", lambda api, _: api.extend()),
    ("leases", lambda api, _: api.extend(*[r.Lease(id="x")] * 1001)),
    ("leases[1].id", lambda api, _: api.extend(r.Lease(id="x"), r.Lease(id=""))),
    ("reports", lambda api, _: api.finish_all()),
    ("reports", lambda api, _: api.finish_all(*[r.Report(id="x")] * 1001)),
]


@pytest.mark.parametrize(("field", "call"), BAD, ids=[f"{i}-{f}" for i, (f, _) in enumerate(BAD)])
async def test_a_bad_field_is_refused_by_its_name(
    api: Api, queue: str, field: str, call: Call
) -> None:
    refusal = await refused(call(api, queue))
    assert (*refusal.kind, refusal.fields) == ("INVALID_ARGUMENT", "INVALID_FIELD", [field])


PROGRESS: list[tuple[list[str], dict[str, Any]]] = [
    ([], {"fraction": 0.0}),
    ([], {"fraction": 1.0, "message": "m" * 1024}),
    (["fraction"], {"fraction": -0.001}),
    (["fraction"], {"fraction": 1.001}),
    (["fraction"], {"fraction": float("nan")}),
    (["fraction"], {"fraction": float("inf")}),
    (["message"], {"message": "m" * 1025}),
    (["fraction", "message"], {"fraction": 2.0, "message": "m" * 1025}),
]


@pytest.mark.parametrize(("faults", "fields"), PROGRESS)
async def test_progress_has_bounds(
    api: Api, queue: str, faults: list[str], fields: dict[str, Any]
) -> None:
    claim = await api.run_one(queue)
    told = await outcome(api.extend(lease(claim, progress=m.Progress(**fields))))
    if faults:
        assert told.fields == [f"leases[0].progress.{fault}" for fault in faults]
        assert not (await api.get(claim.task.id)).HasField("progress")
    else:
        assert (await api.get(claim.task.id)).progress == m.Progress(**fields)


FAILURES: list[tuple[list[str], dict[str, Any]]] = [
    ([], {"reason": m.REASON_TIMEOUT}),
    ([], {"reason": m.REASON_KILLED, "signal": 9, "message": "m" * 4096}),
    ([], {"reason": m.REASON_BAD_EXIT, "exit_code": -(2**31)}),
    (["reason"], {}),
    (["reason"], {"reason": m.REASON_CLIENT_REQUEST}),
    (["reason"], {"reason": 77}),
    (["message"], {"reason": m.REASON_KILLED, "message": "m" * 4097}),
]


@pytest.mark.parametrize(("faults", "fields"), FAILURES)
async def test_a_failure_has_one_of_three_reasons(
    api: Api, queue: str, faults: list[str], fields: dict[str, Any]
) -> None:
    claim = await api.run_one(queue)
    told = await outcome(api.finish(claim, error=m.Failure(**fields)))
    if faults:
        assert told.fields == [f"reports[0].error.{fault}" for fault in faults]
        assert (await api.status(claim.task.id)).status == m.STATUS_RUNNING
    else:
        assert told.reason == fields["reason"]
        task = await api.get(claim.task.id)
        assert m.Failure(
            reason=task.reason,
            message=task.message,
            exit_code=task.exit_code if task.HasField("exit_code") else None,
            signal=task.signal if task.HasField("signal") else None,
        ) == m.Failure(**fields)


async def test_a_bad_report_is_refused_alone(api: Api, queue: str) -> None:
    claim = await api.run_one(queue)
    bad = [
        r.Report(stopped=m.Stopped()),
        r.Report(id="a b", stopped=m.Stopped()),
        r.Report(id=claim.task.id, lease_token=claim.lease_token),
        report(claim, error=m.Failure(reason=m.REASON_CLIENT_REQUEST, message="m" * 4097)),
    ]
    *refusals, done = await api.finish_all(*bad, report(claim, success=m.Success()))
    assert [(*one.kind, one.fields) for one in refusals if isinstance(one, Refusal)] == [
        ("INVALID_ARGUMENT", "INVALID_FIELD", fields)
        for fields in (
            ["reports[0].id"],
            ["reports[1].id"],
            ["reports[2].outcome"],
            ["reports[3].error.reason", "reports[3].error.message"],
        )
    ]
    assert done == await api.status(claim.task.id)
    (alone,) = await api.finish_all(bad[0])
    assert alone == refusals[0]


async def test_a_result_may_have_256_kib(api: Api, queue: str) -> None:
    claim = await api.run_one(queue)
    refusal = await outcome(api.finish(claim, success=m.Success(result=b"r" * (KIB_256 + 1))))
    assert refusal.fields == ["reports[0].success.result"]
    await api.succeed(claim, b"r" * KIB_256)
    assert (await api.get(claim.task.id)).result == b"r" * KIB_256


@pytest.mark.parametrize("duration", [1.0, 3600.0])
async def test_a_lease_lasts_a_second_to_an_hour(api: Api, queue: str, duration: float) -> None:
    claim = await api.run_one(queue, lease=duration)
    lasts = micros(claim.lease_expire_time) - micros(claim.task.start_time)
    assert lasts == duration * 1_000_000
    (result,) = await api.extend(lease(claim, lease_duration=seconds(duration)))
    assert result.state == r.LeaseResult.STATE_EXTENDED
    for bad in (0.999, 3600.001, 0.0, -1.0):
        refusal = await outcome(api.extend(lease(claim, lease_duration=seconds(bad))))
        assert refusal.fields == ["leases[0].lease_duration"]
    await api.succeed(claim)


async def test_a_lease_lasts_30_seconds_by_default(api: Api, queue: str) -> None:
    await api.create(queue)
    (claim,) = await api.claim(queue)
    lasts = micros(claim.lease_expire_time) - micros(claim.task.start_time)
    assert lasts == 30_000_000


async def test_a_claim_takes_one_task_by_default_and_1000_at_most(api: Api, queue: str) -> None:
    await api.create_many(1000, queue)
    await api.create_many(2, queue)
    assert len(await api.claim(queue)) == 1
    claims = await api.claim(queue, max_tasks=1000)
    assert len(claims) == 1000
    results = await api.finish_all(*(report(claim, success=m.Success()) for claim in claims))
    assert {type(result) for result in results} == {m.IdStatus}
    assert names(results) == names(claims)
    assert len(await api.claim(*[queue] * 100, max_tasks=1000)) == 1


async def test_a_wait_that_is_too_long_is_lowered(api: Api, queue: str) -> None:
    task = await api.create(queue)
    assert names(await api.claim(queue, wait=3600)) == [task.id]
    later = await api.create(queue)
    longest = Duration(seconds=315_576_000_000)
    assert names(await api.claim(queue, wait=span(longest))) == [later.id]


async def test_a_wait_for_a_task_that_is_too_long_is_lowered(api: Api, queue: str) -> None:
    task = await api.create(queue)
    await api.cancel(task.id)
    assert (await api.wait(task.id, 10.0**9)).status == m.STATUS_CANCELLED


async def test_pages_have_50_tasks_by_default_and_1000_at_most(api: Api, queue: str) -> None:
    await api.create_many(1000, queue)
    await api.create_many(1, queue)
    wanted = m.TaskFilter(queues=[queue])
    sizes = {0: 50, 1: 1, 1000: 1000, 1001: 1000, 5000: 1000, 2**31 - 1: 1000}
    for size, expected in sizes.items():
        page = await api.page(filter=wanted, page_size=size)
        assert (size, len(page.tasks)) == (size, expected)
        assert page.next_page_token


async def test_claims_always_fit_in_one_answer(api: Api, queue: str) -> None:
    labels = {f"{i:02}" + "\U0001f600" * 61: "\U0001f600" * 255 for i in range(32)}
    for _ in range(6):
        await api.create_many(50, queue, labels=labels)
    claims = await outcome(api.claim(queue, max_tasks=1000))
    assert isinstance(claims, list), claims
    assert claims


async def test_claims_with_large_payloads_come_in_part(api: Api, queue: str) -> None:
    for _ in range(4):
        await api.create_many(5, queue, payload=b"p" * KIB_256)
    claims = await api.claim(queue, max_tasks=1000)
    assert 10 <= len(claims) < 20
    assert {len(claim.task.payload) for claim in claims} == {KIB_256}
    assert len(await api.claim(queue, max_tasks=1000)) == 20 - len(claims)
