"""The ledger on a real store: how commands gather, and how each is answered."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from idstatus_server.engine import Ledger
from idstatus_server.engine.commands import Cancel, Create, Delete, NewTask
from idstatus_server.engine.draft import Draft
from idstatus_server.errors import (
    OverloadedError,
    StoreUnavailableError,
    TaskExistsError,
    TaskNotFoundError,
    UniqueKeyHeldError,
)
from idstatus_server.model import Change
from idstatus_server.store.base import Needs
from idstatus_server.store.sqlite import SqliteStore


class CountingStore(SqliteStore):
    """The real store, counting its commits; ``fail`` makes the disk refuse the next one."""

    def __init__(self, path: str) -> None:
        super().__init__(path, lambda: time.time_ns() // 1000 - self.behind)

    def set_back(self, span: int) -> None:
        self.behind += span

    behind = 0
    commits = 0
    fail = False

    async def _commit(self) -> None:
        if self.fail:
            self.fail = False
            full = sqlite3.OperationalError("database or disk is full")
            full.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise full
        self.commits += 1
        await super()._commit()


class Scene:
    def __init__(self, store: CountingStore) -> None:
        self.store = store
        self.published: list[Sequence[Change]] = []
        self.ledger = Ledger(
            store, lambda _, changes: self.published.append(changes), max_pending=600
        )


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with CountingStore(str(tmp_path / "idstatus.db")) as store:
        scene = Scene(store)
        yield scene
        await scene.ledger.close(5)


def new(task_id: str = "", unique_key: str = "") -> Create:
    item = NewTask(queue="q", timeout=1_000_000, labels={}, task_id=task_id, unique_key=unique_key)
    return Create((item,))


async def test_callers_in_flight_share_commits(scene: Scene) -> None:
    answers = await asyncio.gather(*(scene.ledger.submit(new()) for _ in range(500)))
    assert len({task.id for (task,) in answers}) == 500
    assert scene.store.commits <= 3
    revisions = [change.revision for changes in scene.published for change in changes]
    assert revisions == list(range(1, 501))


async def test_an_idle_ledger_commits_each_command_by_itself(scene: Scene) -> None:
    for expected in range(1, 4):
        await scene.ledger.submit(new())
        assert scene.store.commits == expected


async def test_commands_that_keep_coming_share_a_commit(scene: Scene) -> None:
    ready = asyncio.Event()

    async def come(late: int) -> None:
        await ready.wait()
        for _ in range(late):
            await asyncio.sleep(0)
        await scene.ledger.submit(new())

    callers = [asyncio.create_task(come(late)) for late in range(40)]
    await asyncio.sleep(0)
    before = scene.store.commits
    ready.set()
    await asyncio.gather(*callers)
    assert scene.store.commits - before < 40 / 2


async def test_a_refused_command_refuses_alone(scene: Scene) -> None:
    answers = await asyncio.gather(
        scene.ledger.submit(new("a")),
        scene.ledger.submit(new("a")),
        scene.ledger.submit(Cancel("none")),
        scene.ledger.submit(new("b")),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [list, TaskExistsError, TaskNotFoundError, list]
    assert (await scene.store.head()).newest.revision == 2


async def test_a_batch_that_is_refused_midway_leaves_nothing(scene: Scene) -> None:
    items = [*new("a", "k").items, *new("b", "k").items]
    with pytest.raises(UniqueKeyHeldError):
        await scene.ledger.submit(Create(items))
    assert await scene.store.tasks(["a", "b"]) == {}
    assert await scene.store.queue("q") is None
    await scene.ledger.submit(new("a", "k"))


async def test_commands_of_one_commit_see_each_other(scene: Scene) -> None:
    created, cancelled, again = await asyncio.gather(
        scene.ledger.submit(new("a", "k")),
        scene.ledger.submit(Cancel("a")),
        scene.ledger.submit(new("b", "k")),
    )
    assert (created[0].id, cancelled.status.name, again[0].id) == ("a", "CANCELLED", "b")
    assert scene.store.commits == 1


async def test_nothing_to_write_costs_no_commit(scene: Scene) -> None:
    with pytest.raises(TaskNotFoundError):
        await scene.ledger.submit(Cancel("none"))
    assert scene.store.commits == 0


async def test_a_caller_who_has_gone_is_not_worked_for(scene: Scene) -> None:
    await scene.ledger.submit(new("first"))
    staying = asyncio.create_task(scene.ledger.submit(new("stays")))
    leaving = asyncio.create_task(scene.ledger.submit(new("leaves")))
    await asyncio.sleep(0)
    leaving.cancel()
    await staying
    assert set(await scene.store.tasks(["stays", "leaves"])) == {"stays"}


async def test_past_the_limit_a_command_is_refused_at_once(scene: Scene) -> None:
    waiting = [asyncio.create_task(scene.ledger.submit(new())) for _ in range(600)]
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError):
        await scene.ledger.submit(new())
    await asyncio.gather(*waiting)


async def test_a_failed_commit_is_told_to_all_and_leaves_nothing(scene: Scene) -> None:
    scene.store.fail = True
    answers = await asyncio.gather(
        scene.ledger.submit(new("a")), scene.ledger.submit(new("b")), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [StoreUnavailableError] * 2
    assert (await scene.store.head()).newest.revision == 0
    (task,) = await scene.ledger.submit(new("a"))
    assert task.revision == 1


async def test_a_bug_in_one_command_spares_the_others(scene: Scene) -> None:
    class Broken:
        weight = 1

        def needs(self) -> Needs:
            return Needs()

        def decide(self, draft: Draft) -> None:
            raise ZeroDivisionError

    answers = await asyncio.gather(
        scene.ledger.submit(Broken()), scene.ledger.submit(new("a")), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [ZeroDivisionError, list]


async def test_time_never_runs_backwards(scene: Scene) -> None:
    (first,) = await scene.ledger.submit(new())
    scene.store.set_back(3_600_000_000)
    (second,) = await scene.ledger.submit(new())
    assert second.create_time == first.create_time


async def test_a_key_is_free_once_its_holder_is_gone_even_within_one_commit(
    scene: Scene,
) -> None:
    await scene.ledger.submit(new("a", "k"))
    *_, again = await asyncio.gather(
        scene.ledger.submit(Cancel("a")),
        scene.ledger.submit(Delete("a")),
        scene.ledger.submit(new("b", "k")),
    )
    assert again[0].id == "b"
    assert scene.store.commits == 2
