import asyncio

import pytest

import idstatus
from harness import ServerProcess
from idstatus import AsyncClient, ChangeType, NewTask, Status, TaskFilter, TaskView


async def test_a_watch_tells_the_state_and_then_every_change(
    client: AsyncClient, queue: str
) -> None:
    first = await client.create(queue=queue)
    async with client.watch(task_filter=TaskFilter(queues=[queue])) as changes:
        snapshot = await anext(changes)
        assert (snapshot.type, snapshot.id_status) == (
            ChangeType.SNAPSHOT,
            await client.status(first.id),
        )
        second = await client.create(queue=queue)
        created = await anext(changes)
        assert (created.type, created.id_status.id) == (ChangeType.TRANSITION, second.id)
        assert (created.previous_status, created.task) == (None, None)


async def test_a_watch_on_ids_ends_once_all_are_terminal(client: AsyncClient) -> None:
    tasks = await client.create_batch([NewTask(), NewTask()])
    ids = [task.id for task in tasks]
    async with client.watch(ids) as changes:
        snapshot = [await anext(changes), await anext(changes)]
        assert {change.id_status.id for change in snapshot} == set(ids)
        for task_id in ids:
            await client.cancel(task_id)
        assert [change.id_status.id async for change in changes] == ids


async def test_a_watch_can_show_the_whole_task(client: AsyncClient) -> None:
    task = await client.create("payload")
    async with client.watch([task.id], view=TaskView.FULL) as changes:
        change = await anext(changes)
    assert change.task is not None
    assert change.task.payload == b"payload"


async def test_retries_are_followed_to_the_end_of_the_chain(
    client: AsyncClient, queue: str
) -> None:
    policy = idstatus.RetryPolicy(max_retries=1)
    task = await client.create(queue=queue, retry_policy=policy)
    async with client.watch([task.id], follow_retries=True) as changes:
        await anext(changes)
        (claim,) = await client.claim([queue])
        await client.finish([claim.report(idstatus.Failure(message="no luck"))])
        retry = (await client.get(task.id)).retried_by
        await client.cancel(retry)
        seen = [(change.id_status.id, change.id_status.status) async for change in changes]
    assert (task.id, Status.ERROR) in seen
    assert seen[-1] == (retry, Status.CANCELLED)


async def test_a_kept_token_goes_on_right_after_its_batch(client: AsyncClient, queue: str) -> None:
    await client.create(queue=queue)
    async with client.watch_batches(task_filter=TaskFilter(queues=[queue])) as batches:
        while not (batch := await anext(batches)).snapshot_complete:
            pass
    missed = await client.create(queue=queue)
    async with client.watch_batches(
        task_filter=TaskFilter(queues=[queue]), resume_token=batch.resume_token
    ) as batches:
        (change,) = (await anext(batches)).changes
    assert (change.type, change.id_status.id) == (ChangeType.TRANSITION, missed.id)


async def test_without_a_snapshot_the_first_batch_says_that_the_watch_is_in_place(
    client: AsyncClient,
    queue: str,
) -> None:
    await client.create(queue=queue)
    async with client.watch_batches(
        task_filter=TaskFilter(queues=[queue]), skip_snapshot=True
    ) as batches:
        greeting = await anext(batches)
        assert greeting.changes == ()
        created = await client.create(queue=queue)
        (change,) = (await anext(batches)).changes
    assert change.id_status.id == created.id


async def test_bookmarks_bring_new_tokens_past_changes_that_do_not_match(
    client: AsyncClient,
    queue: str,
) -> None:
    await client.create(queue=queue)
    watched = TaskFilter(queues=[queue])
    async with client.watch_batches(task_filter=watched, bookmark_interval=1) as batches:
        while not (batch := await anext(batches)).snapshot_complete:
            pass
        await client.create(queue="other")
        bookmark = await anext(batches)
    assert bookmark.changes == ()
    assert bookmark.resume_token != batch.resume_token


async def test_what_was_committed_together_comes_together(client: AsyncClient, queue: str) -> None:
    policy = idstatus.RetryPolicy(max_retries=1)
    task = await client.create(queue=queue, retry_policy=policy)
    async with client.watch_batches(task_filter=TaskFilter(queues=[queue])) as batches:
        while not (await anext(batches)).snapshot_complete:
            pass
        (claim,) = await client.claim([queue])
        await client.finish([claim.report(idstatus.Failure())])
        claimed, failed = await anext(batches), await anext(batches)
    assert [change.id_status.status for change in claimed.changes] == [Status.RUNNING]
    assert len(failed.changes) == 2
    assert failed.changes[0].id_status.id == task.id
    assert failed.changes[1].id_status.status is Status.DELAYED


async def test_giving_up_on_the_next_change_loses_nothing(client: AsyncClient, queue: str) -> None:
    await client.create(queue=queue)
    async with client.watch(task_filter=TaskFilter(queues=[queue])) as changes:
        await anext(changes)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await anext(changes)
        created = await client.create(queue=queue)
        assert (await anext(changes)).id_status.id == created.id


async def test_closing_a_watch_ends_the_iteration_under_way(
    client: AsyncClient, queue: str
) -> None:
    task = await client.create(queue=queue)
    changes = client.watch(task_filter=TaskFilter(queues=[queue]))
    await anext(changes)
    rest = asyncio.create_task(anext(changes, None))
    await client.status(task.id)  # meanwhile the iteration waits
    await changes.aclose()
    assert await rest is None


async def test_an_unknown_id_and_a_bad_token_are_refused(client: AsyncClient) -> None:
    with pytest.raises(idstatus.TaskNotFoundError):
        await anext(client.watch(["nobody"]))
    with pytest.raises(idstatus.InvalidTokenError):
        await anext(client.watch_batches(resume_token="not-a-token"))  # noqa: S106  # indeed


async def test_a_watch_that_never_was_in_place_gives_up() -> None:
    async with AsyncClient("127.0.0.1:1", timeout=0.3) as client:
        with pytest.raises(idstatus.UnavailableError):
            await anext(client.watch())


async def test_a_watch_is_unbroken_when_the_server_is_killed_again_and_again(
    own_client: AsyncClient, server: ServerProcess
) -> None:
    created: list[str] = []
    seen: list[idstatus.Change] = []
    news = asyncio.Condition()

    async def watch() -> None:
        async for change in own_client.watch():
            async with news:
                seen.append(change)
                news.notify_all()
            if change.id_status.id == "last":
                return

    async def produce() -> None:
        for _ in range(40):
            task = await own_client.create()
            created.append(task.id)

    await own_client.create(task_id="first")
    watching = asyncio.create_task(watch())
    for goal in (20, 60, 100):
        producing = asyncio.create_task(produce())
        async with news:
            await news.wait_for(lambda: len(seen) >= goal)  # noqa: B023  # waited for right here
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)
        await producing
    await own_client.create(task_id="last")
    await asyncio.wait_for(watching, 30)

    assert [change.id_status.id for change in seen] == ["first", *created, "last"]
    revisions = [change.id_status.revision for change in seen]
    assert revisions == list(range(1, len(revisions) + 1))


async def test_a_watch_is_unbroken_when_the_server_shuts_down(
    own_client: AsyncClient, server: ServerProcess
) -> None:
    await own_client.create(task_id="a")
    async with own_client.watch() as changes:
        assert (await anext(changes)).id_status.id == "a"
        await asyncio.to_thread(server.stop)
        server.start()
        await own_client.create(task_id="b")
        assert (await anext(changes)).id_status.id == "b"
