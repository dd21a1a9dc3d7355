"""What a change carries in each view, and units too large for one message."""

import grpc
import pytest
from watch.checker import Watched, check
from watch.following import request_for
from watch.sites import FULL_TASK, Reading, Site
from watch.truth import SNAPSHOT, TRANSITION, UPDATE, Wanted, origin, read_truth

from idstatus.v1 import runner_service_pb2 as runner_pb
from idstatus.v1 import task_pb2
from idstatus.v1 import task_service_pb2 as pb

MOST = 4 << 20  # what gRPC clients take by default


async def finish(site: Site, queue: str, result: bytes) -> None:
    request = runner_pb.ClaimTasksRequest(queues=[queue])
    (claim,) = (await site.runners.ClaimTasks(request)).claims
    report = runner_pb.Report(id=claim.task.id, lease_token=claim.lease_token)
    report.success.result = result
    await site.runners.FinishTasks(runner_pb.FinishTasksRequest(reports=[report]))


async def watch_one_life(
    site: Site, queue: str, view: task_pb2.TaskView.ValueType
) -> list[pb.TaskChange]:
    """Return the snapshot, the claim and the success of one task."""
    task = await site.create(queue=queue, payload=b"work", labels={"a": "b"})
    job = await site.begin(pb.WatchTasksRequest(ids=[task.id], view=view))
    await finish(site, queue, b"done")
    changes = (await job).changes
    assert [change.type for change in changes] == [SNAPSHOT, TRANSITION, TRANSITION]
    return changes


@pytest.mark.parametrize("view", [task_pb2.TASK_VIEW_UNSPECIFIED, task_pb2.TASK_VIEW_STATUS])
async def test_the_status_view_carries_no_task(
    shared: Site, queue: str, view: task_pb2.TaskView.ValueType
) -> None:
    for change in await watch_one_life(shared, queue, view):
        assert not change.HasField("task")
        assert change.id_status.id


async def test_the_basic_view_carries_all_but_the_bodies_and_transitions(
    shared: Site, queue: str
) -> None:
    changes = await watch_one_life(shared, queue, task_pb2.TASK_VIEW_BASIC)
    for change in changes:
        task = change.task
        assert (task.queue, dict(task.labels)) == (queue, {"a": "b"})
        assert (task.payload, task.result, list(task.transitions)) == (b"", b"", [])
    assert changes[2].task.HasField("end_time")


async def test_the_full_view_carries_everything(shared: Site, queue: str) -> None:
    changes = await watch_one_life(shared, queue, FULL_TASK)
    assert [change.task.payload for change in changes] == [b"work"] * 3
    assert [len(change.task.transitions) for change in changes] == [1, 2, 3]
    assert changes[2].task.result == b"done"


@pytest.mark.parametrize("view", [task_pb2.TASK_VIEW_BASIC, FULL_TASK])
async def test_the_task_and_its_status_say_the_same(
    shared: Site, queue: str, view: task_pb2.TaskView.ValueType
) -> None:
    for change in await watch_one_life(shared, queue, view):
        assert task_pb2.IdStatus.FromString(change.task.SerializeToString()) == pruned(change)


def pruned(change: pb.TaskChange) -> task_pb2.IdStatus:
    """Return the status with the task's other fields as unknown ones, as parsing leaves them."""
    status = task_pb2.IdStatus.FromString(change.task.SerializeToString())
    status.MergeFrom(change.id_status)
    return status


async def test_an_older_change_does_not_carry_a_later_result(shared: Site, queue: str) -> None:
    """A change read from the log shows the task after it, not as it is now."""
    token = await origin(shared)
    task = await shared.create(queue=queue, payload=b"work")
    await finish(shared, queue, b"done")
    request = pb.WatchTasksRequest(ids=[task.id], view=FULL_TASK, resume_token=token)
    reading = await shared.read(request)
    assert reading.code is grpc.StatusCode.OK
    assert [change.task.result for change in reading.changes] == [b"", b"", b"done"]


async def test_a_view_that_does_not_exist_is_refused(shared: Site) -> None:
    request = pb.WatchTasksRequest(view=task_pb2.TaskView.ValueType(9))
    assert (await shared.read(request)).info.reason == "INVALID_FIELD"


async def test_progress_and_late_reports_are_updates(shared: Site, queue: str) -> None:
    task = await shared.create(queue=queue)
    wanted = task_pb2.TaskFilter(queues=[queue])
    claims = runner_pb.ClaimTasksRequest(queues=[queue])
    (claim,) = (await shared.runners.ClaimTasks(claims)).claims
    lease = runner_pb.Lease(id=task.id, lease_token=claim.lease_token)
    token = await origin(shared)
    extend = runner_pb.ExtendLeasesRequest(leases=[lease])
    await shared.runners.ExtendLeases(extend)  # not a change
    extend.leases[0].progress.fraction = 0.5
    await shared.runners.ExtendLeases(extend)
    await shared.runners.ExtendLeases(extend)  # no other progress: not a change
    await shared.cancel(task.id)
    report = runner_pb.Report(id=task.id, lease_token=claim.lease_token)
    report.stopped.SetInParent()
    await shared.runners.FinishTasks(runner_pb.FinishTasksRequest(reports=[report]))
    request = request_for(wanted, resume_token=token, view=task_pb2.TASK_VIEW_BASIC)
    changes = (await shared.read(request, lambda seen: len(seen.changes) == 3)).changes
    assert [change.type for change in changes] == [UPDATE, TRANSITION, UPDATE]
    assert changes[0].task.progress.fraction == 0.5
    assert changes[2].task.late_report.HasField("stopped")
    assert changes[2].previous_status == changes[2].id_status.status == task_pb2.STATUS_CANCELLED


async def test_skip_snapshot_begins_with_a_token_and_then_only_changes(
    shared: Site, queue: str
) -> None:
    before = await shared.create(queue=queue)
    wanted = task_pb2.TaskFilter(queues=[queue])
    request = request_for(wanted, skip_snapshot=True)
    call = shared.tasks.WatchTasks(request)
    first = await anext(aiter(call))
    assert (len(first.changes), first.snapshot_complete, bool(first.resume_token)) == (
        0,
        False,
        True,
    )
    await shared.cancel(before.id)
    second = await anext(aiter(call))
    call.cancel()
    assert [change.type for change in second.changes] == [TRANSITION]
    assert not second.snapshot_complete


def in_parts(reading: Reading, ids: set[str]) -> list[pb.WatchTasksResponse]:
    """Return the messages that hold a part of a unit."""
    return [m for m in reading.messages if {c.id_status.id for c in m.changes} & ids]


async def test_a_unit_too_large_for_one_message_moves_the_token_with_its_last_part(
    site: Site,
) -> None:
    start = await origin(site)
    small = await site.create(queue="q")
    request = request_for(task_pb2.TaskFilter(), view=FULL_TASK)
    first = await site.read(request, lambda seen: seen.complete)
    one = pb.CreateTaskRequest(queue="q", payload=bytes(256 << 10))
    batch = pb.BatchCreateTasksRequest(requests=[one] * 50)
    job = await site.begin(request)
    made = (await site.tasks.BatchCreateTasks(batch)).tasks
    job.cancel()
    request.resume_token = first.token
    live = await site.read(request, lambda seen: seen.revision >= made[-1].revision)
    parts = in_parts(live, {task.id for task in made})
    assert len(parts) >= 4
    assert max(part.ByteSize() for part in parts) < MOST
    assert {part.resume_token for part in parts[:-1]} == {first.token}
    assert parts[-1].resume_token != first.token
    assert small.id not in {change.id_status.id for change in live.changes}
    truth = await read_truth(site, start)
    unit = frozenset(task.revision for task in made)
    rest = await site.read(request, lambda seen: seen.revision >= truth.head)
    messages = [*first.messages, *rest.messages]
    assert check(Watched(messages, truth, Wanted(), truth.head, units=[unit])) == []


async def test_a_live_unit_too_large_for_one_message_is_not_split_by_a_token(site: Site) -> None:
    start = await origin(site)
    request = request_for(task_pb2.TaskFilter(), view=FULL_TASK)
    calls = [site.tasks.WatchTasks(request) for _ in range(2)]
    readings = [Reading(request) for _ in calls]
    for call, reading in zip(calls, readings, strict=True):
        reading.take(await anext(aiter(call)))
    one = pb.CreateTaskRequest(queue="q", payload=bytes(256 << 10))
    batch = pb.BatchCreateTasksRequest(requests=[one] * 40)
    made = (await site.tasks.BatchCreateTasks(batch)).tasks
    truth = await read_truth(site, start)
    for call, reading in zip(calls, readings, strict=True):
        while reading.revision < truth.head:
            reading.take(await anext(aiter(call)))
        call.cancel()
        unit = frozenset(task.revision for task in made)
        watched = Watched(reading.messages, truth, Wanted(), truth.head, units=[unit])
        assert check(watched) == []
        assert len(in_parts(reading, {task.id for task in made})) > 1


async def test_an_error_and_its_retry_come_in_one_message(shared: Site, queue: str) -> None:
    policy = task_pb2.RetryPolicy(max_retries=1)
    task = await shared.create(queue=queue, retry_policy=policy)
    token = await origin(shared)
    request = runner_pb.ClaimTasksRequest(queues=[queue])
    (claim,) = (await shared.runners.ClaimTasks(request)).claims
    report = runner_pb.Report(id=task.id, lease_token=claim.lease_token)
    report.error.reason = task_pb2.REASON_KILLED
    await shared.runners.FinishTasks(runner_pb.FinishTasksRequest(reports=[report]))
    watch = request_for(task_pb2.TaskFilter(queues=[queue]), resume_token=token)
    reading = await shared.read(watch, lambda seen: len(seen.changes) >= 3)
    together = [
        {change.id_status.status for change in message.changes} for message in reading.messages
    ]
    assert any({task_pb2.STATUS_ERROR, task_pb2.STATUS_DELAYED} <= seen for seen in together)
