"""The ledger on a store that is too slow for what it is asked to write."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from idstatus_server.engine import Ledger
from idstatus_server.engine.draft import Draft
from idstatus_server.engine.ledger import deadline
from idstatus_server.errors import OverloadedError
from idstatus_server.store.base import Needs
from idstatus_server.store.sqlite import SqliteStore
from idstatus_server.store.sqlite.writing import SqliteTransaction

# A commit takes two of the commands below, and so many seconds.
FIT, COMMIT = 2, 0.1


class SlowStore(SqliteStore):
    """The real store, somewhere far away."""

    commits = 0

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[SqliteTransaction]:
        await asyncio.sleep(COMMIT)
        async with super().transaction() as transaction:
            self.commits += 1
            yield transaction


class Bulky:
    """A command that takes half of a commit."""

    weight = 500

    def needs(self) -> Needs:
        return Needs()

    def decide(self, _: Draft) -> bool:
        return True


class Scene:
    def __init__(self, store: SlowStore) -> None:
        self.store = store
        self.ledger = Ledger(store, lambda _before, _changes: None, max_pending=10_000)

    def ask(self, left: float) -> "asyncio.Task[str]":
        """Submit a command for a caller who will be gone in so many seconds."""
        return asyncio.create_task(self._ask(left))

    async def _ask(self, left: float) -> str:
        deadline.set(time.monotonic() + left)
        try:
            async with asyncio.timeout(left):
                await self.ledger.submit(Bulky())
        except OverloadedError:
            return "refused"
        except TimeoutError:
            return "late"
        return "in time"


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with SlowStore(str(tmp_path / "idstatus.db")) as store:
        scene = Scene(store)
        yield scene
        await scene.ledger.close(5)


async def test_at_five_times_the_capacity_most_of_it_is_still_answered_in_time(
    scene: Scene,
) -> None:
    calls = []
    for _ in range(40):
        calls += [scene.ask(1.0) for _ in range(5 * FIT)]
        await asyncio.sleep(COMMIT)
    came = Counter(await asyncio.gather(*calls))
    assert came["in time"] >= 0.8 * FIT * scene.store.commits
    assert came["refused"] > came["late"]


async def test_those_who_would_be_answered_too_late_give_way_to_others(
    scene: Scene,
) -> None:
    await scene.ask(30.0)
    committing = scene.ask(30.0)
    await asyncio.sleep(0)
    soon = [scene.ask(2 * COMMIT) for _ in range(FIT)]
    later = [scene.ask(30.0) for _ in range(FIT)]
    assert set(await asyncio.gather(*soon)) <= {"refused", "late"}
    assert set(await asyncio.gather(committing, *later)) == {"in time"}


async def test_nobody_is_refused_as_long_as_all_fit_in_a_commit(scene: Scene) -> None:
    await scene.ask(30.0)
    committing = scene.ask(30.0)
    await asyncio.sleep(0)
    soon = [scene.ask(0.9) for _ in range(FIT)]
    assert "refused" not in await asyncio.gather(committing, *soon)
