"""Each metric moves when it should, and by as much."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from metrics.seen import Metrics, WatchedServer
from metrics.traffic import expires_and_is_cancelled, given_up, succeeds_and_fails
from rpc.wire import Api, copy, lease, new, refused
from waiting import until

from idstatus.v1 import task_pb2 as m
from idstatus.v1 import task_service_pb2 as t

TASKS = "idstatus.v1.TaskService"


@pytest.fixture(scope="module")
def server(busy: WatchedServer) -> WatchedServer:
    return busy


@pytest.fixture
async def api(server: WatchedServer) -> AsyncIterator[Api]:
    async with Api.at(server.address) as api:
        yield api


class Grown:
    """By how much metrics have grown since it was made."""

    def __init__(self, server: WatchedServer) -> None:
        self.server = server
        self.before = server.metrics()

    def by(self, name: str, **labels: str) -> float:
        return _now(self.server.metrics(), name, labels) - _now(self.before, name, labels)


def _now(metrics: Metrics, name: str, labels: dict[str, str]) -> float:
    return sum(sample.value for sample in metrics.samples(name, labels))


def ended(grown: Grown, method: str, status: str) -> float:
    name = "grpc_server_call_duration_seconds_count"
    return grown.by(name, grpc_method=method, grpc_status=status)


async def test_calls_count_when_they_begin_and_by_how_they_end(
    server: WatchedServer, api: Api, queue: str
) -> None:
    grown = Grown(server)
    await api.create(queue)
    await refused(api.get("there-is-none"))
    await refused(api.raw(f"{TASKS}/NoSuchMethod", b""))
    await refused(api.raw(f"{TASKS}/GetTask", b"\xff"))
    await given_up(api, queue)
    assert grown.by("grpc_server_call_started_total", grpc_method=f"{TASKS}/CreateTask") == 2
    assert ended(grown, f"{TASKS}/CreateTask", "OK") == 2
    assert ended(grown, f"{TASKS}/GetTask", "NOT_FOUND") == 1
    assert ended(grown, f"{TASKS}/GetTask", "INVALID_ARGUMENT") == 1
    assert ended(grown, "other", "UNIMPLEMENTED") == 1
    await asyncio.to_thread(until, lambda: ended(grown, f"{TASKS}/WaitTask", "CANCELLED") == 1)
    late = f"{TASKS}/WatchTasks", "DEADLINE_EXCEEDED"
    await asyncio.to_thread(until, lambda: ended(grown, *late) == 1)
    assert grown.by("idstatus_refusals_total", reason="TASK_NOT_FOUND") == 1


async def test_what_tools_ask_for_counts_too(server: WatchedServer) -> None:
    grown = Grown(server)
    async with grpc.aio.insecure_channel(server.address) as channel:
        api = Api(channel)
        await api.raw("grpc.health.v1.Health/Check", b"")
        await api.raw("grpc.channelz.v1.Channelz/GetServers", b"")
        await refused(api.raw("grpc.channelz.v1.Channelz/GetServer", b"\x08\x63"))
        await api.raw("google.longrunning.Operations/ListOperations", b"\x22\x05tasks")
    assert ended(grown, "grpc.health.v1.Health/Check", "OK") == 1
    assert ended(grown, "grpc.channelz.v1.Channelz/GetServers", "OK") == 1
    assert ended(grown, "grpc.channelz.v1.Channelz/GetServer", "NOT_FOUND") == 1


async def test_the_lives_of_tasks_are_counted_and_measured(
    server: WatchedServer, api: Api, queue: str
) -> None:
    grown = Grown(server)
    await succeeds_and_fails(api, queue)
    await expires_and_is_cancelled(api, queue)

    def moved(source: str, to: str, reason: str = "none") -> float:
        labels = {"from": source, "to": to, "reason": reason}
        return grown.by("idstatus_task_transitions_total", **labels)

    assert moved("none", "queued") == 3
    assert moved("none", "delayed") == moved("delayed", "queued") == 1
    assert moved("queued", "running") == 3
    assert moved("running", "success") == moved("running", "error", "bad_exit") == 1
    assert moved("running", "error", "timeout") == 1
    assert moved("queued", "cancelled", "client_request") == 1
    assert grown.by("idstatus_task_wait_seconds_count") == 3
    assert grown.by("idstatus_task_run_seconds_count") == 3
    assert 1 <= grown.by("idstatus_task_run_seconds_sum") < 10
    for timer in ("due", "expire"):
        assert grown.by("idstatus_timer_lateness_seconds_count", timer=timer) == 1
        assert 0 <= grown.by("idstatus_timer_lateness_seconds_sum", timer=timer) < 5


async def test_a_commit_tells_what_it_gathered(server: WatchedServer, api: Api, queue: str) -> None:
    grown = Grown(server)
    await api.batch(*[new(queue)] * 7)
    assert grown.by("idstatus_commit_changes_sum") == 7
    assert grown.by("idstatus_commit_commands_sum") == 1
    assert grown.by("idstatus_commit_duration_seconds_count") == 1


async def test_leases_are_counted_by_what_became_of_them(
    server: WatchedServer, api: Api, queue: str
) -> None:
    held, cancelled = await api.run_one(queue), await api.run_one(queue)
    await api.cancel(cancelled.task.id)
    grown = Grown(server)
    await api.extend(lease(held), lease(cancelled), copy(lease(held), id="there-is-none"))
    for state in ("extended", "cancelled", "lost"):
        assert grown.by("idstatus_leases_total", state=state) == 1
    # To extend a lease is no change, but it is written.
    assert grown.by("idstatus_commit_duration_seconds_count") == 1
    assert grown.by("idstatus_commit_changes_sum") == 0
    await api.succeed(held)


def test_the_event_loop_has_a_pulse(server: WatchedServer) -> None:
    server.shows(lambda metrics: metrics.value("idstatus_event_loop_lag_seconds_count") > 0)


async def test_the_store_is_told_of_as_it_was_within_5_s(
    server: WatchedServer, api: Api, queue: str
) -> None:
    before = server.metrics().value("idstatus_log_revision")
    await api.create_many(3, queue)
    (claim,) = await api.claim(queue)
    await api.update_queue(queue, paused=True)
    metrics = server.shows(lambda metrics: metrics.samples("idstatus_tasks", {"queue": queue}))
    assert metrics.value("idstatus_tasks", queue=queue, status="queued") == 2
    assert metrics.value("idstatus_tasks", queue=queue, status="running") == 1
    assert metrics.value("idstatus_queue_paused", queue=queue) == 1
    assert 0 < metrics.value("idstatus_queue_oldest_queued_age_seconds", queue=queue) < 15
    assert metrics.value("idstatus_log_revision") >= before + 4
    assert metrics.value("idstatus_store_up") == metrics.value("idstatus_ready") == 1
    await api.succeed(claim)  # so that it does not expire amid another test


async def test_watchers_and_streams_are_counted_while_they_last(
    server: WatchedServer, api: Api, queue: str
) -> None:
    def live(metrics: Metrics) -> tuple[float, float]:
        return (
            metrics.value("idstatus_watchers", phase="live"),
            metrics.value("idstatus_in_use", resource="streams"),
        )

    server.shows(lambda metrics: live(metrics) == (0, 0))
    watches = [
        api.tasks.WatchTasks(t.WatchTasksRequest(filter=m.TaskFilter(queues=[queue])))
        for _ in range(3)
    ]
    for watch in watches:
        await watch.read()
    metrics = server.shows(lambda metrics: live(metrics) == (3, 3))
    assert metrics.value("idstatus_watcher_lag_revisions") == 0
    assert metrics.value("idstatus_limit", resource="streams") == 20_000
    for watch in watches:
        watch.cancel()
    server.shows(lambda metrics: live(metrics) == (0, 0))
