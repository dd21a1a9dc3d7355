"""Leases: extended, cancelled, lost, expired, and forgiven after downtime."""

import asyncio
import itertools
import time

from rpc.wire import Api, lease, micros, report, seconds, span, until

from harness import ServerProcess
from idstatus.v1 import runner_service_pb2 as r
from idstatus.v1 import task_pb2 as m

EXTENDED = r.LeaseResult.STATE_EXTENDED
CANCELLED = r.LeaseResult.STATE_CANCELLED
LOST = r.LeaseResult.STATE_LOST


async def test_extending_is_not_a_change(api: Api, queue: str) -> None:
    claim = await api.run_one(queue, lease=30)
    asked = time.time()
    (result,) = await api.extend(lease(claim))
    answered = time.time()
    assert (result.id, result.state) == (claim.task.id, EXTENDED)
    assert asked + 30 <= span(result.lease_expire_time) <= answered + 30
    after = await api.get(claim.task.id)
    assert after.lease_expire_time == result.lease_expire_time
    after.lease_expire_time.CopyFrom(claim.task.lease_expire_time)
    assert after == claim.task  # revision and update time, too


async def test_an_extension_lasts_as_long_as_it_asks_or_else_as_the_claim_asked(
    api: Api, queue: str
) -> None:
    claim = await api.run_one(queue, lease=30)
    for wanted, expected in ((None, 30), (600, 600), (None, 30), (1, 1), (None, 30)):
        asked = time.time()
        duration = seconds(wanted) if wanted else None
        (result,) = await api.extend(lease(claim, lease_duration=duration))
        answered = time.time()
        assert asked + expected <= span(result.lease_expire_time) <= answered + expected


async def test_progress_that_differs_is_an_update(api: Api, queue: str) -> None:
    claim = await api.run_one(queue)
    half, most = m.Progress(fraction=0.5, message="half"), m.Progress(fraction=0.9)
    revisions = [claim.task.revision]
    for progress in (half, half, None, most, half, most, most):
        await api.extend(lease(claim, progress=progress))
        task = await api.get(claim.task.id)
        assert task.progress == (progress or half)
        revisions.append(task.revision)
    changed = [after > before for before, after in itertools.pairwise(revisions)]
    assert changed == [True, False, False, True, True, True, False]
    assert len(task.transitions) == 2
    assert (task.status, task.execution) == (m.STATUS_RUNNING, m.EXECUTION_MAY_BE_RUNNING)
    assert micros(task.update_time) > micros(task.transitions[-1].time)


async def test_the_answers_to_extensions_are_each_its_own_and_in_order(
    api: Api, queue: str
) -> None:
    running, cancelled, done, deleted = [await api.run_one(queue) for _ in range(4)]
    await api.cancel(cancelled.task.id)
    await api.succeed(done)
    await api.succeed(deleted)
    await api.delete(deleted.task.id)
    queued = await api.create(queue)
    results = await api.extend(
        r.Lease(id="unknown", lease_token="x"),  # noqa: S106
        lease(deleted),
        lease(done),
        lease(cancelled),
        lease(running),
        r.Lease(id=running.task.id, lease_token=cancelled.lease_token),
        r.Lease(id=running.task.id),
        r.Lease(id=queued.id),
    )
    expected = [LOST, LOST, LOST, CANCELLED, EXTENDED, LOST, LOST, LOST]
    assert [result.state for result in results] == expected
    assert [result.HasField("lease_expire_time") for result in results] == [
        state == EXTENDED for state in expected
    ]


async def test_a_cancelled_task_keeps_no_progress_and_has_no_new_revision(
    api: Api, queue: str
) -> None:
    claim = await api.run_one(queue)
    cancelled = await api.cancel(claim.task.id)
    (result,) = await api.extend(lease(claim, progress=m.Progress(fraction=0.5)))
    assert result.state == CANCELLED
    assert (await api.status(claim.task.id)) == cancelled
    assert not (await api.get(claim.task.id)).HasField("progress")


async def test_a_lease_that_is_not_extended_expires(api: Api, queue: str) -> None:
    claim = await api.run_one(queue, lease=1)
    task = await api.wait(claim.task.id)
    assert (task.status, task.reason) == (m.STATUS_ERROR, m.REASON_TIMEOUT)
    assert task.execution == m.EXECUTION_MAY_BE_RUNNING
    assert 0 <= span(task.end_time) - span(claim.lease_expire_time) < 5
    assert task.end_time == task.update_time == task.transitions[-1].time
    assert (task.transitions[-1].actor, task.transitions[-1].reason) == (
        "server",
        m.REASON_TIMEOUT,
    )
    assert "lease" in task.message
    (result,) = await api.extend(lease(claim))
    assert result.state == LOST


async def test_a_lease_that_is_extended_does_not_expire(api: Api, queue: str) -> None:
    claim = await api.run_one(queue, lease=2)
    ends = span(claim.lease_expire_time) + 0.3
    await until(lambda: extended_past(api, claim, ends))
    assert (await api.succeed(claim)).status == m.STATUS_SUCCESS


async def extended_past(api: Api, claim: r.Claim, instant: float) -> bool:
    await asyncio.sleep(0.1)
    (result,) = await api.extend(lease(claim))
    assert result.state == EXTENDED
    return time.time() > instant


async def test_the_timeout_passes_however_often_the_lease_is_extended(api: Api, queue: str) -> None:
    claim = await api.run_one(queue, timeout=seconds(1))
    assert span(claim.lease_expire_time) > span(claim.task.start_time) + 29
    await api.extend(lease(claim, lease_duration=seconds(600)))
    task = await api.wait(claim.task.id)
    assert (task.status, task.reason) == (m.STATUS_ERROR, m.REASON_TIMEOUT)
    assert 1.0 <= span(task.end_time) - span(task.start_time) < 6
    assert "timeout" in task.message


async def test_a_waiting_task_has_no_timeout(api: Api, queue: str) -> None:
    waited = await api.create(queue, timeout=seconds(1))
    claim = await api.run_one(queue + "-running", timeout=seconds(1))
    assert (await api.wait(claim.task.id)).status == m.STATUS_ERROR
    assert (await api.status(waited.id)).status == m.STATUS_QUEUED


async def test_nothing_expires_within_one_lease_of_a_restart(
    server: ServerProcess, queue: str
) -> None:
    async with Api.at(server.address) as api:
        expired = await api.run_one(queue, lease=1)
        before = await api.wait(expired.task.id, 5)
        leased = await api.run_one(queue, lease=2)
        timed = await api.run_one(queue, lease=2, timeout=seconds(1))
    server.kill()
    ends = max(span(claim.lease_expire_time) for claim in (leased, timed))
    await until(lambda: is_past(ends))
    restarted = time.time()
    server.start()
    async with Api.at(server.address) as api:
        tasks = await asyncio.gather(*(api.wait(claim.task.id) for claim in (leased, timed)))
        for task in tasks:
            assert (task.status, task.reason) == (m.STATUS_ERROR, m.REASON_TIMEOUT)
            assert restarted + 2 <= span(task.end_time) < time.time()
        assert await api.get(expired.task.id) == before


async def is_past(instant: float) -> bool:
    return time.time() > instant


async def test_a_runner_that_outlived_the_server_can_still_report(
    server: ServerProcess, queue: str
) -> None:
    async with Api.at(server.address) as api:
        one = await api.run_one(queue, lease=2)
        two = await api.run_one(queue, lease=2)
    server.kill()
    await until(lambda: is_past(span(two.lease_expire_time)))
    server.start()
    async with Api.at(server.address) as api:
        (result,) = await api.extend(lease(one))
        assert result.state == EXTENDED
        done = await api.finish_all(*(report(c, success=m.Success()) for c in (one, two)))
        assert [status.status for status in done if isinstance(status, m.IdStatus)] == [
            m.STATUS_SUCCESS,
            m.STATUS_SUCCESS,
        ]


async def test_a_lease_extended_just_before_a_crash_is_remembered(
    server: ServerProcess, queue: str
) -> None:
    async with Api.at(server.address) as api:
        claim = await api.run_one(queue, lease=1)
        (result,) = await api.extend(lease(claim, lease_duration=seconds(60)))
    server.kill()
    server.start()
    async with Api.at(server.address) as api:
        task = await api.get(claim.task.id)
        assert micros(task.lease_expire_time) >= micros(result.lease_expire_time)
        assert task.revision == claim.task.revision
