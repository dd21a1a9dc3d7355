"""Past its limits the server refuses at once, and nobody works for a caller who has gone."""

import asyncio
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from rpc.locked import locked
from rpc.wire import PATIENCE, Api, Refusal, new, outcome, refused, until

from harness import ServerProcess

Start = Callable[..., ServerProcess]


@pytest.mark.sqlite
async def test_one_write_too_many_is_refused_and_those_accepted_are_answered(
    start_server: Start, queue: str
) -> None:
    server = start_server("--max-pending-writes", "2")
    async with Api.at(server.address) as api:
        with locked(server):
            committing = await under_way(api, queue)
            waiting = [asyncio.create_task(api.create(queue)) for _ in range(2)]
            await api.settle()
            refusal = await refused(api.create(queue))
            assert refusal.kind == ("RESOURCE_EXHAUSTED", "OVERLOADED")
            assert refusal.metadata == {"limit": "2"}
            assert refusal.retry_after is not None
        assert {task.queue for task in await asyncio.gather(committing, *waiting)} == {queue}
    assert len(await every(server)) == 3


@pytest.mark.sqlite
async def test_a_creation_whose_caller_left_before_its_commit_is_not_committed(
    server: ServerProcess, own: Api, queue: str
) -> None:
    with locked(server):
        committing = await under_way(own, queue)
        left = own.tasks.CreateTask(new(queue))
        late = own.tasks.CreateTask(new(queue), timeout=0.5)
        await own.settle()
        left.cancel()
        assert (await refused(late)).code in ("DEADLINE_EXCEEDED", "UNAVAILABLE")
        await own.settle()
    kept = await committing
    assert await every(server) == [kept.id]


async def under_way(api: Api, queue: str) -> "asyncio.Task[Any]":
    """Return a creation that has reached its commit; what comes after it waits for the next."""
    creating = asyncio.create_task(api.create(queue))
    await api.settle()
    return creating


async def every(server: ServerProcess) -> list[str]:
    """Return the ids of all tasks, once all that was sent before has been dealt with."""
    async with Api.at(server.address) as api:
        return [task.id for task in await api.every()]


async def test_a_call_whose_deadline_has_passed_is_not_begun(
    server: ServerProcess, own: Api, queue: str
) -> None:
    first = await own.create(queue)
    server.signal(signal.SIGSTOP)
    calls = [own.tasks.CreateTask(new(queue), timeout=0.3) for _ in range(50)]
    codes = {refusal.code for refusal in [await refused(call) for call in calls]}
    server.signal(signal.SIGCONT)
    assert codes == {"DEADLINE_EXCEEDED"}
    assert await every(server) == [first.id]


@pytest.mark.sqlite
async def test_calls_that_the_server_has_no_time_to_begin_are_dropped(
    start_server: Start, queue: str
) -> None:
    """Each takes the event loop some time, in which the others wait for it in gRPC."""
    server = start_server("--accept-timeout", "1s")
    async with Api.at(server.address) as api:
        outcomes = await asyncio.gather(
            *(outcome(api.create_many(1000, queue)) for _ in range(200))
        )
        dropped = [one for one in outcomes if isinstance(one, Refusal)]
        assert {refusal.code for refusal in dropped} == {"CANCELLED"}
        counts = (await api.queue(queue)).counts
        assert counts.queued == 1000 * (len(outcomes) - len(dropped))


@pytest.mark.sqlite
async def test_a_call_that_cannot_be_answered_in_time_is_refused_at_once(
    server: ServerProcess, own: Api, queue: str
) -> None:
    slow = 2.0
    with locked(server):
        began = time.monotonic()
        writing = creations(own, queue, 50)
        await until(lambda: is_past(began + slow))
    await asyncio.gather(*writing)  # 50 calls took so long
    with locked(server):
        waiting = creations(own, queue, 10)
        await own.settle()
        refusal = await refused(own.tasks.CreateTask(new(queue), timeout=slow / 2))
        assert refusal.kind == ("RESOURCE_EXHAUSTED", "OVERLOADED")
        assert refusal.retry_after is not None
        assert not any(call.done() for call in waiting)
        assert (await own.page(page_size=1)).tasks  # it is creations that are slow
    await asyncio.gather(*waiting)


def creations(api: Api, queue: str, count: int) -> "list[asyncio.Task[Any]]":
    """Begin creations that have a deadline, but not soon."""
    calls = [api.tasks.CreateTask(new(queue), timeout=PATIENCE) for _ in range(count)]
    return [asyncio.ensure_future(call) for call in calls]


async def is_past(instant: float) -> bool:
    return time.monotonic() > instant
