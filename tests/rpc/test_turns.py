"""Turns: whoever asks for much waits for what they have asked for, and others do not."""

import asyncio

import pytest

from idstatus_server.access import Caller, caller
from idstatus_server.rpc.turns import Turns

AT_ONCE = 2


class Queue:
    """Calls that want a turn, and those that have had one, in order."""

    def __init__(self) -> None:
        self.turns = Turns(AT_ONCE)
        self.begun: list[str] = []
        self.end = asyncio.Event()

    def call(self, name: str) -> asyncio.Task[None]:
        """Make one call of this caller."""
        return asyncio.create_task(self._call(name))

    async def _call(self, name: str) -> None:
        caller.set(Caller(name=name))
        async with self.turns.turn():
            self.begun.append(name)
            await self.end.wait()


@pytest.fixture
async def queue() -> Queue:
    return Queue()


async def rest() -> None:
    """Let everyone come as far as they can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_no_more_than_so_many_are_in_at_once(queue: Queue) -> None:
    calls = [queue.call("one") for _ in range(5)]
    await rest()
    assert len(queue.begun) == AT_ONCE
    queue.end.set()
    await asyncio.gather(*calls)
    assert len(queue.begun) == len(calls)


async def test_callers_take_turns_however_much_one_of_them_wants(queue: Queue) -> None:
    calls = [queue.call("greedy") for _ in range(8)]
    await rest()
    calls += [queue.call(name) for name in ("modest", "other", "modest")]
    await rest()
    queue.end.set()
    await asyncio.gather(*calls)
    inside, waited = queue.begun[:AT_ONCE], queue.begun[AT_ONCE:]
    assert inside == ["greedy"] * AT_ONCE
    assert waited[:5] == ["greedy", "modest", "other", "greedy", "modest"]
    assert waited[5:] == ["greedy"] * 4


async def test_who_gives_up_takes_no_turn_and_keeps_none(queue: Queue) -> None:
    holding = [queue.call("holder") for _ in range(AT_ONCE)]
    await rest()
    leaving, staying = queue.call("leaving"), queue.call("staying")
    await rest()
    leaving.cancel()
    await rest()
    holding[0].cancel()  # the turn is passed on...
    staying.cancel()  # ...to one who gives up before it has heard of it
    await rest()
    last = [queue.call("last") for _ in range(AT_ONCE)]
    await rest()
    queue.end.set()
    await asyncio.gather(*holding[1:], *last)
    assert queue.begun == ["holder", "holder", "last", "last"]
