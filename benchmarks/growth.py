"""The same calls on a store that has grown: many tasks, half of them finished, half waiting."""

import asyncio
import itertools
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import servers
import work
from contest import Act, Sample, Setting, rated
from lives import UNARY_CALLERS, Lives
from unary import CALLERS, CREATE, GET, new_task
from wire import Wire

from idstatus.v1 import task_service_pb2 as t
from idstatus.v1.task_pb2 import TaskFilter
from idstatus_server.store.sqlite import SqliteStore

LIST = "/idstatus.v1.TaskService/ListTasks"
FEW, MANY, MANY_FULL = 10_000, 100_000, 1_000_000
PAGE = 50
_CONNECTIONS = 4
_BATCH = 1000
# More than a server may keep in memory.
_IDS = 20_000
_PAYLOAD = new_task().payload


async def fill(path: str, tasks: int, first: int = 0) -> None:
    """Store so many tasks, without a server; ``first`` are there already."""
    async with SqliteStore(path) as store, work.ledger_on(store) as ledger:
        await work.live(ledger, tasks // 2, _BATCH, "q", _PAYLOAD, first=first)
        for _ in range(0, tasks - tasks // 2, _BATCH):
            await ledger.submit(work.new_tasks(_BATCH, "q", _PAYLOAD))


def some_ids(path: str) -> list[str]:
    """Return ids from all over the store."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        (last,) = db.execute("SELECT max(seq) FROM tasks").fetchone()
        numbers = [random.randint(1, last) for _ in range(_IDS)]
        found = (
            db.execute("SELECT id FROM tasks WHERE seq >= ? ORDER BY seq LIMIT 1", (n,)).fetchone()
            for n in numbers
        )
        return [row[0] for row in found]


class Grown:
    """A server whose store holds many tasks, and what is called there."""

    def __init__(self, at: Setting, wire: Wire, server: servers.Server, ids: list[str]) -> None:
        self._at, self._wire, self._server = at, wire, server
        gets = [t.GetIdStatusRequest(id=task_id).SerializeToString() for task_id in ids]
        turns = itertools.cycle(gets)
        page = t.ListTasksRequest(filter=TaskFilter(queues=["q"]), page_size=PAGE)
        create, listing = new_task().SerializeToString(), page.SerializeToString()
        self._calls: dict[str, tuple[str, Callable[[], bytes], int]] = {
            "get": (GET, lambda: next(turns), CALLERS),
            "create": (CREATE, lambda: create, CALLERS),
            "list": (LIST, lambda: listing, UNARY_CALLERS),
        }

    def act(self, name: str) -> Sample:
        """Call each for a while."""
        samples = [self._flood(f"{name}-{what}", *call) for what, call in self._calls.items()]
        samples.append(self._claim(f"{name}-claim"))
        values = {name: value for one in samples for name, value in one.values.items()}
        return replace(samples[0], values=values)

    def _flood(self, name: str, path: str, request: Callable[[], bytes], callers: int) -> Sample:
        with self._wire.flood(path, request, callers) as flood:
            return rated(self._at, name, self._wire, self._server, lambda: flood.done)

    def _claim(self, name: str) -> Sample:
        lives = Lives(1, born=False)
        for number in range(UNARY_CALLERS):
            lives.begin(self._wire.connections[number % _CONNECTIONS])
        sample = rated(self._at, name, self._wire, self._server, lambda: lives.done)
        lives.on = False
        self._wire.until(lives.ended)
        return sample


@contextmanager
def grown(at: Setting, tasks: int) -> Iterator[Grown]:
    """Start a server on a store that has been filled."""
    store = at.store()
    path = store.removeprefix("sqlite:///")
    asyncio.run(fill(path, tasks))
    with (
        servers.idstatus(store, at.server_cores) as server,
        Wire(server.address, _CONNECTIONS) as wire,
    ):
        yield Grown(at, wire, server, some_ids(path))


@contextmanager
def growth(at: Setting, name: str) -> Iterator[tuple[Act, Act]]:
    """Hold a large store against a small one."""
    with grown(at, MANY_FULL if at.full else MANY) as large, grown(at, FEW) as small:
        yield lambda: large.act(name), lambda: small.act(name)
