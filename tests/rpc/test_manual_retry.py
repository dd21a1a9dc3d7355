"""Retries by a client's wish: the rules of the chain."""

from collections.abc import Awaitable, Callable

import pytest
from rpc.wire import Api, micros, refused, seconds

from idstatus.v1 import task_pb2 as m


async def succeeded(api: Api, queue: str) -> str:
    claim = await api.run_one(queue, payload=b"work", priority=3, labels={"a": "b"})
    await api.succeed(claim, b"result")
    return claim.task.id


async def failed(api: Api, queue: str) -> str:
    claim = await api.run_one(queue, payload=b"work", priority=3, labels={"a": "b"})
    await api.fail(claim, message="no", exit_code=1)
    return claim.task.id


async def cancelled(api: Api, queue: str) -> str:
    task = await api.create(queue, payload=b"work", priority=3, labels={"a": "b"})
    await api.cancel(task.id, message="no")
    return task.id


Ended = Callable[[Api, str], Awaitable[str]]


@pytest.mark.parametrize("ended", [succeeded, failed, cancelled])
async def test_a_terminal_task_is_retried_and_stays_as_it_was(
    api: Api, queue: str, ended: Ended
) -> None:
    task_id = await ended(api, queue)
    before = await api.get(task_id)
    answer = await api.retry(task_id)
    retry = await api.get(answer.id)
    assert (answer.payload, retry.payload) == (b"", b"work")
    assert (retry.status, retry.execution) == (m.STATUS_QUEUED, m.EXECUTION_NOT_STARTED)
    assert (retry.queue, retry.priority, dict(retry.labels)) == (queue, 3, {"a": "b"})
    assert (retry.retry_of, retry.root_id, retry.retry_number) == (task_id, task_id, 1)
    assert (retry.message, retry.result, retry.HasField("exit_code")) == ("", b"", False)
    assert [(step.to, step.actor) for step in retry.transitions] == [(m.STATUS_QUEUED, "client")]
    after = await api.get(task_id)
    assert (after.retried_by, after.revision) == (retry.id, retry.revision - 1)
    assert after.revision > before.revision
    for field in ("retried_by", "revision", "update_time"):
        after.ClearField(field)
        before.ClearField(field)
    assert after == before


async def test_a_retry_runs_like_any_task(api: Api, queue: str) -> None:
    retry = await api.retry(await failed(api, queue))
    (claim,) = await api.claim(queue)
    assert (claim.task.id, claim.task.payload) == (retry.id, b"work")
    assert (await api.succeed(claim)).status == m.STATUS_SUCCESS


async def test_a_retry_may_be_delayed(api: Api, queue: str) -> None:
    retry = await api.retry(await cancelled(api, queue), delay=seconds(3600))
    assert retry.status == m.STATUS_DELAYED
    assert micros(retry.run_time) - micros(retry.create_time) == 3600_000_000


async def test_a_chain_is_a_list(api: Api, queue: str) -> None:
    root = await cancelled(api, queue)
    chain = [root]
    for number in range(1, 4):
        retry = await api.retry(chain[-1])
        assert (retry.retry_number, retry.root_id, retry.retry_of) == (number, root, chain[-1])
        for before in chain:
            assert (await refused(api.retry(before))).reason == "TASK_ALREADY_RETRIED"
        assert (await refused(api.retry(retry.id))).reason == "TASK_NOT_FINISHED"
        await api.cancel(retry.id)
        chain.append(retry.id)


async def test_what_was_retried_by_the_server_is_not_retried_by_a_client(
    api: Api, queue: str
) -> None:
    policy = m.RetryPolicy(max_retries=1, retry_delay=seconds(3600))
    claim = await api.run_one(queue, retry_policy=policy)
    await api.fail(claim)
    refusal = await refused(api.retry(claim.task.id))
    assert refusal.reason == "TASK_ALREADY_RETRIED"
    assert refusal.metadata["retried_by"] == (await api.get(claim.task.id)).retried_by


async def test_a_retry_by_a_client_has_all_its_automatic_retries_again(
    api: Api, queue: str
) -> None:
    policy = m.RetryPolicy(max_retries=1, retry_delay=seconds(0))
    await api.create(queue, retry_policy=policy)
    for _ in range(2):
        (claim,) = await api.claim(queue)
        await api.fail(claim)
    assert claim.task.retries_left == 0
    retry = await api.retry(claim.task.id)
    assert (retry.retries_left, retry.retry_number) == (1, 2)
    assert retry.retry_policy == claim.task.retry_policy


async def test_the_chain_outlives_the_deletion_of_its_first_task(api: Api, queue: str) -> None:
    root = await cancelled(api, queue)
    retry = await api.retry(root)
    await api.delete(root)
    kept = await api.get(retry.id)
    assert (kept.payload, kept.root_id, kept.retry_of) == (b"work", root, root)
    assert [task.id for task in await api.every(filter=m.TaskFilter(root_id=root))] == [retry.id]
