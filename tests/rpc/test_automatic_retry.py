"""Automatic retries: when, how often, how late, and with what."""

from typing import Any

import pytest
from rpc.wire import Api, micros, names, report, seconds, until

from idstatus.v1 import runner_service_pb2 as r
from idstatus.v1 import task_pb2 as m

REASONS = [m.REASON_TIMEOUT, m.REASON_KILLED, m.REASON_BAD_EXIT]


def policy(delay: float = 0, **fields: Any) -> m.RetryPolicy:
    return m.RetryPolicy(**{"max_retries": 2, "retry_delay": seconds(delay), **fields})


async def retry_of(api: Api, claim: r.Claim, **failure: Any) -> m.Task | None:
    """Fail a task, and return its retry."""
    await api.fail(claim, **failure)
    failed = await api.get(claim.task.id)
    return await api.get(failed.retried_by) if failed.retried_by else None


async def delay_of(api: Api, claim: r.Claim) -> int:
    """Fail a task, and return how long its retry is delayed, in microseconds."""
    retry = await retry_of(api, claim)
    assert retry
    assert retry.status == m.STATUS_DELAYED
    return micros(retry.run_time) - micros(retry.create_time)


async def test_a_retry_copies_the_work_and_links_the_chain(api: Api, queue: str) -> None:
    claim = await api.run_one(
        queue,
        payload=b"work",
        content_type="text/x",
        priority=7,
        labels={"a": "b"},
        unique_key=queue,
        timeout=seconds(99),
        retry_policy=policy(3600, backoff_multiplier=2, max_retry_delay=seconds(9999)),
        task_id=queue,
    )
    retry = await retry_of(api, claim, message="no")
    failed = await api.get(queue)
    assert retry
    for field in ("queue", "payload", "content_type", "priority", "labels", "timeout"):
        assert getattr(retry, field) == getattr(failed, field)
    assert retry.retry_policy == failed.retry_policy
    assert (retry.retry_of, retry.root_id, retry.retry_number) == (queue, queue, 1)
    assert (failed.retried_by, failed.root_id, failed.retry_number) == (retry.id, queue, 0)
    assert (failed.retries_left, retry.retries_left) == (2, 1)
    assert (failed.status, retry.status) == (m.STATUS_ERROR, m.STATUS_DELAYED)
    assert (retry.create_time, retry.revision) == (failed.end_time, failed.revision + 1)
    assert (retry.execution, retry.message, retry.retried_by) == (
        m.EXECUTION_NOT_STARTED,
        "",
        "",
    )
    assert [(step.to, step.actor) for step in retry.transitions] == [(m.STATUS_DELAYED, "server")]
    assert not retry.HasField("start_time")


async def test_the_chain_ends_when_no_retries_are_left(api: Api, queue: str) -> None:
    created = await api.create(queue, retry_policy=policy())
    chain = []
    for _ in range(3):
        (claim,) = await api.claim(queue)
        await api.fail(claim)
        chain.append(await api.get(claim.task.id))
    assert await api.claim(queue) == []
    assert [task.retry_number for task in chain] == [0, 1, 2]
    assert [task.retries_left for task in chain] == [2, 1, 0]
    assert [task.root_id for task in chain] == [created.id] * 3
    assert [task.retried_by for task in chain] == [chain[1].id, chain[2].id, ""]
    assert [task.retry_of for task in chain] == ["", chain[0].id, chain[1].id]
    listed = await api.every(filter=m.TaskFilter(root_id=created.id))
    assert names(listed) == names(chain)[::-1]


@pytest.mark.parametrize("retryable", [[], REASONS, [m.REASON_KILLED]])
@pytest.mark.parametrize("reason", REASONS)
async def test_only_the_reasons_of_the_policy_are_retried(
    api: Api, queue: str, reason: Any, retryable: list[Any]
) -> None:
    claim = await api.run_one(queue, retry_policy=policy(retryable_reasons=retryable))
    retry = await retry_of(api, claim, reason=reason)
    assert (retry is not None) == (reason in (retryable or REASONS))


async def test_an_expiry_is_retried_as_a_timeout(api: Api, queue: str) -> None:
    claim = await api.run_one(
        queue, lease=1, retry_policy=policy(retryable_reasons=[m.REASON_TIMEOUT])
    )
    (again,) = await api.claim(queue, wait=10)
    failed = await api.get(claim.task.id)
    assert (failed.status, failed.reason) == (m.STATUS_ERROR, m.REASON_TIMEOUT)
    assert (failed.retried_by, again.task.retry_of) == (again.task.id, failed.id)
    assert failed.execution == m.EXECUTION_MAY_BE_RUNNING
    assert again.lease_token != claim.lease_token


async def test_neither_a_success_nor_a_cancelled_task_is_retried(api: Api, queue: str) -> None:
    done = await api.run_one(queue, retry_policy=policy())
    await api.succeed(done)
    cancelled = await api.run_one(queue, retry_policy=policy())
    await api.cancel(cancelled.task.id)
    await api.finish(cancelled, error=m.Failure(reason=m.REASON_KILLED))  # late
    for claim in (done, cancelled):
        assert not (await api.get(claim.task.id)).retried_by
    assert await api.claim(queue) == []


async def test_a_policy_without_retries_retries_nothing(api: Api, queue: str) -> None:
    claim = await api.run_one(queue, retry_policy=m.RetryPolicy())
    assert await retry_of(api, claim) is None


async def test_each_delay_is_the_one_before_times_the_multiplier_up_to_the_longest(
    api: Api, queue: str
) -> None:
    retry_policy = policy(0.1, max_retries=4, backoff_multiplier=3, max_retry_delay=seconds(0.5))
    await api.create(queue, retry_policy=retry_policy)
    for base in (100_000, 300_000, 500_000, 500_000):
        (claim,) = await api.claim(queue, wait=10)
        delay = await delay_of(api, claim)
        assert base <= delay <= base * 1.1
    (last,) = await api.claim(queue, wait=10)
    assert last.task.retries_left == 0


async def test_delays_are_spread_by_a_tenth(api: Api, queue: str) -> None:
    delays = set()
    for _ in range(30):
        claim = await api.run_one(queue, retry_policy=policy(1000))
        delays.add(await delay_of(api, claim))
    assert len(delays) > 1
    assert 1000e6 <= min(delays) < 1030e6
    assert 1070e6 < max(delays) <= 1100e6


async def test_a_delay_of_nothing_queues_the_retry_at_once(api: Api, queue: str) -> None:
    claim = await api.run_one(queue, retry_policy=policy(0))
    retry = await retry_of(api, claim)
    assert retry
    assert (retry.status, retry.HasField("run_time")) == (m.STATUS_QUEUED, False)


async def test_a_retry_does_not_hold_the_unique_key(api: Api, queue: str) -> None:
    claim = await api.run_one(queue, unique_key=queue, retry_policy=policy(3600))
    retry = await retry_of(api, claim)
    assert retry
    assert retry.unique_key == ""
    await api.create(queue, unique_key=queue)


async def steep_chain(api: Api, queue: str, length: int = 160) -> m.Task:
    """Return the last of a chain so long that its backoff is past what a float holds."""
    steep = policy(0.001, backoff_multiplier=100, max_retry_delay=seconds(3600))
    task = await api.create(queue, retry_policy=steep)
    for _ in range(length):
        await api.cancel(task.id)
        task = await api.retry(task.id)
    assert task.retry_number == length
    return task


async def test_the_last_of_a_long_chain_with_a_steep_backoff_can_still_fail(
    own: Api, queue: str
) -> None:
    task = await steep_chain(own, queue)
    (claim,) = await own.claim(queue)
    failed = m.Failure(reason=m.REASON_KILLED)
    other = await own.run_one(queue + "-other")
    answers = await own.finish_all(report(claim, error=failed), report(other, success=m.Success()))
    statuses = [answer.status for answer in answers if isinstance(answer, m.IdStatus)]
    assert statuses == [m.STATUS_ERROR, m.STATUS_SUCCESS]
    retry = await own.get((await own.get(task.id)).retried_by)
    assert 3600e6 <= micros(retry.run_time) - micros(retry.create_time) <= 3600e6 * 1.1


async def test_whatever_one_task_is_like_the_others_still_expire(own: Api, queue: str) -> None:
    await steep_chain(own, queue)
    await own.claim(queue, lease_duration=seconds(1))
    other = await own.run_one(queue + "-other", lease=1)
    ended = await until(lambda: unless_running(own, other.task.id), within=8)
    assert (ended.status, ended.reason) == (m.STATUS_ERROR, m.REASON_TIMEOUT)


async def unless_running(api: Api, task_id: str) -> m.IdStatus | None:
    status = await api.status(task_id)
    return None if status.status == m.STATUS_RUNNING else status
