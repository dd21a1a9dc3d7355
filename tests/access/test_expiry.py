"""When a token runs out, the streams of its bearer end, and go on with a new one."""

import asyncio
from typing import Any

import grpc
import pytest
from access.people import CORE, SKEW, Issuer, api_of, end_of
from rpc.stream import Runner
from rpc.wire import PATIENCE, Api, lease, refused, rich

import idstatus
from harness import ServerProcess
from idstatus.v1 import task_pb2 as m
from idstatus.v1 import task_service_pb2 as t

EXPIRED = ("UNAUTHENTICATED", "CREDENTIALS_EXPIRED")
# In a moment: the skew is what a token is good for beyond its end.
SOON = 3.0 - SKEW


async def read_to_the_end(watch: Any, seen: list[str]) -> tuple[str, Any]:
    """Read until the watch ends; return its last token and how it ended."""
    token = ""
    try:
        async with asyncio.timeout(PATIENCE):
            while (message := await watch.read()) is not grpc.aio.EOF:
                seen += [change.id_status.id for change in message.changes]
                token = message.resume_token or token
    except grpc.aio.AioRpcError as error:
        return token, rich(error)
    return token, None


async def test_a_watch_ends_with_its_token_and_goes_on_with_a_new_one_without_a_gap(
    channel: grpc.aio.Channel, issuer: Issuer, root: Api, ours: str
) -> None:
    grant = f"viewer:{ours}"
    short = api_of(channel, issuer.token(grant, lasts=SOON))
    watch = short.tasks.WatchTasks(t.WatchTasksRequest())
    seen: list[str] = []
    made: list[str] = []

    async def create() -> None:
        while True:
            made.append((await root.create(ours)).id)
            await asyncio.sleep(0)

    creating = asyncio.create_task(create())
    token, ended = await read_to_the_end(watch, seen)
    creating.cancel()
    assert ended.kind == EXPIRED
    assert seen
    made.append((await root.create(ours)).id)
    again = api_of(channel, issuer.token(grant)).tasks.WatchTasks(
        t.WatchTasksRequest(resume_token=token)
    )
    async with asyncio.timeout(PATIENCE):
        while made[-1] not in seen:
            seen += [change.id_status.id for change in (await again.read()).changes]
    again.cancel()
    everything = await root.every(filter=m.TaskFilter(queues=[ours]), page_size=1000)
    assert sorted(seen) == sorted(task.id for task in everything)


async def test_a_run_stream_ends_with_its_token_and_what_it_held_is_still_held(
    channel: grpc.aio.Channel, issuer: Issuer, root: Api, ours: str
) -> None:
    task = await root.create(ours)
    short = api_of(channel, issuer.token(f"runner:{ours}", lasts=SOON))
    runner = Runner(short.runners.Run())
    await runner.subscribe(ours)
    (claim,) = await runner.claims()
    assert (await end_of(runner.call)).kind == EXPIRED
    again = api_of(channel, issuer.token(f"runner:{ours}"))
    assert (await again.succeed(claim)).id == task.id


async def test_a_wait_ends_with_its_token(
    channel: grpc.aio.Channel, issuer: Issuer, root: Api, ours: str
) -> None:
    task = await root.create(ours)
    short = api_of(channel, issuer.token("viewer", lasts=SOON))
    assert (await refused(short.wait(task.id))).kind == EXPIRED


async def test_a_runner_that_talks_on_is_not_heard_beyond_its_token(
    channel: grpc.aio.Channel, issuer: Issuer, root: Api, ours: str
) -> None:
    await root.create(ours)
    short = api_of(channel, issuer.token(f"runner:{ours}", lasts=SOON))
    runner = Runner(short.runners.Run())
    await runner.subscribe(ours)
    (claim,) = await runner.claims()

    async def talk() -> None:
        while True:
            await runner.extend(lease(claim))

    # Who writes as the stream ends may be told of that, and not how it ended.
    ended = await refused(talk())
    assert ended.message == CORE or ended.kind == EXPIRED


async def test_a_claim_that_waits_ends_with_its_token(
    channel: grpc.aio.Channel, issuer: Issuer, ours: str
) -> None:
    short = api_of(channel, issuer.token(f"runner:{ours}", lasts=SOON))
    assert (await refused(short.claim(ours, wait=PATIENCE))).kind == EXPIRED


async def test_the_client_goes_on_by_itself_if_it_has_a_new_token_to_show(
    guarded: ServerProcess, issuer: Issuer, root: Api, ours: str
) -> None:
    shown: list[str] = []
    first = await root.create(ours)

    def token() -> str:
        shown.append(issuer.token(f"viewer:{ours}", f"runner:{ours}", lasts=SOON))
        return shown[-1]

    async with idstatus.AsyncClient(guarded.address, token=token) as client:
        runner = idstatus.Runner(client)
        done: list[str] = []

        @runner.handler(ours)
        async def work(context: idstatus.TaskContext) -> None:
            done.append(context.task.id)

        running: asyncio.Task[None] | None = None
        made = [first.id]
        steps: list[tuple[str, str]] = []
        async with asyncio.timeout(PATIENCE):
            async for change in client.watch(task_filter=idstatus.TaskFilter(queues=[ours])):
                # Not before: else the watch might begin after the first task has ended.
                running = running or asyncio.create_task(runner.run())
                steps.append((change.id_status.id, change.id_status.status.name))
                if steps[-1][1] == "SUCCESS" and len(shown) >= 4:  # each has shown two
                    break
                if len(steps) == 3 * len(made):
                    made.append((await root.create(ours)).id)
        runner.stop()
        assert running
        await running
    assert done == made
    assert steps == [(task, step) for task in made for step in ("QUEUED", "RUNNING", "SUCCESS")]


async def test_a_token_that_is_not_renewed_ends_the_watch_of_the_client(
    guarded: ServerProcess, issuer: Issuer, ours: str
) -> None:
    token = issuer.token(f"viewer:{ours}", lasts=SOON)
    async with idstatus.AsyncClient(guarded.address, token=token) as client:
        with pytest.raises(idstatus.CredentialsExpiredError):
            async for _ in client.watch():
                pass
