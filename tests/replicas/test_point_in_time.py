"""A backup is put back: the server goes on from there, and says so to those who know more."""

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import NamedTuple

import pytest
from check.tools import check
from replicas.backups import Backups

from harness import ServerProcess
from idstatus import AsyncClient, Claim, IdStatus, LeaseState, Success
from idstatus.errors import LeaseNotHeldError, RevisionInFutureError, TaskNotRunningError

QUEUE = "q"
LEASE = 300


@pytest.fixture
def backups(postgres_version: int) -> Iterator[Backups]:
    """A primary that archives its log."""
    backups = Backups(postgres_version)
    try:
        backups.create()
        yield backups
    finally:
        backups.close()


class Past(NamedTuple):
    """What clients remember: of the time before the point and of the time after it."""

    token: str
    seen: list[int]
    kept: Claim
    token_after: str
    lost: Claim
    head_after: int


async def changes_from(client: AsyncClient, token: str, until: int) -> list[int]:
    """Resume a watch; return the revisions up to one."""
    seen: list[int] = []
    async with aclosing(client.watch_batches(resume_token=token)) as watch:
        async for batch in watch:
            seen += [change.id_status.revision for change in batch.changes]
            if seen and seen[-1] >= until:
                break
    return seen


async def token_of_now(client: AsyncClient) -> str:
    async with aclosing(client.watch_batches(skip_snapshot=True)) as watch:
        return (await anext(watch)).resume_token


async def live(client: AsyncClient, tasks: int) -> int:
    """Create tasks, claim and finish half of them; return the newest revision."""
    for _ in range(tasks // 2):
        await client.create(b"x", queue="busy")
        newest = (await client.create(b"x", queue="idle")).revision
        for claim in await client.claim(["busy"]):
            await client.finish([claim.report(Success(result=b"done"))])
            newest = (await client.status(claim.task.id)).revision
    return newest


@pytest.fixture
async def servers(tmp_path: Path) -> AsyncIterator[list[ServerProcess]]:
    servers: list[ServerProcess] = []
    yield servers
    for server in servers:
        server.kill()


def serve(servers: list[ServerProcess], folder: Path, url: str) -> ServerProcess:
    folder /= str(len(servers))
    folder.mkdir()
    servers.append(ServerProcess(folder, store=url))
    return servers[-1].start()


async def make_past(client: AsyncClient, backups: Backups) -> tuple[Past, str]:
    """Live up to a point and past it; return what is remembered, and the time of the point."""
    await live(client, 20)
    backups.run(
        *("pg_basebackup", "-h", str(backups.folder / "primary-socket"), "-U", "postgres"),
        *("-D", "base", "-c", "fast"),
    )
    token = await token_of_now(client)
    first = await client.create(queue=QUEUE)
    await client.create(queue=QUEUE)
    (kept,) = await client.claim([QUEUE], lease_duration=LEASE)
    newest = await live(client, 10)
    seen = await changes_from(client, token, newest)
    assert seen[0] == first.revision
    backups.sql("primary", "SELECT pg_create_restore_point('before_the_mistake')")
    time = backups.sql("primary", "SELECT clock_timestamp()")
    (lost,) = await client.claim([QUEUE], lease_duration=LEASE)
    head_after = await live(client, 10)
    token_after = await token_of_now(client)
    backups.sql("primary", "SELECT pg_switch_wal()")
    return Past(token, seen, kept, token_after, lost, head_after), time


@pytest.mark.parametrize("by", ["name", "time"])
async def test_a_point_in_time_is_restored_and_what_came_after_it_refused(
    backups: Backups, servers: list[ServerProcess], tmp_path: Path, by: str
) -> None:
    server = serve(servers, tmp_path, backups.url("primary"))
    async with AsyncClient(server.address) as client:
        past, time = await make_past(client, backups)
    assert server.stop() == 0
    backups.halt("primary")

    target = "recovery_target_name = 'before_the_mistake'"
    backups.restore("restored", target if by == "name" else f"recovery_target_time = '{time}'")
    assert check(backups.url("restored")).status == 0
    server = serve(servers, tmp_path, backups.url("restored"))
    async with AsyncClient(server.address) as client:
        await hold_to_the_past(client, past)
    assert server.stop() == 0
    assert "Traceback" not in server.log.read_text()
    assert check(backups.url("restored")).status == 0


async def hold_to_the_past(client: AsyncClient, past: Past) -> None:
    """Check what clients of the time before and after the point are told."""
    assert await changes_from(client, past.token, past.seen[-1]) == past.seen
    await refuse_the_future(client, past)

    # Who held a lease at the point holds it still. A claim of the lost future never was.
    (extended,) = await client.extend([past.kept.lease()])
    assert extended.state is LeaseState.EXTENDED
    (extended,) = await client.extend([past.lost.lease()])
    assert extended.state is LeaseState.LOST
    (refused,) = await client.finish([past.lost.report(Success())])
    assert isinstance(refused, TaskNotRunningError)
    (again,) = await client.claim([QUEUE])
    assert again.task.id == past.lost.task.id
    (refused,) = await client.finish([past.lost.report(Success())])
    assert isinstance(refused, LeaseNotHeldError)
    for claim in (past.kept, again):
        (finished,) = await client.finish([claim.report(Success())])
        assert isinstance(finished, IdStatus)

    while await live(client, 10) <= past.head_after:
        pass
    await refuse_the_future(client, past)
    seen = await changes_from(client, past.token, past.head_after)
    assert seen == list(range(past.seen[0], seen[-1] + 1))


async def refuse_the_future(client: AsyncClient, past: Past) -> None:
    """A token of the time after the point is never taken for one of this history."""
    with pytest.raises(RevisionInFutureError) as refused:
        await changes_from(client, past.token_after, past.head_after)
    assert refused.value.reason == "REVISION_IN_FUTURE"


async def test_a_dump_of_the_schema_is_a_store_of_the_same_history(
    backups: Backups, servers: list[ServerProcess], tmp_path: Path
) -> None:
    server = serve(servers, tmp_path, backups.url("primary"))
    at = ("-h", str(backups.folder / "primary-socket"), "-U", "postgres")
    async with AsyncClient(server.address) as client:
        token = await token_of_now(client)
        newest = await live(client, 20)
        backups.run("pg_dump", *at, "-Fc", "-n", "idstatus", "-f", "idstatus.dump", "postgres")
        seen = await changes_from(client, token, newest)
        await live(client, 10)
        lost = await token_of_now(client)
    assert server.stop() == 0
    backups.run("createdb", *at, "again")
    backups.run("pg_restore", *at, "-d", "again", "--exit-on-error", "idstatus.dump")
    assert check(backups.url("primary", "again")).status == 0
    server = serve(servers, tmp_path, backups.url("primary", "again"))
    async with AsyncClient(server.address) as client:
        assert await changes_from(client, token, newest) == seen
        with pytest.raises(RevisionInFutureError):
            await changes_from(client, lost, newest)
        await client.create(queue=QUEUE, request_id="numbers-go-on")
