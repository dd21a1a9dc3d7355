"""A data loader: many who ask for rows by key at the same time share a query.

A lone caller's query starts at once. While as many as may be are under way, those who ask
gather, and the next query asks for all of them. If several came together, it waits for a pause
in their arrival: the database would answer each of them before the next one came, and a query
costs as much as handling a call.

Nobody joins a query that was sent before they asked: each sees all that was committed by then.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

K = TypeVar("K")
V = TypeVar("V")

# So many turns of the event loop in which nobody comes are a pause: some 0.1 ms if it is idle.
_PAUSE = 6
# No query waits for more callers once it has so many.
_ENOUGH = 64
# Keys in one query: more would hold up the event loop while their rows are decoded.
_KEYS = 1000
# Queries under way at once: if one is stuck, the other goes on.
_QUERIES = 2


class _Caller(NamedTuple, Generic[K, V]):
    keys: Sequence[K]
    answer: asyncio.Future[dict[K, V]]


class Loader(Generic[K, V]):
    """Loads rows with ``query``, which returns those that exist, by key."""

    def __init__(self, query: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._query = query
        self._waiting: deque[_Caller[K, V]] = deque()
        self._under_way: dict[asyncio.Task[None], Sequence[_Caller[K, V]]] = {}
        self._alone = True

    async def load(self, keys: Sequence[K]) -> dict[K, V]:
        """Return the rows that exist, by key. What the query raises, all who share it raise."""
        answer: asyncio.Future[dict[K, V]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Caller(keys, answer))
        self._begin()
        try:
            return await answer
        except asyncio.CancelledError:
            self._give_up()
            raise

    def _begin(self) -> None:
        if self._waiting and len(self._under_way) < _QUERIES:
            callers: list[_Caller[K, V]] = []
            task = asyncio.create_task(self._run(callers), name="load")
            task.add_done_callback(self._end)
            self._under_way[task] = callers

    def _end(self, task: asyncio.Task[None]) -> None:
        del self._under_way[task]
        self._begin()

    def _give_up(self) -> None:
        """Cancel queries whose callers have all gone: a new one may fare better."""
        for task, callers in self._under_way.items():
            if callers and all(caller.answer.done() for caller in callers):
                task.cancel()

    async def _run(self, callers: list[_Caller[K, V]]) -> None:
        """Ask for what waits by now, and answer those who asked, whatever happens."""
        if not self._alone:
            await self._pause()
        keys = self._gather(callers)
        self._alone = len(callers) <= 1
        if not callers:
            return
        try:
            found = await self._query(keys)
        except Exception as error:  # noqa: BLE001  # the callers must hear of it
            for caller in callers:
                if not caller.answer.done():
                    caller.answer.set_exception(error)
        else:
            for caller in callers:
                if not caller.answer.done():
                    caller.answer.set_result({k: found[k] for k in caller.keys if k in found})

    async def _pause(self) -> None:
        """Wait for a pause in the arrival of callers, but not for many."""
        arrived, quiet = 0, 0
        while quiet < _PAUSE and len(self._waiting) < _ENOUGH:
            quiet = quiet + 1 if len(self._waiting) == arrived else 0
            arrived = len(self._waiting)
            await asyncio.sleep(0)

    def _gather(self, callers: list[_Caller[K, V]]) -> Sequence[K]:
        """Move those who wait to ``callers``, but for those who have gone; return their keys."""
        keys: dict[K, None] = {}
        while self._waiting and len(keys) < _KEYS:
            caller = self._waiting.popleft()
            if not caller.answer.done():
                callers.append(caller)
                keys.update(dict.fromkeys(caller.keys))
        return list(keys)
