from datetime import UTC, datetime, timedelta

import pytest

import idstatus
from idstatus import AsyncClient, Execution, NewTask, Reason, Status, TaskFilter


async def run_to(client: AsyncClient, queue: str, outcome: idstatus.Outcome) -> idstatus.Task:
    """Create a task, claim it and report the outcome."""
    await client.create("work", queue=queue)
    (claim,) = await client.claim([queue])
    await client.finish([claim.report(outcome)])
    return claim.task


async def test_a_task_keeps_what_it_was_created_with(client: AsyncClient, queue: str) -> None:
    created = await client.create(
        "héllo",
        queue=queue,
        content_type="text/plain",
        priority=7,
        labels={"team": "a"},
        unique_key=queue,
        delay=timedelta(hours=1),
        timeout=90,
        retry_policy=idstatus.RetryPolicy(
            max_retries=2, retry_delay=1.5, retryable_reasons=[Reason.KILLED]
        ),
        task_id=queue,
    )
    task = await client.get(queue)
    assert task.payload == "héllo".encode()
    assert (task.id, task.queue, task.content_type, task.priority) == (
        queue,
        queue,
        "text/plain",
        7,
    )
    assert (task.labels, task.unique_key, task.retries_left) == ({"team": "a"}, queue, 2)
    assert (task.status, task.execution) == (Status.DELAYED, Execution.NOT_STARTED)
    assert task.timeout == timedelta(seconds=90)
    assert task.retry_policy is not None
    assert task.retry_policy.retry_delay == timedelta(seconds=1.5)
    assert task.retry_policy.retryable_reasons == (Reason.KILLED,)
    assert task.create_time is not None
    assert task.run_time == task.create_time + timedelta(hours=1)
    assert [t.to_status for t in task.transitions] == [Status.DELAYED]
    assert (created.payload, created.transitions) == (b"", ())


async def test_a_task_may_run_from_an_instant_on(client: AsyncClient) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    task = await client.create(run_time=tomorrow)
    assert task.run_time == tomorrow
    with pytest.raises(ValueError, match="not both"):
        await client.create(run_time=tomorrow, delay=1)
    with pytest.raises(ValueError, match="no time zone"):
        await client.create(run_time=tomorrow.replace(tzinfo=None))


async def test_a_repeat_with_the_same_request_id_returns_the_same_task(
    client: AsyncClient, queue: str
) -> None:
    first = await client.create("a", request_id=queue)
    assert (await client.create("a", request_id=queue)).id == first.id
    with pytest.raises(idstatus.RequestIdReusedError):
        await client.create("b", request_id=queue)


async def test_a_batch_is_created_whole_or_not_at_all(client: AsyncClient, queue: str) -> None:
    tasks = await client.create_batch([NewTask(payload=str(i), queue=queue) for i in range(3)])
    assert [status.id for status in await client.statuses([t.id for t in tasks])] == [
        task.id for task in tasks
    ]
    with pytest.raises(idstatus.TaskExistsError):
        await client.create_batch([NewTask(task_id=queue), NewTask(task_id=tasks[0].id)])
    with pytest.raises(idstatus.TaskNotFoundError):
        await client.status(queue)


async def test_faulty_fields_are_named(client: AsyncClient) -> None:
    with pytest.raises(idstatus.InvalidFieldError) as caught:
        await client.create(queue="No Such Name", priority=10)
    assert {violation.field for violation in caught.value.violations} == {"queue", "priority"}


async def test_a_unique_key_is_held_by_one_unfinished_task(client: AsyncClient, queue: str) -> None:
    first = await client.create(unique_key=queue)
    with pytest.raises(idstatus.UniqueKeyHeldError) as caught:
        await client.create(unique_key=queue)
    assert first.id in caught.value.metadata.values()
    await client.cancel(first.id)
    await client.create(unique_key=queue)


async def test_an_unknown_task_is_not_found(client: AsyncClient) -> None:
    with pytest.raises(idstatus.TaskNotFoundError) as caught:
        await client.get("nobody")
    assert caught.value.reason == "TASK_NOT_FOUND"
    assert "nobody" in caught.value.metadata.values()


async def test_a_list_goes_through_all_pages_in_order(client: AsyncClient, queue: str) -> None:
    created = await client.create_batch([NewTask(queue=queue) for _ in range(5)])
    await client.create(queue="other")
    listed = client.list(
        TaskFilter(queues=[queue]), page_size=2, order=idstatus.ListOrder.OLDEST_FIRST
    )
    assert [task.id async for task in listed] == [task.id for task in created]


async def test_a_list_can_be_narrowed(client: AsyncClient, queue: str) -> None:
    wanted = await client.create(labels={"a": "1", "b": queue})
    await client.create(labels={"a": "1"})
    since = wanted.create_time
    narrowed = client.list(
        TaskFilter(statuses=[Status.QUEUED], labels={"b": queue}, created_from=since)
    )
    assert [task.id async for task in narrowed] == [wanted.id]


async def test_cancelling_says_whether_the_task_may_still_be_running(
    client: AsyncClient, queue: str
) -> None:
    idle, busy = await client.create(), await client.create(queue=queue)
    await client.claim([queue])
    assert (await client.cancel(idle.id)).execution is Execution.NOT_STARTED
    cancelled = await client.cancel(busy.id, message="no longer needed")
    assert cancelled.execution is Execution.MAY_BE_RUNNING
    assert cancelled.reason is Reason.CLIENT_REQUEST
    assert (await client.get(busy.id)).message == "no longer needed"
    assert await client.cancel(busy.id) == cancelled


async def test_many_are_cancelled_each_for_itself(client: AsyncClient, queue: str) -> None:
    done = await run_to(client, queue, idstatus.Success(result=b"r"))
    open_task = await client.create()
    result = await client.cancel_batch([open_task.id, done.id, "nobody"])
    assert result.count == 1
    assert [status.id for status in result.id_statuses] == [open_task.id]
    assert isinstance(result.errors[done.id], idstatus.TaskFinishedError)
    assert isinstance(result.errors["nobody"], idstatus.TaskNotFoundError)


async def test_a_cancellation_by_filter_can_be_previewed(client: AsyncClient, queue: str) -> None:
    tasks = await client.create_batch([NewTask(queue=queue) for _ in range(3)])
    ours = TaskFilter(queues=[queue])
    assert (await client.cancel_batch(task_filter=ours, validate_only=True)).count == 3
    assert (await client.status(tasks[0].id)).status is Status.QUEUED
    assert (await client.cancel_batch(task_filter=ours)).count == 3


async def test_a_retry_is_a_new_task_and_a_task_is_retried_once(
    client: AsyncClient, queue: str
) -> None:
    task = await run_to(
        client, queue, idstatus.Failure(reason=Reason.KILLED, message="out of memory", signal=9)
    )
    failed = await client.get(task.id)
    assert (failed.status, failed.reason) == (Status.ERROR, Reason.KILLED)
    assert (failed.message, failed.signal, failed.exit_code) == ("out of memory", 9, None)
    retry = await client.retry(task.id, delay=60)
    assert (retry.retry_of, retry.root_id, retry.status) == (task.id, task.id, Status.DELAYED)
    with pytest.raises(idstatus.TaskAlreadyRetriedError) as caught:
        await client.retry(task.id)
    assert caught.value.metadata["retried_by"] == retry.id


async def test_only_a_terminal_task_is_deleted(client: AsyncClient) -> None:
    task = await client.create()
    with pytest.raises(idstatus.TaskNotFinishedError):
        await client.delete(task.id)
    await client.cancel(task.id)
    await client.delete(task.id)
    with pytest.raises(idstatus.TaskNotFoundError):
        await client.get(task.id)


async def test_leases_are_extended_with_progress(client: AsyncClient, queue: str) -> None:
    task = await client.create(queue=queue)
    (claim,) = await client.claim([queue], runner="me", lease_duration=5, wait=1)
    progress = idstatus.Progress(fraction=0.5, message="half")
    extended, lost = await client.extend(
        [claim.lease(progress), idstatus.Lease(id="nobody", lease_token="x")]  # noqa: S106  # none
    )
    assert extended.state is idstatus.LeaseState.EXTENDED
    assert extended.lease_expire_time is not None
    assert lost.state is idstatus.LeaseState.LOST
    told = await client.get(task.id)
    assert (told.progress, told.runner) == (progress, "me")


async def test_a_late_report_is_refused_and_kept(client: AsyncClient, queue: str) -> None:
    task = await client.create(queue=queue)
    (claim,) = await client.claim([queue])
    await client.cancel(task.id)
    (answer,) = await client.finish([claim.report(idstatus.Success(result=b"too late"))])
    assert isinstance(answer, idstatus.TaskFinishedError)
    late = (await client.get(task.id)).late_report
    assert late is not None
    assert late.outcome == idstatus.Success(result=b"too late")


async def test_nothing_to_claim_is_no_claim(client: AsyncClient, queue: str) -> None:
    assert list(await client.claim([queue])) == []


async def test_a_queue_shows_what_is_in_it_and_takes_settings(
    client: AsyncClient, queue: str
) -> None:
    await client.create(queue=queue)
    shown = await client.update_queue(queue, paused=True, max_running=2, retention=3600)
    assert (shown.paused, shown.max_running, shown.retention) == (True, 2, timedelta(hours=1))
    assert (shown.counts.queued, shown.counts.running) == (1, 0)
    assert list(await client.claim([queue])) == []
    shown = await client.update_queue(queue, paused=False, retention="default")
    assert (shown.paused, shown.max_running, shown.retention) == (False, 2, None)
    assert (await client.queue(queue)).oldest_queued_time == shown.oldest_queued_time
    assert queue in [listed.name async for listed in client.queues(page_size=1)]
    with pytest.raises(idstatus.QueueNotFoundError):
        await client.queue("nobody")


async def test_a_task_is_explained(client: AsyncClient, queue: str) -> None:
    first = await client.create(queue=queue)
    task = await client.create(queue=queue)
    told = await client.explain(task.id)
    assert (told.task.id, told.queue.name, told.queue.counts.queued) == (task.id, queue, 2)
    assert told.obstacles == (idstatus.Obstacle.TASKS_AHEAD,)
    assert (told.tasks_ahead, told.more_tasks_ahead, told.more_in_chain) == (1, False, False)
    assert told.chain == (await client.status(task.id),)
    assert told.next_steps == (idstatus.NextStep.WAIT, idstatus.NextStep.CANCEL)
    assert (await client.explain(first.id)).obstacles == ()
    with pytest.raises(idstatus.TaskNotFoundError):
        await client.explain("unknown")
