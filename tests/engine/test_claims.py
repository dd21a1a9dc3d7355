"""Claims on a real store: what they find together, and what is loaded for them."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from idstatus_server.engine import Ledger
from idstatus_server.engine.commands import (
    CancelBatch,
    Claim,
    Claimed,
    Create,
    Finish,
    NewTask,
    Report,
    UpdateQueue,
)
from idstatus_server.engine.draft import Draft
from idstatus_server.lifecycle import Status
from idstatus_server.model import Outcome
from idstatus_server.store.rows import read_task
from idstatus_server.store.sqlite import SqliteStore

QUEUES = [f"q{number}" for number in range(10)]
IN_EACH = 50


@pytest.fixture
async def ledger() -> AsyncIterator[Ledger]:
    async with SqliteStore(":memory:") as store:
        ledger = Ledger(store, lambda _before, _changes: None, 1000)
        yield ledger
        await ledger.close(5)


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The documents that commits have loaded."""
    documents: list[str] = []
    monkeypatch.setattr(
        "idstatus_server.store.sqlite.writing.read_task",
        lambda doc: documents.append(doc) or read_task(doc),  # type: ignore[func-returns-value]
    )
    return documents


async def fill(ledger: Ledger, queues: Sequence[str] = QUEUES, in_each: int = IN_EACH) -> None:
    """Create tasks, ``q0.0`` and so on."""
    for queue in queues:
        named = [f"{queue}.{number}" for number in range(in_each)]
        items = [NewTask(queue=queue, timeout=1, labels={}, task_id=name) for name in named]
        await ledger.submit(Create(items))


async def settings(ledger: Ledger, name: str, *, paused: bool = False, most: int = 0) -> None:
    await ledger.submit(UpdateQueue(name, paused=paused, max_running=most, retention=None))


def claim(count: int, queues: Sequence[str] = QUEUES) -> Claim:
    return Claim(queues=queues, max_tasks=count, lease=60_000_000, max_bytes=1 << 30)


def names(claimed: Claimed) -> list[str]:
    return [task.id for task in claimed.tasks]


def ids(queue: str, *numbers: int) -> list[str]:
    return [f"{queue}.{number}" for number in numbers]


async def test_a_claim_over_many_queues_loads_no_more_than_it_gets(
    ledger: Ledger, loaded: list[str]
) -> None:
    await fill(ledger)
    claimed = await ledger.submit(claim(70))
    assert names(claimed) == ids("q0", *range(50)) + ids("q1", *range(20))
    assert len(loaded) <= 100


async def test_many_claims_at_once_load_little_more_than_they_get(
    ledger: Ledger, loaded: list[str]
) -> None:
    await fill(ledger)
    orders = (QUEUES, QUEUES[::-1], QUEUES[4:], QUEUES[2:5])
    answers = await asyncio.gather(*(ledger.submit(claim(25, order)) for order in orders))
    assert [names(claimed) for claimed in answers] == [
        ids(queue, *range(25)) for queue in ("q0", "q9", "q4", "q2")
    ]
    assert len(loaded) <= 4 * 100


async def test_a_claim_looks_past_queues_that_are_paused_or_at_their_limit(
    ledger: Ledger, loaded: list[str]
) -> None:
    await fill(ledger)
    await settings(ledger, "q0", paused=True)
    await settings(ledger, "q1", most=5)
    claimed = await ledger.submit(claim(70))
    expected = ids("q1", *range(5)) + ids("q2", *range(50)) + ids("q3", *range(15))
    assert names(claimed) == expected
    assert claimed.limited == {"q1"}
    assert len(loaded) <= 5 + 50 + 50


async def test_a_claim_finds_room_that_was_made_in_its_own_commit(ledger: Ledger) -> None:
    await fill(ledger)
    await settings(ledger, "q0", most=3)
    first = await ledger.submit(claim(3, ["q0"]))
    done = [Report(t.id, t.lease_token, Outcome(status=Status.SUCCESS)) for t in first.tasks[:2]]
    _, claimed = await asyncio.gather(ledger.submit(Finish(done)), ledger.submit(claim(50, QUEUES)))
    assert names(claimed) == ids("q0", 3, 4) + ids("q1", *range(48))


async def test_a_claim_looks_past_tasks_that_are_taken_away_in_its_own_commit(
    ledger: Ledger,
) -> None:
    await fill(ledger, in_each=20)
    cancelled = ids("q0", *range(20)) + ids("q1", *range(1, 19))
    _, claimed, rest = await asyncio.gather(
        ledger.submit(CancelBatch(cancelled)),
        ledger.submit(claim(15)),
        ledger.submit(claim(15)),
    )
    assert names(claimed) == ids("q1", 0, 19) + ids("q2", *range(13))
    assert names(rest) == ids("q2", *range(13, 20)) + ids("q3", *range(8))


async def test_tasks_whose_claim_is_undone_go_to_the_next(ledger: Ledger) -> None:
    class Broken(Claim):
        def decide(self, draft: Draft) -> Claimed:
            super().decide(draft)
            raise ZeroDivisionError

    await fill(ledger, ["q"], 5)
    broken = Broken(queues=["q"], max_tasks=3, lease=60_000_000, max_bytes=1 << 30)
    error, claimed = await asyncio.gather(
        ledger.submit(broken), ledger.submit(claim(3, ["q"])), return_exceptions=True
    )
    assert isinstance(error, ZeroDivisionError)
    assert isinstance(claimed, Claimed)
    assert names(claimed) == ids("q", 0, 1, 2)
