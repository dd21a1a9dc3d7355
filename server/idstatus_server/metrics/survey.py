"""What the store holds, looked at now and then, however often it is asked for."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from idstatus_server.errors import StoreUnavailableError
from idstatus_server.lifecycle import Status
from idstatus_server.limits import SECOND
from idstatus_server.model import QueueState
from idstatus_server.observe import Observer
from idstatus_server.store.base import Head, Store
from idstatus_server.watch import Hub

_log = logging.getLogger(__name__)

# For so long an answer is good, and so long the store has to give it, in seconds.
_FRESH, _PATIENCE = 5.0, 2.0
# Queues that are told of, and read at once: what the event loop can do between two calls.
_MOST_QUEUES, _AT_ONCE = 1000, 50
# When a task that timers have not acted on is overdue, in microseconds; so many are counted.
_OVERDUE, _MOST_OVERDUE = 5 * SECOND, 500


class Survey(NamedTuple):
    """The store at one time.

    ``queues`` are the first by name, ``more_queues`` says that there are others. ``overdue`` counts
    tasks by status, ``hub_lag`` is in revisions.
    """

    now: int
    head: Head
    hub_lag: int
    queues: Sequence[QueueState]
    more_queues: bool
    overdue: Mapping[Status, int]


class Surveyor:
    """Looks at the store; an answer, be it that there is none, is given to all who ask soon.

    The ``observer`` is told each time that there is none; the log, when that changes.
    """

    def __init__(self, store: Store, hub: Hub, observer: Observer) -> None:
        self._store = store
        self._hub = hub
        self._observer = observer
        self._trouble: StoreUnavailableError | None = None
        self._asking = asyncio.Lock()
        self._latest: Survey | None = None
        self._asked = float("-inf")

    async def survey(self) -> Survey | None:
        """Return how the store is, None if it is out of reach."""
        async with self._asking:
            if time.monotonic() - self._asked >= _FRESH:
                self._latest = await self._look()
                self._asked = time.monotonic()
            return self._latest

    async def _look(self) -> Survey | None:
        survey = None
        trouble: StoreUnavailableError | None = None
        try:
            async with asyncio.timeout(_PATIENCE):
                survey = await self._read()
        except TimeoutError:
            trouble = StoreUnavailableError(f"it did not answer within {_PATIENCE:g} s")
        except StoreUnavailableError as error:
            trouble = error
        self._tell(trouble)
        return survey

    def _tell(self, trouble: StoreUnavailableError | None) -> None:
        if trouble:
            self._observer.store_failed("survey", trouble)
        if type(trouble) is not type(self._trouble):
            if trouble:
                _log.warning("the store cannot be read for the metrics: %s", trouble)
            else:
                _log.info("the store can be read for the metrics again")
        self._trouble = trouble

    async def _read(self) -> Survey:
        now = await self._store.now()
        # In this order, for the hub goes on meanwhile: it may be told to be nearer, never further.
        head = await self._store.head()
        hub_lag = max(0, head.newest.revision - self._hub.newest.revision)
        queues = await self._queues()
        return Survey(
            now=now,
            head=head,
            hub_lag=hub_lag,
            queues=queues[:_MOST_QUEUES],
            more_queues=len(queues) > _MOST_QUEUES,
            overdue={
                status: len(await self._store.awake(status, now - _OVERDUE, _MOST_OVERDUE))
                for status in (Status.DELAYED, Status.RUNNING)
            },
        )

    async def _queues(self) -> list[QueueState]:
        """Return one more than is told of, if there are so many."""
        found: list[QueueState] = []
        while len(found) <= _MOST_QUEUES:
            page = await self._store.queues(found[-1].queue.name if found else "", _AT_ONCE)
            found += page
            if len(page) < _AT_ONCE:
                break
            await asyncio.sleep(0)
        return found
