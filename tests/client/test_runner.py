import asyncio
import signal
import subprocess
import sys
import threading
from datetime import datetime
from typing import Any

import pytest
from running import runner_of, running

import idstatus
from harness import ServerProcess
from idstatus import (
    AsyncClient,
    Execution,
    NewTask,
    Reason,
    Status,
    TaskContext,
)


async def restart(server: ServerProcess) -> None:
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)


async def shout(context: TaskContext) -> bytes:
    return context.task.payload.upper()


def shout_slowly(context: TaskContext) -> bytes:
    assert not context.cancelled.wait(0.01)
    return context.task.payload.upper()


@pytest.mark.parametrize("handler", [shout, shout_slowly])
async def test_a_runner_does_what_is_queued(
    handler: idstatus.Handler, client: AsyncClient, queue: str
) -> None:
    new_tasks = [NewTask(payload=f"task {number}", queue=queue) for number in range(50)]
    tasks = await client.create_batch(new_tasks)
    async with running(runner_of(client, handler, queue, capacity=8, name="r1")):
        done = [await client.wait(task.id, timeout=20) for task in tasks]
    assert [task.result for task in done] == [f"TASK {number}".encode() for number in range(50)]
    assert {(task.status, task.execution, task.runner) for task in done} == {
        (Status.SUCCESS, Execution.ENDED, "r1")
    }


async def test_a_failure_is_reported_with_all_that_is_known(
    client: AsyncClient, queue: str, shared_server: ServerProcess
) -> None:
    async def crash(_context: TaskContext) -> None:
        raise idstatus.TaskError("segfault", reason=Reason.KILLED, exit_code=139, signal=11)

    task = await client.create(queue=queue)
    async with running(runner_of(shared_server.address, crash, queue)):
        failed = await client.wait(task.id, timeout=10)
    assert (failed.status, failed.reason, failed.message) == (
        Status.ERROR,
        Reason.KILLED,
        "segfault",
    )
    assert (failed.exit_code, failed.signal) == (139, 11)


async def test_what_a_handler_must_not_return_is_an_error(client: AsyncClient, queue: str) -> None:
    def answer(context: TaskContext) -> Any:
        return {42} if context.task.payload == b"set" else bytes(256 * 1024 + 1)

    wrong = await client.create("set", queue=queue)
    large = await client.create("large", queue=queue)
    async with running(runner_of(client, answer, queue)):
        assert "no JSON for a set" in (await client.wait(wrong.id, timeout=10)).message
        assert "262144 bytes" in (await client.wait(large.id, timeout=10)).message


async def test_a_cancellation_reaches_the_handler_at_once(client: AsyncClient, queue: str) -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def hang(_context: TaskContext) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    task = await client.create(queue=queue)
    async with running(runner_of(client, hang, queue)):
        await asyncio.wait_for(started.wait(), 10)
        cancelled = await client.cancel(task.id)
        await asyncio.wait_for(ended.wait(), 5)
    stopped = await client.get(task.id)
    assert cancelled.execution is Execution.MAY_BE_RUNNING
    assert (stopped.status, stopped.execution) == (Status.CANCELLED, Execution.ENDED)
    assert stopped.late_report is not None
    assert stopped.late_report.outcome == idstatus.Stopped()


async def test_a_task_that_is_out_of_time_stops_its_handler(
    client: AsyncClient, queue: str
) -> None:
    stopped = threading.Event()

    def hang(context: TaskContext) -> None:
        assert context.cancelled.wait(20)
        stopped.set()

    task = await client.create(queue=queue, timeout=1)
    async with running(runner_of(client, hang, queue)):
        expired = await client.wait(task.id, timeout=10)
        assert await asyncio.to_thread(stopped.wait, 10)
    assert (expired.status, expired.reason) == (Status.ERROR, Reason.TIMEOUT)


async def test_leases_are_kept_for_as_long_as_the_work_takes_and_progress_is_told(
    client: AsyncClient,
    queue: str,
) -> None:
    enough = asyncio.Event()

    async def work(context: TaskContext) -> None:
        context.set_progress(0.25, "a quarter")
        await enough.wait()

    task = await client.create(queue=queue)
    async with (
        running(runner_of(client, work, queue, lease_duration=1)),
        client.watch([task.id]) as changes,
    ):
        leases: set[datetime | None] = set()
        async for change in changes:
            if change.type is idstatus.ChangeType.UPDATE:
                break
        while len(leases) < 4:  # each extension moves the end of the lease, which lasts 1 s
            leases.add((await client.get(task.id)).lease_expire_time)
        enough.set()
        done = await client.wait(task.id, timeout=10)
    assert done.status is Status.SUCCESS
    assert done.progress == idstatus.Progress(fraction=0.25, message="a quarter")


@pytest.mark.parametrize("ending", ["kill", "stop"])
async def test_work_goes_on_while_the_server_is_away_and_is_reported_once_it_is_back(
    ending: str, own_client: AsyncClient, server: ServerProcess
) -> None:
    started: dict[str, asyncio.Event] = {"before": asyncio.Event(), "after": asyncio.Event()}
    release = {"before": asyncio.Event(), "after": asyncio.Event()}

    async def work(context: TaskContext) -> str:
        name = context.task.payload.decode()
        started[name].set()
        await release[name].wait()
        return name

    dead = await own_client.create("before")  # ends while the server is away
    alive = await own_client.create("after")  # ends after it is back
    async with running(runner_of(own_client, work, capacity=2)):
        for event in started.values():
            await asyncio.wait_for(event.wait(), 10)
        await asyncio.to_thread(getattr(server, ending))
        release["before"].set()
        await asyncio.to_thread(server.start)
        assert (await own_client.wait(dead.id, timeout=20)).result == b"before"
        assert (await own_client.status(alive.id)).status is Status.RUNNING
        release["after"].set()
        assert (await own_client.wait(alive.id, timeout=20)).result == b"after"


async def test_a_cancellation_reaches_the_handler_after_a_restart_of_the_server(
    own_client: AsyncClient, server: ServerProcess
) -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def hang(_context: TaskContext) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    task = await own_client.create()
    async with running(runner_of(own_client, hang)):
        await asyncio.wait_for(started.wait(), 10)
        await restart(server)
        await own_client.cancel(task.id)
        await asyncio.wait_for(ended.wait(), 10)


async def test_no_report_is_lost_while_the_server_is_killed_again_and_again(
    own_client: AsyncClient, queue: str, server: ServerProcess
) -> None:
    done: list[str] = []
    reached = {goal: asyncio.Event() for goal in (50, 100, 150)}

    async def work(context: TaskContext) -> None:
        await asyncio.sleep(0)
        done.append(context.task.id)
        if len(done) in reached:
            reached[len(done)].set()

    new_tasks = [NewTask(queue=queue) for _ in range(300)]
    tasks = [task.id for task in await own_client.create_batch(new_tasks)]
    async with running(runner_of(own_client, work, queue, capacity=4, lease_duration=1)):
        for event in reached.values():
            await asyncio.wait_for(event.wait(), 20)
            await restart(server)
        for task_id in tasks:
            await own_client.wait(task_id, timeout=30)
    # Every report arrived, if only late. Only a claim that died on its way was not worked on.
    reported = {
        task.id
        async for task in own_client.list(page_size=1000)
        if task.execution is Execution.ENDED
    }
    assert len(done) == len(set(done))
    assert reported == set(done)
    assert len(done) >= len(tasks) - 3 * 4


async def test_a_drain_lets_the_handlers_end_and_claims_nothing_more(
    client: AsyncClient, queue: str
) -> None:
    started, release = asyncio.Event(), asyncio.Event()

    async def work(_context: TaskContext) -> str:
        started.set()
        await release.wait()
        return "done"

    first, second = await client.create(queue=queue), await client.create(queue=queue)
    runner = runner_of(client, work, queue, capacity=1)
    run = asyncio.create_task(runner.run())
    await asyncio.wait_for(started.wait(), 10)
    runner.stop()
    release.set()
    await asyncio.wait_for(run, 10)
    assert (await client.get(first.id)).result == b"done"
    assert (await client.status(second.id)).status is Status.QUEUED


@pytest.mark.parametrize("blocking", [True, False])
async def test_handlers_that_outlast_the_grace_are_reported_as_killed(
    blocking: bool, client: AsyncClient, queue: str
) -> None:
    started = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def hang(_context: TaskContext) -> None:
        started.set()
        await asyncio.Event().wait()

    def hang_blocking(context: TaskContext) -> None:
        loop.call_soon_threadsafe(started.set)
        assert context.cancelled.wait(20)

    task = await client.create(queue=queue)
    runner = runner_of(client, hang_blocking if blocking else hang, queue, drain_grace=0)
    run = asyncio.create_task(runner.run())
    await asyncio.wait_for(started.wait(), 10)
    runner.stop()
    await asyncio.wait_for(run, 10)
    killed = await client.get(task.id)
    assert (killed.status, killed.reason) == (Status.ERROR, Reason.KILLED)
    assert killed.message == "the runner was shut down"


SCRIPT = """
import sys, time
from idstatus import Runner

runner = Runner(sys.argv[1])

@runner.handler(sys.argv[2])
def work(context):
    print("started", flush=True)
    time.sleep(0.3)
    return "done"

runner.run_forever()
print("drained", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_runner_process_drains_on_a_signal(
    number: signal.Signals, client: AsyncClient, queue: str, shared_server: ServerProcess
) -> None:
    task = await client.create(queue=queue)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SCRIPT, shared_server.address, queue, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"started\n"
    process.send_signal(number)
    assert await process.stdout.readline() == b"drained\n"
    assert await asyncio.wait_for(process.wait(), 20) == 0
    assert (await client.get(task.id)).result == b"done"


async def test_what_the_server_refuses_for_good_is_raised(client: AsyncClient) -> None:
    with pytest.raises(idstatus.InvalidFieldError):
        await runner_of(client, shout, "No Such Name").run()


async def test_a_runner_without_a_server_can_be_stopped() -> None:
    runner = runner_of("127.0.0.1:1", shout)
    run = asyncio.create_task(runner.run())
    await asyncio.sleep(0)
    runner.stop()
    await asyncio.wait_for(run, 10)


async def test_only_as_many_tasks_are_held_as_there_is_capacity_for(
    client: AsyncClient, queue: str
) -> None:
    full, release = asyncio.Event(), asyncio.Event()
    held = 0

    async def work(_context: TaskContext) -> None:
        nonlocal held
        held += 1
        if held == 2:
            full.set()
        await release.wait()

    await client.create_batch([NewTask(queue=queue) for _ in range(5)])
    async with running(runner_of(client, work, queue, capacity=2)):
        await asyncio.wait_for(full.wait(), 10)
        assert (await client.queue(queue)).counts.running == 2
        release.set()
