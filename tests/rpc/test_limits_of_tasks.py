"""Each limit of a new task: at its edge, and one past it."""

import time
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from rpc.wire import Api, instant, new, outcome, refused, seconds, span

from harness import ServerProcess
from idstatus.v1 import task_pb2 as m
from idstatus.v1 import task_service_pb2 as t

DAY = 86_400.0
YEAR = 365 * DAY
KIB_256 = 256 * 1024
NAN, INF = float("nan"), float("inf")


def policy(**fields: Any) -> dict[str, Any]:
    return {"retry_policy": m.RetryPolicy(**fields)}


GOOD: list[dict[str, Any]] = [
    {"queue": "q"},
    {"queue": "a-z_0.9" + "q" * 57},
    {"payload": b"p" * KIB_256},
    {"content_type": "c" * 255},
    {"content_type": "ü" * 255},
    {"priority": 0},
    {"priority": 9},
    {"labels": {f"k{i}": "" for i in range(32)}},
    {"labels": {"k" * 63: "v" * 255}},
    {"labels": {"ключ/with any: character": "✓" * 255}},
    {"delay": seconds(0)},
    {"delay": seconds(YEAR)},
    {"run_time": instant(0)},
    {"run_time": instant(-DAY)},
    {"run_time": Timestamp(seconds=-62_135_596_800)},
    {"timeout": seconds(1)},
    {"timeout": seconds(30 * DAY)},
    policy(max_retries=0),
    policy(max_retries=25),
    policy(retry_delay=seconds(0)),
    policy(retry_delay=seconds(YEAR)),
    policy(backoff_multiplier=1),
    policy(backoff_multiplier=100),
    policy(max_retry_delay=seconds(0)),
    policy(max_retry_delay=seconds(YEAR)),
    policy(retryable_reasons=[m.REASON_TIMEOUT, m.REASON_KILLED, m.REASON_BAD_EXIT]),
]

BAD: list[tuple[str, dict[str, Any]]] = [
    ("queue", {"queue": "q" * 65}),
    ("queue", {"queue": "Q"}),
    ("queue", {"queue": "a b"}),
    ("queue", {"queue": "a/b"}),
    ("queue", {"queue": "a\n"}),
    ("queue", {"queue": "ü"}),
    ("queue", {"queue": "q~"}),
    ("payload", {"payload": b"p" * (KIB_256 + 1)}),
    ("content_type", {"content_type": "c" * 256}),
    ("content_type", {"content_type": "a\0b"}),
    ("priority", {"priority": -1}),
    ("priority", {"priority": 10}),
    ("labels", {"labels": {f"k{i}": "" for i in range(33)}}),
    ("labels", {"labels": {"k" * 64: "v"}}),
    ("labels", {"labels": {"k" * 400: "v"}}),
    ("labels", {"labels": {"": "v"}}),
    ("labels[k]", {"labels": {"k": "v" * 256}}),
    ("unique_key", {"unique_key": "u" * 256}),
    ("delay", {"delay": seconds(-1)}),
    ("delay", {"delay": Duration(seconds=int(YEAR) + 1)}),
    ("delay", {"delay": Duration(seconds=int(YEAR), nanos=1000)}),
    ("delay", {"delay": Duration(nanos=1_000_000_000)}),
    ("delay", {"delay": Duration(nanos=-1_000_000_000)}),
    ("delay", {"delay": Duration(seconds=315_576_000_001)}),
    ("delay", {"delay": Duration(seconds=2**62)}),
    ("delay", {"delay": Duration(seconds=-(2**63))}),
    ("run_time", {"run_time": Timestamp(seconds=253_402_300_799)}),
    ("run_time", {"run_time": Timestamp(seconds=253_402_300_800)}),
    ("run_time", {"run_time": Timestamp(seconds=-62_135_596_801)}),
    ("run_time", {"run_time": Timestamp(nanos=-1)}),
    ("run_time", {"run_time": Timestamp(nanos=1_000_000_000)}),
    ("run_time", {"run_time": Timestamp(seconds=2**63 - 1)}),
    ("timeout", {"timeout": seconds(0)}),
    ("timeout", {"timeout": seconds(0.999)}),
    ("timeout", {"timeout": seconds(-5)}),
    ("timeout", {"timeout": Duration(seconds=30 * 86_400, nanos=1000)}),
    ("timeout", {"timeout": Duration(seconds=2**63 - 1)}),
    ("timeout", {"timeout": Duration(seconds=5, nanos=-1)}),  # signs must agree
    ("timeout", {"timeout": Duration(seconds=5, nanos=2**31 - 1)}),
    ("retry_policy.max_retries", policy(max_retries=-1)),
    ("retry_policy.max_retries", policy(max_retries=26)),
    ("retry_policy.retry_delay", policy(retry_delay=seconds(-0.001))),
    ("retry_policy.retry_delay", policy(retry_delay=seconds(YEAR + 1))),
    ("retry_policy.max_retry_delay", policy(max_retry_delay=seconds(-1))),
    ("retry_policy.max_retry_delay", policy(max_retry_delay=seconds(YEAR + 1))),
    ("retry_policy.backoff_multiplier", policy(backoff_multiplier=0.5)),
    ("retry_policy.backoff_multiplier", policy(backoff_multiplier=-1)),
    ("retry_policy.backoff_multiplier", policy(backoff_multiplier=100.001)),
    ("retry_policy.backoff_multiplier", policy(backoff_multiplier=NAN)),
    ("retry_policy.backoff_multiplier", policy(backoff_multiplier=INF)),
    ("retry_policy.backoff_multiplier", policy(backoff_multiplier=-INF)),
    ("retry_policy.retryable_reasons", policy(retryable_reasons=[m.REASON_CLIENT_REQUEST])),
    ("retry_policy.retryable_reasons", policy(retryable_reasons=[m.REASON_UNSPECIFIED])),
    ("retry_policy.retryable_reasons", policy(retryable_reasons=[99])),
    ("retry_policy.retryable_reasons", policy(retryable_reasons=[-1])),
]

IDS = ["a", "A" * 128, "~._-09azAZ"]
NO_IDS = ["A" * 129, "a b", "a/b", "a\n", "ü", "a:b", "\0", "a+b", "*"]


def brief(value: object) -> str:
    return repr(value).replace("\n", " ")[:60]


@pytest.mark.parametrize("fields", GOOD, ids=brief)
async def test_at_its_edge_a_value_is_taken(api: Api, queue: str, fields: dict[str, Any]) -> None:
    task = await api.create(**{"queue": queue, **fields})
    kept = await api.get(task.id)
    for name, value in fields.items():
        if name not in {"delay", "retry_policy", "run_time"}:
            assert getattr(kept, name) == value
    await api.cancel(task.id)


@pytest.mark.parametrize(("field", "fields"), BAD, ids=brief)
async def test_past_its_edge_a_value_is_refused_by_its_name(
    api: Api, queue: str, field: str, fields: dict[str, Any]
) -> None:
    refusal = await refused(api.create(**{"queue": queue, **fields}))
    assert (*refusal.kind, refusal.fields) == ("INVALID_ARGUMENT", "INVALID_FIELD", [field])
    in_batch = await refused(api.batch(new(queue), new(**{"queue": queue, **fields})))
    assert in_batch.fields == [f"requests[1].{field}"]


async def test_a_run_time_lies_at_most_a_year_ahead(api: Api, queue: str) -> None:
    soon, late = instant(time.time() + YEAR - 60), instant(time.time() + YEAR + 60)
    assert (await api.create(queue, run_time=soon)).run_time.seconds == soon.seconds
    assert (await refused(api.create(queue, run_time=late))).fields == ["run_time"]


async def test_an_id_may_have_128_characters_of_its_alphabet(api: Api, queue: str) -> None:
    for task_id in IDS:
        chosen = task_id[: 128 - len(queue)] + queue if len(task_id) > 1 else task_id
        assert (await api.create(queue, task_id=chosen)).id == chosen
        assert (await api.status(chosen)).id == chosen


@pytest.mark.parametrize("bad", NO_IDS, ids=brief)
async def test_a_bad_id_is_refused_wherever_it_stands(api: Api, queue: str, bad: str) -> None:
    calls = {
        "task_id": api.create(queue, task_id=bad),
        "request_id": api.create(queue, request_id=bad),
        "requests[0].task_id": api.batch(new(queue, task_id=bad)),
        "requests[0].request_id": api.batch(new(queue, request_id=bad)),
    }
    for field, call in calls.items():
        assert (await refused(call)).fields == [field]
    named = [api.get(bad), api.status(bad), api.cancel(bad), api.retry(bad), api.delete(bad)]
    for call in (*named, api.wait(bad)):
        assert (await refused(call)).fields == ["id"]
    listed = [
        api.tasks.BatchGetIdStatuses(t.BatchGetIdStatusesRequest(ids=["a", bad])),
        api.cancel_batch(ids=["a", bad]),
        api.tasks.WatchTasks(t.WatchTasksRequest(ids=["a", bad])).read(),
    ]
    for call in listed:
        assert (await refused(call)).fields == ["ids[1]"]


async def test_an_empty_id_names_no_task(api: Api) -> None:
    for call in (api.get(""), api.status(""), api.cancel(""), api.retry(""), api.delete("")):
        assert (await refused(call)).fields == ["id"]


async def test_what_is_left_out_has_its_default(api: Api) -> None:
    task = await api.create(payload=b"x")
    assert (task.queue, task.priority, span(task.timeout)) == ("default", 0, 60.0)
    assert (task.retries_left, task.HasField("retry_policy")) == (0, False)
    assert not task.HasField("run_time")
    retried = (await api.create(**policy(max_retries=1))).retry_policy
    assert (span(retried.retry_delay), retried.backoff_multiplier) == (60.0, 1.0)
    assert not retried.HasField("max_retry_delay")
    await api.cancel_batch(filter=m.TaskFilter(queues=["default"]))


async def test_a_request_id_has_the_limits_of_an_id(api: Api, queue: str) -> None:
    longest = (queue + "~" * 128)[:128]
    first = await api.create(queue, request_id=longest)
    assert await api.create(queue, request_id=longest) == first


@pytest.mark.parametrize("count", [1, 1000])
async def test_a_batch_of_any_size_within_bounds_is_created(
    api: Api, queue: str, count: int
) -> None:
    tasks = await api.create_many(count, queue)
    assert len({task.id for task in tasks}) == count
    first = tasks[0].revision
    assert [task.revision for task in tasks] == list(range(first, first + count))


@pytest.mark.parametrize("count", [0, 1001])
async def test_a_batch_out_of_bounds_is_refused(api: Api, queue: str, count: int) -> None:
    assert (await refused(api.create_many(count, queue))).fields == ["requests"]


async def test_the_largest_tasks_allowed_come_back_in_one_answer(api: Api, queue: str) -> None:
    labels = {f"{i:02}" + "k" * 61: "v" * 255 for i in range(32)}
    tasks = await outcome(api.create_many(1000, queue, labels=labels))
    assert isinstance(tasks, list), tasks
    assert len(tasks) == 1000


async def test_an_operator_can_set_the_limits(server: ServerProcess, queue: str) -> None:
    server.kill()
    server.start(
        *("--max-payload-bytes", "10", "--max-labels", "1", "--max-batch", "2"),
        *("--max-delay", "1h", "--max-timeout", "2m"),
    )
    async with Api.at(server.address) as api:
        hour, long = seconds(3600), seconds(120)
        await api.create(queue, payload=b"p" * 10, labels={"a": ""}, delay=hour, timeout=long)
        await api.create_many(2, queue)
        assert len((await api.page(page_size=5)).tasks) == 2
        refusal = await refused(
            api.create(
                queue,
                payload=b"p" * 11,
                labels={"a": "", "b": ""},
                delay=seconds(3601),
                timeout=seconds(121),
            )
        )
        assert sorted(refusal.fields) == ["delay", "labels", "payload", "timeout"]
        assert (await refused(api.create_many(3, queue))).fields == ["requests"]
