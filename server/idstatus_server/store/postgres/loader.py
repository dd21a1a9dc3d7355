"""A data loader: many who ask for rows by key at the same time share a query.

A lone caller's query starts at once. While it is under way, those who ask gather, and the next
query asks for all of them. In a crowd, it waits for a pause in their arrival: the database would
answer each of them before the next one came, and a query costs as much as handling a call.

Nobody joins a query that was sent before they asked: each sees all that was committed by then.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

K = TypeVar("K")
V = TypeVar("V")

# More callers than this in one query are a crowd, until one comes alone. With fewer, to wait for
# each other costs them more than it saves.
_CROWD = 6
# So many turns of the event loop in which nobody comes are a pause: some 0.1 ms if it is idle.
_PAUSE = 8
# No query waits for more callers once it has so many.
_ENOUGH = 64
# Keys in one query: more would hold up the event loop while their rows are decoded.
_KEYS = 1000
# A query that takes longer, in seconds, is not waited for: it may be stuck, or the database far
# away. But no more than so many are under way.
_SLOW, _QUERIES = 0.005, 4


class _Caller(NamedTuple, Generic[K, V]):
    keys: Sequence[K]
    answer: asyncio.Future[dict[K, V]]


@dataclass(slots=True)
class _Query(Generic[K, V]):
    callers: Sequence[_Caller[K, V]] = ()
    sent: float = float("inf")


class Loader(Generic[K, V]):
    """Loads rows with ``query``, which returns those that exist, by key."""

    def __init__(self, query: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._query = query
        self._waiting: deque[_Caller[K, V]] = deque()
        self._under_way: dict[asyncio.Task[None], _Query[K, V]] = {}
        self._crowded = False

    async def load(self, keys: Sequence[K]) -> dict[K, V]:
        """Return the rows that exist, by key. What the query raises, all who share it raise."""
        if not keys:
            return {}
        answer: asyncio.Future[dict[K, V]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Caller(keys, answer))
        self._begin()
        try:
            return await answer
        except asyncio.CancelledError:
            self._give_up()
            raise

    def _begin(self) -> None:
        """Begin a query for those who wait, unless another will soon be done."""
        last = max((query.sent for query in self._under_way.values()), default=float("-inf"))
        slow = time.monotonic() > last + _SLOW
        if self._waiting and slow and len(self._under_way) < _QUERIES:
            query = _Query[K, V]()
            # It is not of the call that happens to begin it, and the log must not say so.
            task = asyncio.create_task(self._run(query), name="load", context=Context())
            task.add_done_callback(self._end)
            self._under_way[task] = query

    def _end(self, task: asyncio.Task[None]) -> None:
        del self._under_way[task]
        self._begin()

    def _give_up(self) -> None:
        """Cancel queries whose callers have all gone: a new one may fare better."""
        for task, query in self._under_way.items():
            if query.callers and all(caller.answer.done() for caller in query.callers):
                task.cancel()

    async def _run(self, query: _Query[K, V]) -> None:
        """Ask for what waits by now, and answer those who asked, whatever happens."""
        if self._crowded:
            await self._pause()
        query.callers = callers = self._gather()
        query.sent = time.monotonic()
        self._crowded = len(callers) > (1 if self._crowded else _CROWD)
        if not callers:
            return
        try:
            found = await self._query(list({key: None for c in callers for key in c.keys}))
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

    def _gather(self) -> Sequence[_Caller[K, V]]:
        """Take those who wait, up to so many keys, but for those who have gone."""
        callers: list[_Caller[K, V]] = []
        keys = 0
        while self._waiting and keys < _KEYS:
            caller = self._waiting.popleft()
            if not caller.answer.done():
                callers.append(caller)
                keys += len(caller.keys)
        return callers
