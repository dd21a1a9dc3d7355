"""The database is put back to an older copy beneath running servers."""

import asyncio
from contextlib import aclosing
from urllib.parse import urlsplit

import asyncpg
import pytest
from postgres_server import PostgresServer
from replicas.insisting import insist
from watch.sites import Site

from harness import ServerProcess
from idstatus import AsyncClient, RevisionInFutureError, TaskFilter

PATIENCE = 60.0


class Backup:
    """A copy of a database that can take its place."""

    def __init__(self, postgres: PostgresServer, url: str) -> None:
        self._admin = postgres.url("postgres")
        self._name = urlsplit(url).path.lstrip("/")

    async def take(self) -> None:
        await self._alone(f"CREATE DATABASE {self._name}_copy TEMPLATE {self._name}")
        await self._run(f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS true")

    async def restore(self) -> None:
        await self._alone(
            f"ALTER DATABASE {self._name} RENAME TO {self._name}_lost",
            f"ALTER DATABASE {self._name}_copy RENAME TO {self._name}",
        )

    async def _alone(self, *statements: str) -> None:
        """Run statements while nobody is connected."""
        await self._run(
            f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS false",
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"  # noqa: S608
            f" WHERE datname = '{self._name}'",
            *statements,
        )

    async def _run(self, *statements: str) -> None:
        db = await asyncpg.connect(self._admin)
        for statement in statements:
            await db.execute(statement)
        await db.close()


async def follow(client: AsyncClient, queue: str, seen: list[str]) -> None:
    async with aclosing(client.watch(task_filter=TaskFilter(queues=[queue]))) as watch:
        async for change in watch:
            seen.append(change.id_status.id)  # noqa: PERF401  # it never ends


async def test_who_has_seen_what_was_lost_is_told_so(
    replicas: list[ServerProcess],
    clients: list[AsyncClient],
    sites: list[Site],
    postgres: PostgresServer,
    queue: str,
) -> None:
    backup = Backup(postgres, replicas[0].store)
    kept = (await insist(sites[0], queue=queue)).id
    await backup.take()
    lost = {(await insist(site, queue=queue)).id for site in sites}
    seen: list[list[str]] = [[] for _ in clients]
    watches = [
        asyncio.create_task(follow(client, queue, own))
        for client, own in zip(clients, seen, strict=True)
    ]
    async with asyncio.timeout(PATIENCE):
        while not all(set(own) >= lost for own in seen):
            await asyncio.sleep(0.01)

    await backup.restore()
    new = [
        (await insist(site, queue=queue)).id for site in sites * 2
    ]  # as far as before, and past it
    for watch in watches:
        with pytest.raises(RevisionInFutureError):
            await asyncio.wait_for(watch, PATIENCE)
    for own in seen:  # nothing of the new history was shown as if it came after the lost one
        assert sorted(own) == sorted([kept, *lost])
    for client in clients:
        listed = [task.id async for task in client.list(TaskFilter(queues=[queue]))]
        assert sorted(listed) == sorted([kept, *new])
    for server in replicas:
        assert "Traceback" not in server.log.read_text()
